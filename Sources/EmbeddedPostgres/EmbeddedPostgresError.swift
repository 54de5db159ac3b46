/// Why the private PostgreSQL can't be had, with the remedy.
public struct EmbeddedPostgresError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure a caller can tell apart.
  public enum Code: String, Hashable, Sendable {
    /// PostgreSQL 15 or newer isn't installed, or not the version that made the cluster.
    case binariesMissing
    /// No operating system user that PostgreSQL can run as.
    case accountMissing
    /// Who exists on this system can't be found out just now.
    case accountsUnreadable
    /// A folder can't be made, owned or written.
    case folderUnusable
    /// initdb failed.
    case initializationFailed
    /// The server process couldn't be started, or ended before it was ready.
    case startFailed
    /// A server that is to be replaced doesn't end.
    case stopFailed
  }

  /// The kind of failure.
  public let code: Code
  /// A sentence for a person, with the remedy where there is one.
  public let message: String

  /// The message.
  public var description: String { message }

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}
