import NIOConcurrencyHelpers

/// What everybody else may know of the projector, and those who wait for it.
final class ProgressBoard: Sendable {
  /// Set when somebody begins to wait.
  let demand = WakeSignal()
  /// Whether PostgreSQL can be used.
  enum Link: Sendable, Equatable {
    /// Not connected yet, since the start.
    case starting
    case up(epoch: Int64)
    case down(String)
  }

  struct Contents: Sendable {
    var link = Link.starting
    var units: [UnitID: UnitProgress] = [:]
    var rebuilding: Set<String> = []
    /// Why the rebuild of a read model whose file has changed failed.
    var rebuildFailure: String?
  }

  private struct Waiter {
    let position: UInt64
    let names: Set<String>
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var contents = Contents()
    var waiters: [UInt64: Waiter] = [:]
    var lastTicket: UInt64 = 0
  }
  private let state = NIOLockedValueBox(State())

  var contents: Contents { state.withLockedValue { $0.contents } }

  /// Changes what is known, and answers those whose waiting is over by it.
  func update(_ change: (inout Contents) -> Void) {
    let decided = state.withLockedValue { state -> [(Waiter, Result<Void, any Error>)] in
      change(&state.contents)
      var decided: [(Waiter, Result<Void, any Error>)] = []
      for (ticket, waiter) in state.waiters {
        guard let outcome = Self.outcome(waiter.position, waiter.names, state.contents) else { continue }
        state.waiters[ticket] = nil
        decided.append((waiter, outcome))
      }
      return decided
    }
    for (waiter, outcome) in decided { waiter.continuation.resume(with: outcome) }
  }

  /// Whether somebody waits for the read models to come further.
  var hasWaiters: Bool { state.withLockedValue { !$0.waiters.isEmpty } }

  /// Waits until all parts of the named read models have a position.
  /// - Throws: ``ProjectionError`` `stale` when time is up or one of them is parked before it, `unavailable` while PostgreSQL is
  ///   away; `CancellationError`.
  func wait(for position: UInt64, names: Set<String>, milliseconds: Int) async throws {
    let ticket: UInt64? = try state.withLockedValue { state in
      if let outcome = Self.outcome(position, names, state.contents) {
        try outcome.get()
        return nil
      }
      state.lastTicket += 1
      return state.lastTicket
    }
    guard let ticket else { return }
    let timer = Task {
      try await Task.sleep(for: .milliseconds(max(0, milliseconds)))
      self.leave(ticket, nil)
    }
    defer { timer.cancel() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let outcome: Result<Void, any Error>? = state.withLockedValue { state in
          if Task.isCancelled { return .failure(CancellationError()) }
          if let outcome = Self.outcome(position, names, state.contents) { return outcome }
          state.waiters[ticket] = Waiter(position: position, names: names, continuation: continuation)
          return nil
        }
        if let outcome { continuation.resume(with: outcome) } else { demand.signal() }
      }
    } onCancel: {
      leave(ticket, CancellationError())
    }
  }

  private func leave(_ ticket: UInt64, _ error: (any Error)?) {
    let (waiter, contents) = state.withLockedValue { ($0.waiters.removeValue(forKey: ticket), $0.contents) }
    guard let waiter else { return }
    waiter.continuation.resume(throwing: error ?? Self.stale(waiter.names, contents))
  }

  private static func outcome(
    _ position: UInt64, _ names: Set<String>, _ contents: Contents
  ) -> Result<Void, any Error>? {
    switch contents.link {
    case .starting: return nil
    case .down(let message): return .failure(ProjectionError.unavailable(message))
    case .up: break
    }
    var isParked = false
    var isReached = true
    for (id, unit) in contents.units where names.contains(id.projection) {
      if unit.checkpoint.position >= position, !unit.checkpoint.isRefilling { continue }
      isReached = false
      isParked = isParked || unit.parked != nil
    }
    // A read model that is being rebuilt is not among the units: what there is of it stays readable.
    if isReached { return .success(()) }
    return isParked ? .failure(stale(names, contents)) : nil
  }

  private static func stale(_ names: Set<String>, _ contents: Contents) -> ProjectionError {
    if case .starting = contents.link { return .unavailable("PostgreSQL is not up yet.") }
    let units = contents.units.filter { names.contains($0.key.projection) }
    if let parked = units.min(by: { $0.value.checkpoint.position < $1.value.checkpoint.position }),
      parked.value.parked != nil
    {
      return ProjectionError(
        .stale(position: parked.value.checkpoint.position),
        "The read model \(parked.key.projection) is parked after position \(parked.value.checkpoint.position).")
    }
    if units.values.contains(where: \.checkpoint.isRefilling) {
      return .unavailable("The read models are being filled again from the log.")
    }
    let position = units.values.map(\.checkpoint.position).min() ?? 0
    return ProjectionError(
      .stale(position: position), "The read models have not come further than position \(position) yet.")
  }
}

/// Wakes the one task that waits for work.
final class WakeSignal: Sendable {
  private struct State {
    var isSet = false
    var waiting: CheckedContinuation<Void, Never>?
  }
  private let state = NIOLockedValueBox(State())

  /// Wakes the waiter, or lets the next wait return at once.
  func signal() {
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
  func wait(atMost limit: Duration) async {
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
