/// What went wrong between this process and PostgreSQL, fit to be logged and shown: it never holds a parameter's value
/// or a row's data (see ``message``).
public struct PostgresError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure a caller can tell apart.
  public enum Code: String, Hashable, Sendable {
    /// No connection could be made; ``PostgresError/sqlState`` is ``PostgresError/cannotConnectNow`` where the server
    /// is there and takes none just now.
    case connectionFailed
    /// The connection broke, or is closed; whether a statement under way took effect is unknown.
    case connectionLost
    /// PostgreSQL refused the statement; ``PostgresError/sqlState`` says why.
    case query
    /// A call was used in a way the protocol doesn't allow (a COPY through `query`, a text with U+0000).
    case protocolViolation
    /// A deadline passed: the statement was cancelled, or no pooled connection became free.
    case timeout
    /// The task, or another caller, cancelled the statement.
    case cancelled
    /// The pool is closed.
    case poolClosed
  }

  /// The kind of failure.
  public let code: Code
  /// PostgreSQL's five-character SQLSTATE (PostgreSQL manual, appendix A), where the server gave one.
  public let sqlState: String?
  /// A sentence for a person: severity, SQLSTATE and primary message. DETAIL, HINT and CONTEXT are left out, and so is
  /// any primary message of a kind that quotes values (class 22, functions' own RAISE, literals in a syntax error).
  public let message: String
  /// Whether the same transaction can succeed when it is run again from its start: the connection was lost or refused,
  /// the server is stopping or starting, or a serialization failure or deadlock chose this transaction.
  public let isRetryable: Bool

  /// Makes an error; unless told otherwise, whether to retry follows from the code and the SQLSTATE.
  public init(_ code: Code, sqlState: String? = nil, message: String, isRetryable: Bool? = nil) {
    self.code = code
    self.sqlState = sqlState
    self.message = message
    self.isRetryable = isRetryable ?? Self.isRetryable(code, sqlState)
  }

  /// Whether the moment and not the statement is the reason: the same statement can succeed later, in a transaction of
  /// its own, though nothing about it changes. Beside what ``isRetryable`` says: memory, locks and connections that ran
  /// out (class 53, 55P03), an operator's doing (57), the disk (58), and another session's concurrent change of the
  /// same catalog row (XX000).
  public var mayPass: Bool {
    guard code == .query, !isRetryable, let sqlState else { return isRetryable || code == .timeout }
    return ["53", "57", "58", "40", "XX"].contains(String(sqlState.prefix(2))) || sqlState == "55P03"
  }

  /// The SQLSTATE with which a server takes no connections for a while: it starts, recovers from a crash, or ends.
  public static let cannotConnectNow = "57P03"

  /// The code and the message; as free of values as ``message`` is.
  public var description: String { "\(code.rawValue): \(message)" }

  private static func isRetryable(_ code: Code, _ sqlState: String?) -> Bool {
    if code == .connectionFailed || code == .connectionLost { return true }
    guard code == .query, let sqlState else { return false }
    return sqlState.hasPrefix("57P0") || sqlState.hasPrefix("08") || sqlState == "40001" || sqlState == "40P01"
  }
}
