import NIOConcurrencyHelpers

/// Permits for asynchronous callers, given out in the order of asking. A waiter leaves when its task is cancelled, its
/// time is up, or the semaphore is closed.
package final class FairSemaphore: Sendable {
  /// Unchecked Sendable: the outcome is touched only while the semaphore's state is locked.
  private final class Waiter: @unchecked Sendable {
    enum Outcome {
      case undecided
      case waiting(CheckedContinuation<Void, any Error>)
      case decided((any Error)?)
    }
    var outcome = Outcome.undecided
  }

  private struct State {
    var available: Int
    var waiters: [Waiter] = []
    var closed: (any Error)?
  }
  private let state: NIOLockedValueBox<State>
  private let late: @Sendable (Duration) -> any Error

  /// A semaphore with that many permits.
  /// - Parameter late: The error of whoever has waited so long in vain.
  package init(permits: Int, late: @escaping @Sendable (Duration) -> any Error = { _ in CancellationError() }) {
    state = NIOLockedValueBox(State(available: permits))
    self.late = late
  }

  /// How many wait for a permit.
  package var waiting: Int { state.withLockedValue { $0.waiters.count } }

  /// Takes a permit, waiting for one if need be.
  /// - Throws: `CancellationError`, the error of waiting too long, or the error that closed the semaphore.
  package func acquire(timeout: Duration? = nil) async throws {
    let taken = try state.withLockedValue { state in
      if let error = state.closed { throw error }
      guard state.available > 0, state.waiters.isEmpty else { return false }
      state.available -= 1
      return true
    }
    if taken { return }
    let waiter = Waiter()
    let timer = timeout.map { timeout in
      Task {
        try await Task.sleep(for: timeout)
        self.leave(waiter, self.late(timeout))
      }
    }
    defer { timer?.cancel() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { enter(waiter, $0) }
    } onCancel: {
      leave(waiter, CancellationError())
    }
  }

  /// Gives a permit back; the one that has waited longest gets it.
  package func release() {
    let next: CheckedContinuation<Void, any Error>? = state.withLockedValue { state in
      guard !state.waiters.isEmpty else {
        state.available += 1
        return nil
      }
      let waiter = state.waiters.removeFirst()
      guard case .waiting(let continuation) = waiter.outcome else { return nil }
      waiter.outcome = .decided(nil)
      return continuation
    }
    next?.resume()
  }

  /// Fails everyone who waits, and everyone who asks from now on, with this error.
  package func close(_ error: any Error) {
    let waiters = state.withLockedValue { state in
      state.closed = error
      return state.waiters
    }
    for waiter in waiters { leave(waiter, error) }
  }

  private func enter(_ waiter: Waiter, _ continuation: CheckedContinuation<Void, any Error>) {
    let decided: Result<Void, any Error>? = state.withLockedValue { state in
      if case .decided(let error?) = waiter.outcome { return .failure(error) }
      if let error = state.closed { return .failure(error) }
      if state.available > 0, state.waiters.isEmpty {
        state.available -= 1
        waiter.outcome = .decided(nil)
        return .success(())
      }
      waiter.outcome = .waiting(continuation)
      state.waiters.append(waiter)
      return nil
    }
    if let decided { continuation.resume(with: decided) }
  }

  private func leave(_ waiter: Waiter, _ error: any Error) {
    let continuation: CheckedContinuation<Void, any Error>? = state.withLockedValue { state in
      switch waiter.outcome {
      case .decided:
        return nil
      case .undecided:
        waiter.outcome = .decided(error)
        return nil
      case .waiting(let continuation):
        waiter.outcome = .decided(error)
        state.waiters.removeAll { $0 === waiter }
        return continuation
      }
    }
    continuation?.resume(throwing: error)
  }
}
