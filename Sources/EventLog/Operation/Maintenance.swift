import Dispatch
import LMDB

/// What the log does by itself once a second: give resident pages back, and free the reader slots of dead processes.
// Invariant behind @unchecked: the timer is configured in init and only cancelled
// after that, which Dispatch allows from any thread.
final class Maintenance: @unchecked Sendable {
  private let timer: any DispatchSourceTimer
  private let queue = DispatchQueue(label: "daybook.log.maintenance")

  init(file: String, environment: Environment) {
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.setEventHandler {
      MapTrimmer.trimIfNeeded(file: file)
      // A slot that can't be checked now is checked a second later.
      _ = try? environment.clearDeadReaders()
    }
    timer.schedule(deadline: .now() + 1, repeating: 1)
    timer.resume()
  }

  /// Ends it, once a round that is under way is over.
  func stop() {
    timer.cancel()
    queue.sync {}
  }
}
