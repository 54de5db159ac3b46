import NIOConcurrencyHelpers

/// The connections that are open, up to a number of them.
final class ConnectionRegistry: Sendable {
  private struct State {
    var open: [ObjectIdentifier: Connection] = [:]
    var isStopping = false
    var waiting: [CheckedContinuation<Void, Never>] = []
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

  func remove(_ connection: Connection) {
    let done = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
      state.open[ObjectIdentifier(connection)] = nil
      guard state.open.isEmpty else { return [] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in done { continuation.resume() }
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

  /// Waits until none is open.
  func waitUntilEmpty() async {
    await withCheckedContinuation { continuation in
      let isEmpty = state.withLockedValue { state in
        if state.open.isEmpty { return true }
        state.waiting.append(continuation)
        return false
      }
      if isEmpty { continuation.resume() }
    }
  }
}
