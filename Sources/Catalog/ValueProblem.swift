/// What is wrong with one value that a caller gave.
public struct ValueProblem: Sendable, Equatable {
  /// Where in the params it stands: a JSON Pointer (RFC 6901).
  public let path: String
  /// What is wrong, without quoting the value.
  public let problem: String

  /// A fault at a place.
  public init(path: String, problem: String) {
    self.path = path
    self.problem = problem
  }
}
