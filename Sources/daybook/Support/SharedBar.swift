import EventLog
import Synchronization

/// A progress bar that the checking threads share.
final class SharedBar: Sendable {
  private let bar: Mutex<ProgressBar>
  private let throttle = Throttle()

  init(_ bar: ProgressBar) { self.bar = Mutex(bar) }

  func show(_ progress: VerificationProgress) {
    throttle.pass(isLast: progress.done >= progress.total) {
      bar.withLock { $0.show(progress.done, of: progress.total, progress.phase) }
    }
  }

  func show(_ phase: String, _ done: UInt64, of total: UInt64) {
    bar.withLock { $0.show(done, of: total, phase) }
  }

  func end() { bar.withLock { $0.end() } }
}
