import NIOConcurrencyHelpers

/// Those who wait for the log to grow beyond a position.
final class HeadWaiters: Sendable {
  private struct State {
    var head: UInt64
    var next: UInt64 = 0
    var waiting: [UInt64: (after: UInt64, continuation: CheckedContinuation<UInt64, any Error>)] = [:]
    var isClosed = false
  }
  private let state: NIOLockedValueBox<State>

  init(head: UInt64) {
    state = NIOLockedValueBox(State(head: head))
  }

  /// Answers the head once it is beyond the position; throws when cancelled or closed.
  func wait(after position: UInt64) async throws -> UInt64 {
    let ticket = state.withLockedValue { state in
      state.next += 1
      return state.next
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let outcome: Result<UInt64, any Error>? = state.withLockedValue { state in
          if Task.isCancelled { return .failure(CancellationError()) }
          if state.isClosed { return .failure(EventLogError(.closed, "The log is closed: the server is stopping.")) }
          if state.head > position { return .success(state.head) }
          state.waiting[ticket] = (position, continuation)
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      let waiting = state.withLockedValue { $0.waiting.removeValue(forKey: ticket) }
      waiting?.continuation.resume(throwing: CancellationError())
    }
  }

  func advance(to head: UInt64) {
    let ready = state.withLockedValue { state -> [CheckedContinuation<UInt64, any Error>] in
      state.head = head
      guard !state.waiting.isEmpty else { return [] }
      let tickets = state.waiting.filter { $0.value.after < head }.keys
      return tickets.compactMap { state.waiting.removeValue(forKey: $0)?.continuation }
    }
    for continuation in ready { continuation.resume(returning: head) }
  }

  func close() {
    let waiting = state.withLockedValue { state in
      state.isClosed = true
      defer { state.waiting = [:] }
      return state.waiting.values.map(\.continuation)
    }
    for continuation in waiting {
      continuation.resume(throwing: EventLogError(.closed, "The log is closed: the server is stopping."))
    }
  }
}
