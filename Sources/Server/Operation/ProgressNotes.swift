import EventLog
import Logging
import Synchronization

/// Tells the operator every few seconds how far something long has come.
final class ProgressNotes: Sendable {
  private let logger: Logger
  private let what: Logger.Message
  private let last: Mutex<ContinuousClock.Instant>

  private static let pause: Duration = .seconds(5)

  init(_ logger: Logger, _ what: Logger.Message) {
    self.logger = logger
    self.what = what
    last = Mutex(.now)
  }

  /// Notes progress; it is told where the last that was told is some seconds ago.
  func note(_ progress: VerificationProgress) {
    let isDue = last.withLock { last in
      guard last.duration(to: .now) >= ProgressNotes.pause else { return false }
      last = .now
      return true
    }
    guard isDue else { return }
    logger.notice(
      what, metadata: ["done": "\(progress.done)", "of": "\(progress.total)", "phase": "\(progress.phase)"])
  }
}
