import NIOConcurrencyHelpers

/// An open transaction, lent by ``PostgresConnection/transaction(_:isolation:_:)``:
/// its calls are those of the connection, and all of them take part in the
/// transaction. Once the transaction is over they throw `protocolViolation`.
public final class PostgresTransaction: Sendable {
  private let connection: PostgresConnection
  private let isActive = NIOLockedValueBox(true)

  init(_ connection: PostgresConnection) { self.connection = connection }

  /// Runs one statement and returns its rows; see ``PostgresSession/query(_:_:)``.
  /// After a failure PostgreSQL refuses all but the rollback.
  /// - Throws: ``PostgresError``.
  @discardableResult
  public func query(
    _ sql: String, _ parameters: [PostgresValue] = [], timeout: Duration? = nil
  ) async throws -> PostgresResult {
    try await withSession(timeout: timeout) { try $0.query(sql, parameters) }
  }

  /// Runs SQL that takes no parameters; see ``PostgresSession/execute(_:)``.
  /// - Throws: ``PostgresError``.
  public func execute(_ sql: String, timeout: Duration? = nil) async throws {
    try await withSession(timeout: timeout) { try $0.execute(sql) }
  }

  /// Sends rows to a `COPY … FROM STDIN`; see ``PostgresSession/copyIn(_:_:)``.
  /// - Throws: ``PostgresError``.
  @discardableResult
  public func copyIn(_ sql: String, _ rows: [UInt8], timeout: Duration? = nil) async throws -> Int {
    try await withSession(timeout: timeout) { try $0.copyIn(sql, rows) }
  }

  /// Runs a closure on the connection's thread; see ``PostgresConnection/withSession(timeout:_:)``.
  /// - Throws: What the closure throws.
  @discardableResult
  public func withSession<R: Sendable>(
    timeout: Duration? = nil, _ body: @Sendable (PostgresSession) throws -> R
  ) async throws -> R {
    guard isActive.withLockedValue({ $0 }) else {
      throw PostgresError(.protocolViolation, message: "the transaction is over")
    }
    return try await connection.run(timeout: timeout, body)
  }

  func end() { isActive.withLockedValue { $0 = false } }
}
