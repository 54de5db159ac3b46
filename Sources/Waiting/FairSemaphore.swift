import BasicTypes
import NIOConcurrencyHelpers

/// Permits for asynchronous callers, given out in the order of asking; where several callers (``Caller/current``) ask,
/// first to the one that has the fewest. A waiter leaves when its task is cancelled, its time is up, or the semaphore
/// is closed.
package final class FairSemaphore: Sendable {
  /// Unchecked Sendable: the outcome is touched only while the semaphore's state is locked.
  private final class Waiter: @unchecked Sendable {
    enum Outcome {
      case undecided
      case waiting(CheckedContinuation<Void, any Error>)
      case decided((any Error)?)
    }
    var outcome = Outcome.undecided
    let caller: Identifier?

    init(_ caller: Identifier?) { self.caller = caller }
  }

  private struct Share {
    let caller: Identifier?
    var permits: Int
  }

  private struct State {
    var available: Int
    var waiters: [Waiter] = []
    var closed: (any Error)?
    /// How many permits each caller has that has any.
    var shares: [Share] = []

    func permits(of caller: Identifier?) -> Int { shares.first { $0.caller == caller }?.permits ?? 0 }

    /// Whether a caller may take a permit now.
    func isFree(for caller: Identifier?, share: Int) -> Bool {
      available > 0 && (caller == nil || permits(of: caller) < share)
    }

    mutating func take(_ caller: Identifier?) {
      available -= 1
      if let index = shares.firstIndex(where: { $0.caller == caller }) {
        shares[index].permits += 1
      } else {
        shares.append(Share(caller: caller, permits: 1))
      }
    }

    mutating func giveBack(_ caller: Identifier?) {
      available += 1
      guard let index = shares.firstIndex(where: { $0.caller == caller }) else { return }
      shares[index].permits -= 1
      if shares[index].permits == 0 { shares.remove(at: index) }
    }

    /// The waiter whose turn it is, if there is a permit for one.
    mutating func next(share: Int) -> Waiter? {
      guard available > 0 else { return nil }
      var chosen: (index: Int, permits: Int)?
      for (index, waiter) in waiters.enumerated() {
        let permits = permits(of: waiter.caller)
        if isFree(for: waiter.caller, share: share), permits < chosen?.permits ?? .max { chosen = (index, permits) }
        if chosen?.permits == 0 { break }
      }
      return chosen.map { waiters.remove(at: $0.index) }
    }
  }
  private let state: NIOLockedValueBox<State>
  private let share: Int
  private let late: @Sendable (Duration) -> any Error

  /// A semaphore with that many permits.
  /// - Parameters:
  ///   - share: How many of them one caller has at most, but for administrators and the server; all where it isn't
  ///     said.
  ///   - late: The error of whoever has waited so long in vain.
  package init(
    permits: Int, share: Int? = nil, late: @escaping @Sendable (Duration) -> any Error = { _ in CancellationError() }
  ) {
    state = NIOLockedValueBox(State(available: permits))
    self.share = share ?? permits
    self.late = late
  }

  /// How many wait for a permit.
  package var waiting: Int { state.withLockedValue { $0.waiters.count } }

  /// Takes a permit for the current caller, waiting for one if need be; ``release()`` gives it back.
  /// - Throws: `CancellationError`, the error of waiting too long, or the error that closed the semaphore.
  package func acquire(timeout: Duration? = nil) async throws {
    let caller = Caller.current
    let taken = try state.withLockedValue { state in
      if let error = state.closed { throw error }
      // Those who wait are before their like; where all wait for their own share, others need not.
      guard state.isFree(for: caller, share: share) else { return false }
      state.take(caller)
      return true
    }
    if taken { return }
    let waiter = Waiter(caller)
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

  /// Takes a permit for the current caller where one is free and nobody waits for it.
  package func tryAcquire() -> Bool {
    let caller = Caller.current
    return state.withLockedValue { state in
      guard state.closed == nil, state.isFree(for: caller, share: share), state.waiters.isEmpty else { return false }
      state.take(caller)
      return true
    }
  }

  /// Gives back a permit that the current caller took; of those who wait, the one whose caller has the fewest gets it.
  package func release() {
    let caller = Caller.current
    let next: CheckedContinuation<Void, any Error>? = state.withLockedValue { state in
      state.giveBack(caller)
      guard let waiter = state.next(share: share), case .waiting(let continuation) = waiter.outcome else { return nil }
      state.take(waiter.caller)
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
      if state.isFree(for: waiter.caller, share: share) {
        state.take(waiter.caller)
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
