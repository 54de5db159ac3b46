import LMDB

/// Why the log refused, in a closed set of codes.
public struct EventLogError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of refusal it is.
  public enum Code: String, Sendable {
    /// The inbox is full: nothing was recorded; try again soon.
    case overloaded
    /// The log is closing or closed.
    case closed
    /// The disk (or a quota) is full: writes are refused, reads go on.
    case diskFull
    /// The disk failed a read or a write. Nothing that was acknowledged is lost; what was refused with this may be in
    /// the log or not.
    case diskFailed
    /// The clock is more than five minutes behind the last event.
    case clockSetBack
    /// Another process has the folder.
    case locked
    /// The log has events, and nothing signed says where it ends: whether its last ones are missing can't be told.
    case headMissing
    /// What is stored contradicts itself.
    case damaged
    /// A folder or file can't be used.
    case unusable
    /// LMDB refused for another cause.
    case storage
  }

  /// What kind of refusal it is.
  public let code: Code
  /// A sentence for a person: what is wrong, where, and what to do.
  public let message: String
  /// The C code below it, or 0.
  public let underlying: Int32

  init(_ code: Code, _ message: String, underlying: Int32 = 0) {
    self.code = code
    self.message = message
    self.underlying = underlying
  }

  /// Whether the same call may succeed later without anybody repairing anything.
  public var isRetryable: Bool { code == .overloaded || code == .diskFull || code == .clockSetBack }

  /// Whether nothing may be written any more before a new start.
  var isFinal: Bool { code == .damaged || code == .diskFailed }

  /// The sentence.
  public var description: String { message }

  static func damaged(_ message: String) -> EventLogError { EventLogError(.damaged, message) }

  static func diskFull(_ code: Int32) -> EventLogError {
    EventLogError(
      .diskFull, "The disk that holds the log is full. Reads go on; free space and writes go on too.", underlying: code)
  }

  static func storage(_ error: LMDBError) -> EventLogError {
    if error.isClosed { return EventLogError(.closed, "The log is closed: the server is stopping.") }
    if error.isDiskFull { return diskFull(error.code) }
    if error.isPanic {
      return EventLogError(
        .storage,
        "The log's file must be opened anew after a write that failed, which is tried before each command. Nothing that "
          + "was acknowledged is lost; ask again.", underlying: error.code)
    }
    if error.isInputOutput {
      return EventLogError(
        .diskFailed,
        "The disk failed a read or write of the log (\(error)). Nothing that was acknowledged is lost, and reads go on; "
          + "a command that was answered with this may be in the log or not. Writes are refused until the server is "
          + "started again. If it comes again, replace the disk.", underlying: error.code)
    }
    if error.isDamage {
      return EventLogError(
        .damaged,
        "The log's file can't be read or written as it must be (\(error)). Stop the server and run `daybook verify`: it says "
          + "whether anything is damaged, what, and what to do.",
        underlying: error.code)
    }
    return EventLogError(.storage, "The log's storage refused: \(error).", underlying: error.code)
  }
}
