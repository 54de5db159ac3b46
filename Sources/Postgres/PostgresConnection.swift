import CPostgres
import Logging
import NIOConcurrencyHelpers
import Waiting

/// One connection to PostgreSQL, with a thread of its own on which libpq may block.
///
/// Calls from several tasks run one after another in the order in which they came; a
/// transaction holds the connection until it ends. Cancelling a task cancels its statement
/// on the server (the call then throws `cancelled`). No parameter and no row is ever logged.
/// A connection that broke stays broken: make another one, or let ``PostgresPool`` do so.
public actor PostgresConnection {
  private let executor: ThreadExecutor
  private let interruption: Interruption
  private let turn = FairSemaphore(permits: 1)
  private let status = NIOLockedValueBox(PostgresSession.Status())
  private var session: PostgresSession?

  /// The connection's own thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// Connects.
  /// - Parameters:
  ///   - conninfo: A libpq connection string or a `postgresql://` URL.
  ///   - applicationName: What `pg_stat_activity` shows.
  ///   - timeoutSeconds: How long one host may take to answer; libpq allows no less than 2.
  ///   - logger: Where notices of the server go, at debug level.
  /// - Throws: ``PostgresError`` `connectionFailed`; its message never quotes the connection string's password.
  public static func connect(
    _ conninfo: String, applicationName: String = "daybook", timeoutSeconds: Int = 10, logger: Logger? = nil
  ) async throws -> PostgresConnection {
    let connection = try PostgresConnection()
    try await connection.open(conninfo, applicationName, timeoutSeconds, logger)
    return connection
  }

  private init() throws {
    interruption = try Interruption()
    executor = try ThreadExecutor()
  }

  deinit { executor.stop() }

  private func open(_ conninfo: String, _ applicationName: String, _ timeoutSeconds: Int, _ logger: Logger?) throws {
    let status = status
    session = try PostgresSession(
      conninfo: conninfo, applicationName: applicationName, timeoutSeconds: timeoutSeconds, interruption: interruption,
      logger: logger, report: { now in status.withLockedValue { $0 = now } })
  }

  /// Whether the connection stands, as far as the last call could tell.
  public nonisolated var isOpen: Bool { status.withLockedValue { $0.isOpen } }

  /// Runs one statement and returns its rows; see ``PostgresSession/query(_:_:)``.
  /// - Parameter timeout: How long it may run before the server is asked to cancel it (the call then throws `timeout`).
  /// - Throws: ``PostgresError``; `CancellationError` when cancelled while waiting for its turn.
  @discardableResult
  public nonisolated func query(
    _ sql: String, _ parameters: [PostgresValue] = [], timeout: Duration? = nil
  ) async throws -> PostgresResult {
    try await withSession(timeout: timeout) { try $0.query(sql, parameters) }
  }

  /// Runs SQL that takes no parameters and may hold many statements; see ``PostgresSession/execute(_:)``.
  /// - Throws: ``PostgresError``; `CancellationError` when cancelled while waiting for its turn.
  public nonisolated func execute(_ sql: String, timeout: Duration? = nil) async throws {
    try await withSession(timeout: timeout) { try $0.execute(sql) }
  }

  /// Sends rows to a `COPY … FROM STDIN`; see ``PostgresSession/copyIn(_:_:)``.
  /// - Throws: ``PostgresError``; `CancellationError` when cancelled while waiting for its turn.
  @discardableResult
  public nonisolated func copyIn(_ sql: String, _ rows: [UInt8], timeout: Duration? = nil) async throws -> Int {
    try await withSession(timeout: timeout) { try $0.copyIn(sql, rows) }
  }

  /// Runs a closure on the connection's thread with the same calls as synchronous ones, and nobody in between: the way
  /// to run many statements without a change of thread for each.
  ///
  /// The closure may block; it must not wait for anything that needs this connection. A transaction it leaves open
  /// stays open for the next call.
  /// - Parameter timeout: How long the statements of the closure may take altogether.
  /// - Throws: What the closure throws; `CancellationError` when cancelled while waiting for its turn.
  @discardableResult
  public nonisolated func withSession<R: Sendable>(
    timeout: Duration? = nil, _ body: @Sendable (PostgresSession) throws -> R
  ) async throws -> R {
    try await turn.acquire()
    defer { turn.release() }
    return try await run(timeout: timeout, body)
  }

  /// Runs a body between BEGIN and COMMIT, or ROLLBACK if it throws, and then throws the body's own error.
  ///
  /// Inside, use only the handle: the connection itself waits until the transaction is over, so a call to it from the
  /// body would wait for ever. The handle is of no use afterwards.
  /// - Parameter begin: The statement that begins it, such as `BEGIN ISOLATION LEVEL SERIALIZABLE`.
  /// - Throws: As ``PostgresSession/transaction(_:_:)``.
  @discardableResult
  public func transaction<R>(
    _ begin: String = "BEGIN", isolation: isolated (any Actor)? = #isolation,
    _ body: (PostgresTransaction) async throws -> R
  ) async throws -> R {
    try await turn.acquire()
    defer { turn.release() }
    try await run(timeout: nil) { session in
      guard !session.isInTransaction else {
        throw PostgresError(.protocolViolation, message: "a transaction is open already")
      }
      try session.execute(begin)
    }
    let handle = PostgresTransaction(self)
    do {
      let result = try await body(handle)
      handle.end()
      try await run(timeout: nil) { try $0.commit() }
      return result
    } catch {
      handle.end()
      await rollback()
      throw error
    }
  }

  /// Asks the server to cancel the statement under way, if there is one; the call that runs it throws `cancelled`.
  public nonisolated func cancel() { interruption.request() }

  /// Cancels what is under way and closes the connection; everything afterwards throws `connectionLost`.
  public nonisolated func close() async {
    interruption.request()
    await finish()
  }

  private func finish() {
    session?.close()
    session = nil
  }

  /// Runs a closure now; the caller holds the turn.
  func run<R: Sendable>(timeout: Duration?, _ body: @Sendable (PostgresSession) throws -> R) async throws -> R {
    let ticket = interruption.begin()
    defer { interruption.end() }
    return try await withTaskCancellationHandler {
      // Without an await: it proves to the compiler that this closure, too, is on the connection's thread.
      try perform(timeout, body)
    } onCancel: {
      interruption.request(ticket)
    }
  }

  private func perform<R>(_ timeout: Duration?, _ body: (PostgresSession) throws -> R) throws -> R {
    guard let session else { throw PostgresError.closed }
    return try session.withDeadline(timeout) { try body(session) }
  }

  private func rollback() {
    guard let session else { return }
    session.withDeadline(nil) { session.rollback() }
  }

  /// For the pool: whether an idle connection can be given out again.
  func isReusable() -> Bool { session?.isAlive() ?? false }

  /// For the pool: takes back what a caller may have left, and says whether the connection is good for another.
  func reset() -> Bool {
    rollback()
    return session?.isOpen ?? false
  }

  /// For the pool: whether ``reset()`` has anything to do.
  nonisolated var isInTransaction: Bool { status.withLockedValue { $0.isInTransaction } }
}
