import NIOConcurrencyHelpers

/// A value that any thread may read and change, and tasks that wait until it is as they need it.
///
/// Each waiter brings a condition: what the value says of it, or nil while it says nothing yet. Every change asks the
/// conditions of all who wait, under the lock, so they must be short; continuations are resumed outside of it.
package final class Awaited<Value: Sendable>: Sendable {
  @usableFromInline
  struct Waiter {
    /// What resumes the waiter, where its condition has been decided.
    @usableFromInline let resumption: @Sendable (Value) -> (@Sendable () -> Void)?
    @usableFromInline let fail: @Sendable (any Error) -> Void
  }

  @usableFromInline
  struct State {
    @usableFromInline var value: Value
    @usableFromInline var waiters: [UInt64: Waiter] = [:]
    @usableFromInline var lastTicket: UInt64 = 0

    @usableFromInline
    init(value: Value) { self.value = value }
  }
  // Every command passes through here several times: what is called often is compiled where it is used, for its types.
  @usableFromInline let state: NIOLockedValueBox<State>

  /// A value that nobody waits for yet.
  package init(_ value: Value) {
    state = NIOLockedValueBox(State(value: value))
  }

  /// Reads the value.
  @inlinable
  package func read<Output>(_ body: (Value) throws -> Output) rethrows -> Output {
    try state.withLockedValue { try body($0.value) }
  }

  /// Whether anybody waits.
  @inlinable
  package var hasWaiters: Bool { state.withLockedValue { !$0.waiters.isEmpty } }

  /// Changes the value, and lets those go on whose condition it decides.
  /// - Returns: What the body returns.
  @discardableResult
  @inlinable
  package func update<Output>(_ body: (inout Value) -> Output) -> Output {
    let (result, resumptions) = state.withLockedValue { state -> (Output, [@Sendable () -> Void]) in
      let result = body(&state.value)
      guard !state.waiters.isEmpty else { return (result, []) }
      var resumptions: [@Sendable () -> Void] = []
      for (ticket, waiter) in state.waiters {
        guard let resumption = waiter.resumption(state.value) else { continue }
        state.waiters[ticket] = nil
        resumptions.append(resumption)
      }
      return (result, resumptions)
    }
    for resume in resumptions { resume() }
    return result
  }

  /// Waits until the condition is decided.
  /// - Parameters:
  ///   - limit: How long to wait at most; nil for as long as it takes.
  ///   - late: The error of a wait that took too long, by the value of that moment.
  ///   - began: Called once, outside of the lock, where the condition isn't decided at once.
  ///   - condition: What the value says: the answer, the error, or nil while neither is known.
  /// - Throws: The condition's error, that of `late`, or `CancellationError` where the task is cancelled first.
  package func wait<Answer: Sendable>(
    atMost limit: Duration? = nil, late: @escaping @Sendable (Value) -> any Error = { _ in CancellationError() },
    began: () -> Void = {}, until condition: @escaping @Sendable (Value) -> Result<Answer, any Error>?
  ) async throws -> Answer {
    try Task.checkCancellation()
    let (decided, ticket) = state.withLockedValue { state -> (Result<Answer, any Error>?, UInt64) in
      state.lastTicket += 1
      return (condition(state.value), state.lastTicket)
    }
    if let decided { return try decided.get() }
    let timer = limit.map { limit in
      Task {
        try await Task.sleep(for: limit)
        self.leave(ticket, late)
      }
    }
    defer { timer?.cancel() }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Answer, any Error>) in
        if enter(ticket, continuation, condition) { began() }
      }
    } onCancel: {
      leave(ticket) { _ in CancellationError() }
    }
  }

  /// Resumes the continuation where the condition is decided by now, or keeps it.
  /// - Returns: Whether it waits.
  private func enter<Answer: Sendable>(
    _ ticket: UInt64, _ continuation: CheckedContinuation<Answer, any Error>,
    _ condition: @escaping @Sendable (Value) -> Result<Answer, any Error>?
  ) -> Bool {
    let decided = state.withLockedValue { state -> Result<Answer, any Error>? in
      if Task.isCancelled { return .failure(CancellationError()) }
      if let decided = condition(state.value) { return decided }
      state.waiters[ticket] = Waiter(
        resumption: { value in
          guard let decided = condition(value) else { return nil }
          return { continuation.resume(with: decided) }
        },
        fail: { continuation.resume(throwing: $0) })
      return nil
    }
    guard let decided else { return true }
    continuation.resume(with: decided)
    return false
  }

  private func leave(_ ticket: UInt64, _ error: (Value) -> any Error) {
    let (waiter, value) = state.withLockedValue { ($0.waiters.removeValue(forKey: ticket), $0.value) }
    waiter?.fail(error(value))
  }
}
