import Logging
import NIOConcurrencyHelpers
import Waiting

/// A bounded number of connections that callers share: made when they are needed, given out in the order of asking,
/// dropped when they are broken, and replaced by the next caller that needs one. One caller (``Caller/current``) has
/// half of them at most, so that another needn't wait until its slow questions are answered.
public final class PostgresPool: Sendable {
  private struct State {
    var idle: [PostgresConnection] = []
    var isClosed = false
  }

  private let permits: FairSemaphore
  private let waitTimeout: Duration
  private let connect: @Sendable () async throws -> PostgresConnection
  private let state = NIOLockedValueBox(State())

  /// A pool over one connection string.
  /// - Parameters:
  ///   - conninfo: A libpq connection string or URL.
  ///   - maximumConnections: How many connections there are at most.
  ///   - waitTimeout: How long a caller waits for a free one before it gets `timeout`.
  ///   - applicationName: What `pg_stat_activity` shows.
  ///   - logger: Where notices of the server go, at debug level.
  ///   - prepare: Runs once on every new connection, before anybody gets it.
  public convenience init(
    _ conninfo: String, maximumConnections: Int, waitTimeout: Duration = .seconds(30),
    applicationName: String = "daybook",
    logger: Logger? = nil, prepare: @escaping @Sendable (PostgresConnection) async throws -> Void = { _ in }
  ) {
    self.init(maximumConnections: maximumConnections, waitTimeout: waitTimeout) {
      let connection = try await PostgresConnection.connect(conninfo, applicationName: applicationName, logger: logger)
      do {
        try await prepare(connection)
      } catch {
        await connection.close()
        throw error
      }
      return connection
    }
  }

  /// A pool whose connections this closure makes.
  public init(
    maximumConnections: Int, waitTimeout: Duration = .seconds(30),
    connect: @escaping @Sendable () async throws -> PostgresConnection
  ) {
    precondition(maximumConnections > 0, "a pool needs room for a connection")
    permits = FairSemaphore(permits: maximumConnections, share: (maximumConnections + 1) / 2) { timeout in
      PostgresError(.timeout, message: "no connection became free within \(timeout)")
    }
    self.waitTimeout = waitTimeout
    self.connect = connect
  }

  /// Lends a connection until the closure returns. A transaction that is left open is rolled back.
  /// - Throws: What the closure throws; ``PostgresError`` `timeout`, `poolClosed` or `connectionFailed`;
  ///   `CancellationError` when cancelled while waiting.
  @discardableResult
  public func withConnection<R>(
    isolation: isolated (any Actor)? = #isolation, _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    try await permits.acquire(timeout: waitTimeout)
    defer { permits.release() }
    let connection = try await take()
    let outcome: Result<R, any Error>
    do {
      outcome = .success(try await body(connection))
    } catch {
      outcome = .failure(error)
    }
    await giveBack(connection)
    return try outcome.get()
  }

  /// How many callers wait for a connection now.
  public var waiting: Int { permits.waiting }

  /// Closes idle connections now and lent ones when they come back; who waits, and
  /// whoever asks from now on, gets `poolClosed`.
  public func close() async {
    let idle = state.withLockedValue { state in
      state.isClosed = true
      defer { state.idle = [] }
      return state.idle
    }
    permits.close(PostgresError(.poolClosed, message: "the connection pool is closed"))
    for connection in idle { await connection.close() }
  }

  private func take() async throws -> PostgresConnection {
    while let connection = state.withLockedValue({ $0.idle.popLast() }) {
      if await connection.isReusable() { return connection }
      await connection.close()
    }
    return try await connect()
  }

  private func giveBack(_ connection: PostgresConnection) async {
    var isGood = connection.isOpen
    if isGood, connection.isInTransaction { isGood = await connection.reset() }
    let isKept =
      isGood
      && state.withLockedValue { state in
        if !state.isClosed { state.idle.append(connection) }
        return !state.isClosed
      }
    if !isKept { await connection.close() }
  }
}
