import NIOConcurrencyHelpers

/// Wakes the one task that waits for work.
package final class WakeSignal: Sendable {
  private struct State {
    var isSet = false
    var waiting: CheckedContinuation<Void, Never>?
  }
  private let state = NIOLockedValueBox(State())

  /// A signal that isn't set.
  package init() {}

  /// Wakes the waiter, or lets the next wait return at once.
  package func signal() {
    let waiting = state.withLockedValue { state -> CheckedContinuation<Void, Never>? in
      guard let waiting = state.waiting else {
        state.isSet = true
        return nil
      }
      state.waiting = nil
      return waiting
    }
    waiting?.resume()
  }

  /// Waits for a signal, so long at most. Returns early when the task is cancelled.
  package func wait(atMost limit: Duration) async {
    let timer = Task {
      try await Task.sleep(for: limit)
      self.signal()
    }
    defer { timer.cancel() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isReady = state.withLockedValue { state in
          if state.isSet || Task.isCancelled {
            state.isSet = false
            return true
          }
          state.waiting = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    } onCancel: {
      signal()
    }
  }
}
