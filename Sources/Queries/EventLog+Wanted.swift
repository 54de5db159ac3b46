import EventLog
import Synchronization

extension EventLog {
  /// Lends a fixed state of the log to a closure on a reader thread, unless the task is cancelled before its turn
  /// comes: the questions of a client that has left cost nothing.
  /// - Throws: `CancellationError`; what the closure throws; `EventLogError`.
  func whileWanted<Value: Sendable>(
    _ body: @escaping @Sendable (borrowing LogSnapshot) throws -> Value
  ) async throws -> Value {
    let wanted = Wanted()
    return try await withTaskCancellationHandler {
      try await background { snapshot in
        guard wanted.isWanted.load(ordering: .relaxed) else { throw CancellationError() }
        return try body(snapshot)
      }
    } onCancel: {
      wanted.isWanted.store(false, ordering: .relaxed)
    }
  }
}

/// Whether somebody still wants what waits for its turn.
private final class Wanted: Sendable {
  let isWanted = Atomic(true)
}
