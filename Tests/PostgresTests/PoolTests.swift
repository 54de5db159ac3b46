import DaybookTestKit
import NIOConcurrencyHelpers
import Postgres
import Testing

@Suite struct PoolTests {
  private func expect(_ code: PostgresError.Code, _ body: () async throws -> Void) async throws {
    let error = try await failure(body)
    #expect(error.code == code)
  }

  @Test func `there are never more connections than the bound`() async throws {
    let pool = PostgresPool(try await ThrowawayPostgres.database(), maximumConnections: 3, applicationName: "bounded")
    try await withThrowingTaskGroup { group in
      for _ in 1...30 {
        group.addTask {
          let count = try await pool.withConnection { connection in
            try await connection.query(
              "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded' AND datname = current_database()"
            )[0, 0]
          }
          #expect((1...3).contains(Int(count ?? "") ?? 0))
        }
      }
      try await group.waitForAll()
    }
    await pool.close()
  }

  @Test func `who asks first gets a connection first`() async throws {
    let pool = PostgresPool(try await ThrowawayPostgres.database(), maximumConnections: 1)
    let order = NIOLockedValueBox<[Int]>([])
    try await withThrowingTaskGroup { group in
      try await pool.withConnection { _ in
        for number in 1...10 {
          group.addTask { try await pool.withConnection { _ in order.withLockedValue { $0.append(number) } } }
          while pool.waiting < number { await Task.yield() }
        }
      }
      try await group.waitForAll()
    }
    #expect(order.withLockedValue { $0 } == Array(1...10))
    await pool.close()
  }

  @Test func `waiting ends with the time limit, with cancellation, and with the pool`() async throws {
    let pool = PostgresPool(
      try await ThrowawayPostgres.database(), maximumConnections: 1, waitTimeout: .milliseconds(50))
    try await pool.withConnection { _ in
      try await expect(.timeout) { try await pool.withConnection { _ in } }
    }
    let patient = PostgresPool(try await ThrowawayPostgres.database(), maximumConnections: 1)
    try await patient.withConnection { connection in
      let cancelled = Task { try await patient.withConnection { _ in } }
      while patient.waiting < 1 { await Task.yield() }
      cancelled.cancel()
      await #expect(throws: CancellationError.self) { try await cancelled.value }
      let closed = Task { try await patient.withConnection { _ in } }
      while patient.waiting < 1 { await Task.yield() }
      await patient.close()
      try await expect(.poolClosed) { try await closed.value }
      // What is lent works until it comes back.
      #expect(try await connection.query("SELECT 1").rows == [["1"]])
    }
    try await expect(.poolClosed) { try await patient.withConnection { _ in } }
    await pool.close()
  }

  @Test func `a broken connection is replaced, lent or idle`() async throws {
    let conninfo = try await ThrowawayPostgres.database()
    let pool = PostgresPool(conninfo, maximumConnections: 1)
    let killer = try await PostgresConnection.connect(conninfo)
    func backend(_ connection: PostgresConnection) async throws -> String {
      try #require(try await connection.query("SELECT pg_backend_pid()")[0, 0])
    }
    let first = try await pool.withConnection { try await backend($0) }
    #expect(try await pool.withConnection { try await backend($0) } == first)
    // Idle, with a wait until the server has ended it.
    try await killer.query("SELECT pg_terminate_backend($1, 10000)", [.text(first)])
    let second = try await pool.withConnection { try await backend($0) }
    #expect(second != first)
    // Lent.
    let error = try await failure {
      try await pool.withConnection { connection in
        try await killer.query("SELECT pg_terminate_backend($1, 10000)", [.text(second)])
        try await connection.query("SELECT 1")
      }
    }
    #expect(error.code == .connectionLost && error.sqlState == "57P01" && error.isRetryable)
    #expect(try await pool.withConnection { try await $0.query("SELECT 1").rows } == [["1"]])
    await killer.close()
    await pool.close()
  }

  @Test func `a transaction that a caller leaves open is rolled back before the next gets the connection`() async throws
  {
    let pool = PostgresPool(try await ThrowawayPostgres.database(), maximumConnections: 1)
    try await pool.withConnection { try await $0.execute("BEGIN; CREATE TABLE t ()") }
    #expect(try await pool.withConnection { try await $0.query("SELECT to_regclass('t')").rows } == [[nil]])
    await pool.close()
  }
}
