import NIOConcurrencyHelpers
import NIOCore

/// The connections that are open, up to a number of them, and the tasks that work for them.
final class ConnectionRegistry: Sendable {
  private struct State {
    var open: [ObjectIdentifier: Connection] = [:]
    var tasks = 0
    var isStopping = false
    var nextTicket: UInt64 = 0
    var waiting: [UInt64: CheckedContinuation<Bool, Never>] = [:]

    var isIdle: Bool { open.isEmpty && tasks == 0 }

    /// Those to be told that it is idle now.
    mutating func takeWaiting() -> [CheckedContinuation<Bool, Never>] {
      guard isIdle, !waiting.isEmpty else { return [] }
      defer { waiting = [:] }
      return Array(waiting.values)
    }
  }

  private let state = NIOLockedValueBox(State())
  private let limit: Int

  init(limit: Int) {
    self.limit = limit
  }

  /// Takes a connection in; false where there are too many, or the server stops.
  func add(_ connection: Connection) -> Bool {
    state.withLockedValue { state in
      guard !state.isStopping, state.open.count < limit else { return false }
      state.open[ObjectIdentifier(connection)] = connection
      return true
    }
  }

  /// Lets a connection go. Returns whether it had been taken in.
  func remove(_ connection: Connection) -> Bool {
    change { $0.open.removeValue(forKey: ObjectIdentifier(connection)) != nil }
  }

  /// Starts a task that may use everything that the server closes in the end: that waits for it.
  func spawn(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    change { $0.tasks += 1 }
    return Task {
      await body()
      self.change { $0.tasks -= 1 }
    }
  }

  private func change<Answer>(_ body: (inout State) -> Answer) -> Answer {
    let (answer, done) = state.withLockedValue { state in
      let answer = body(&state)
      return (answer, state.takeWaiting())
    }
    for continuation in done { continuation.resume(returning: true) }
    return answer
  }

  /// Takes no more in, and makes every connection answer what it has begun and close.
  func stop() {
    let open = state.withLockedValue { state in
      state.isStopping = true
      return Array(state.open.values)
    }
    for connection in open { connection.stop() }
  }

  /// Closes all that are still open at once.
  func abort() {
    for connection in state.withLockedValue({ Array($0.open.values) }) { connection.abort() }
  }

  /// Whether no connection is open and no task runs.
  var isIdle: Bool { state.withLockedValue { $0.isIdle } }

  /// Waits until no connection is open and no task runs; false where that takes longer.
  func waitUntilIdle(atMost patience: TimeAmount) async -> Bool {
    await withCheckedContinuation { continuation in
      let ticket: UInt64? = state.withLockedValue { state in
        if state.isIdle { return nil }
        state.nextTicket += 1
        state.waiting[state.nextTicket] = continuation
        return state.nextTicket
      }
      guard let ticket else {
        continuation.resume(returning: true)
        return
      }
      Task {
        // Cut short only with the process.
        try? await Task.sleep(for: .nanoseconds(patience.nanoseconds))
        let late = state.withLockedValue { $0.waiting.removeValue(forKey: ticket) }
        late?.resume(returning: false)
      }
    }
  }
}
