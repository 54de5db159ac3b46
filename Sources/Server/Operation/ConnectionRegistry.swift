import NIOCore
import Waiting

/// The connections that are open, up to a number of them, and the tasks that work for them.
final class ConnectionRegistry: Sendable {
  private struct State {
    var open: [ObjectIdentifier: Connection] = [:]
    var tasks = 0
    var isStopping = false

    var isIdle: Bool { open.isEmpty && tasks == 0 }
  }

  private let state = Awaited(State())
  private let limit: Int

  init(limit: Int) {
    self.limit = limit
  }

  /// Takes a connection in; false where there are too many, or the server stops.
  func add(_ connection: Connection) -> Bool {
    state.update { state in
      guard !state.isStopping, state.open.count < limit else { return false }
      state.open[ObjectIdentifier(connection)] = connection
      return true
    }
  }

  /// Lets a connection go. Returns whether it had been taken in.
  func remove(_ connection: Connection) -> Bool {
    state.update { $0.open.removeValue(forKey: ObjectIdentifier(connection)) != nil }
  }

  /// Starts a task that may use everything that the server closes in the end: that waits for it.
  func spawn(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    state.update { $0.tasks += 1 }
    return Task {
      await body()
      self.state.update { $0.tasks -= 1 }
    }
  }

  /// Takes no more in, and makes every connection answer what it has begun and close.
  func stop() {
    let open = state.update { state in
      state.isStopping = true
      return Array(state.open.values)
    }
    for connection in open { connection.stop() }
  }

  /// Closes all that are still open at once.
  func abort() {
    for connection in state.read({ Array($0.open.values) }) { connection.abort() }
  }

  /// Whether no connection is open and no task runs.
  var isIdle: Bool { state.read { $0.isIdle } }

  /// Waits until no connection is open and no task runs; false where that takes longer. It is cut short only with the
  /// process: a task that is cancelled waits on.
  func waitUntilIdle(atMost patience: TimeAmount) async -> Bool {
    await Task {
      do {
        try await state.wait(atMost: .nanoseconds(patience.nanoseconds)) { $0.isIdle ? .success(()) : nil }
        return true
      } catch {
        return false
      }
    }.value
  }
}
