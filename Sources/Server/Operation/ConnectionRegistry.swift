import BasicTypes
import NIOCore
import Waiting

/// The connections that are open, as far as there are places for them, and the tasks that work for them.
final class ConnectionRegistry: Sendable {
  private struct State {
    /// All that are open, also those that lost their place and are being closed.
    var open: [ObjectIdentifier: Connection] = [:]
    var places: ConnectionPlaces<ObjectIdentifier>
    var tasks = 0
    var isStopping = false

    var isIdle: Bool { open.isEmpty && tasks == 0 }
  }

  /// How many connections there may be.
  let limit: Int
  private let state: Awaited<State>

  /// - Parameter limit: How many connections there may be.
  init(limit: Int) {
    self.limit = limit
    state = Awaited(State(places: ConnectionPlaces(limits: .init(all: limit))))
  }

  /// Takes a connection in, perhaps in the place of a stranger's, which is closed; false where there is no place, or
  /// the server stops.
  func add(_ connection: Connection) -> Bool {
    let id = ObjectIdentifier(connection)
    let (isTaken, gone) = state.update { state -> (Bool, Connection?) in
      guard !state.isStopping else { return (false, nil) }
      let isLocal = connection.peer.principal != nil
      let admission =
        isLocal ? state.places.admitLocal(id) : state.places.admit(id, from: connection.peer.source)
      switch admission {
      case .refused: return (false, nil)
      case .taken:
        state.open[id] = connection
        return (true, nil)
      case .takenFrom(let other):
        state.open[id] = connection
        return (true, state.open[other])
      }
    }
    gone?.expel()
    return isTaken
  }

  /// Notes that a connection speaks for somebody now, of a tenant, or for nobody any more.
  func identified(_ connection: Connection, isKnown: Bool, of tenant: Identifier?) {
    let gone = state.update { state in
      state.places.identified(ObjectIdentifier(connection), isKnown: isKnown, of: tenant).flatMap { state.open[$0] }
    }
    gone?.expel()
  }

  /// Whether a connection may sign in for a tenant, which may not have all places.
  func mayJoin(_ connection: Connection, _ tenant: Identifier?) -> Bool {
    state.read { $0.places.mayJoin(ObjectIdentifier(connection), tenant) }
  }

  /// Notes that a connection's sign-in has begun, or is over: meanwhile it keeps its place.
  func signingIn(_ connection: Connection, _ isSigningIn: Bool) {
    state.update { $0.places.signingIn(ObjectIdentifier(connection), isSigningIn) }
  }

  /// Lets a connection go. Returns whether it had been taken in.
  func remove(_ connection: Connection) -> Bool {
    state.update { state in
      state.places.remove(ObjectIdentifier(connection))
      return state.open.removeValue(forKey: ObjectIdentifier(connection)) != nil
    }
  }

  /// Starts a task that may use everything that the server closes in the end: that waits for it.
  func spawn(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    state.update { $0.tasks += 1 }
    return Task {
      await body()
      self.state.update { $0.tasks -= 1 }
    }
  }

  /// As ``spawn(_:)``, by a caller's turns at the workers and on its account.
  func spawn(
    for caller: Identifier?, on workers: FairWorkers, _ body: @escaping @Sendable () async -> Void
  ) -> Task<Void, Never> {
    state.update { $0.tasks += 1 }
    return Task(executorPreference: workers.executor(for: caller)) {
      await Caller.$current.withValue(caller) { await body() }
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

  /// Closes those whose clients have answers and haven't taken any for a while.
  func closeStalled() {
    for connection in state.read({ Array($0.open.values) }) { connection.closeIfStalled() }
  }

  /// Closes all that are still open at once.
  func abort() {
    for connection in state.read({ Array($0.open.values) }) { connection.abort() }
  }

  /// How many connections speak for somebody.
  var sessions: Int { state.read { $0.places.count - $0.places.strangerCount } }

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
