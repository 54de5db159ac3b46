/// Every mistake that was found in the catalog's files; a catalog with any is not used at all.
public struct CatalogError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The mistakes, by file and line.
  public let problems: [CatalogProblem]

  /// An error of these mistakes.
  public init(problems: [CatalogProblem]) {
    self.problems = problems
  }

  /// The mistakes, one a line.
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
