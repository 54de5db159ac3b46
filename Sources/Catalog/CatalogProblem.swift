/// One mistake in the catalog's files, with its place.
public struct CatalogProblem: Sendable, Equatable, CustomStringConvertible {
  /// The file, as the folder's name and its own (`schema/pipeline.yaml`).
  public let file: String
  /// The line, counted from 1.
  public let line: Int
  /// What is wrong, in a sentence for the person who wrote the file.
  public let message: String

  /// A mistake at a line.
  public init(file: String, line: Int, message: String) {
    self.file = file
    self.line = line
    self.message = message
  }

  /// `schema/pipeline.yaml:12: unknown key 'tpye' in field 'name' (did you mean 'type'?)`.
  public var description: String { "\(file):\(line): \(message)" }
}
