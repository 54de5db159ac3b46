import DaybookTestKit
import Postgres
import Testing

@Suite struct CancellationTests {
  private let clock = ContinuousClock()

  /// Waits until that connection runs a pg_sleep on the server.
  private func waitUntilAsleep(_ pid: String, _ watcher: PostgresConnection) async throws {
    let sql = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
    while try await watcher.query(sql, [.text(pid)]).rowCount == 0 { await Task.yield() }
  }

  private func backend(_ connection: PostgresConnection) async throws -> String {
    try #require(try await connection.query("SELECT pg_backend_pid()")[0, 0])
  }

  @Test func `cancelling a task stops its statement on the server`() async throws {
    try await withDatabase { connection, conninfo in
      let watcher = try await PostgresConnection.connect(conninfo)
      let pid = try await backend(connection)
      let begin = clock.now
      let task = Task { try await connection.query("SELECT pg_sleep(60)") }
      try await waitUntilAsleep(pid, watcher)
      task.cancel()
      let error = try await failure { _ = try await task.value }
      #expect(error.code == .cancelled && error.sqlState == "57014" && !error.isRetryable)
      #expect(clock.now - begin < .seconds(30))
      #expect(try await connection.query("SELECT 1").rows == [["1"]])
      await watcher.close()
    }
  }

  @Test func `cancelling a task rolls its transaction back`() async throws {
    try await withDatabase { connection, conninfo in
      let watcher = try await PostgresConnection.connect(conninfo)
      let pid = try await backend(connection)
      try await connection.execute("CREATE TABLE t (i int)")
      let task = Task {
        try await connection.transaction { transaction in
          try await transaction.execute("INSERT INTO t VALUES (1)")
          try await transaction.execute("SELECT pg_sleep(60)")
        }
      }
      try await waitUntilAsleep(pid, watcher)
      task.cancel()
      #expect(try await failure { try await task.value }.code == .cancelled)
      #expect(try await connection.query("SELECT FROM t").rowCount == 0)
      await watcher.close()
    }
  }

  @Test func `a deadline stops a statement, and the statements of a closure altogether`() async throws {
    try await withDatabase { connection, _ in
      let begin = clock.now
      let error = try await failure { try await connection.query("SELECT pg_sleep(60)", timeout: .milliseconds(50)) }
      #expect(error.code == .timeout)
      let second = try await failure {
        try await connection.withSession(timeout: .milliseconds(200)) { session in
          try session.transaction { while true { try $0.query("SELECT pg_sleep(0.01)") } }
        }
      }
      #expect(second.code == .timeout)
      #expect(clock.now - begin < .seconds(30))
      #expect(try await connection.query("SELECT txid_current_if_assigned() IS NULL").rows == [["t"]])
    }
  }

  @Test func `cancel stops what is under way and nothing later`() async throws {
    try await withDatabase { connection, conninfo in
      let watcher = try await PostgresConnection.connect(conninfo)
      let pid = try await backend(connection)
      connection.cancel()
      let task = Task { try await connection.query("SELECT pg_sleep(60)") }
      try await waitUntilAsleep(pid, watcher)
      connection.cancel()
      #expect(try await failure { _ = try await task.value }.code == .cancelled)
      #expect(try await connection.query("SELECT 1").rows == [["1"]])
      await watcher.close()
    }
  }

  @Test func `waiting for the server takes no thread of Swift's pool`() async throws {
    let conninfo = try await ThrowawayPostgres.database()
    let watcher = try await PostgresConnection.connect(conninfo)
    try await withThrowingTaskGroup { group in
      // Many times the pool's threads on a small machine; were they taken, nothing below would ever run.
      for _ in 1...12 {
        group.addTask {
          let connection = try await PostgresConnection.connect(conninfo)
          let error = try await failure { try await connection.query("SELECT pg_sleep(3600)") }
          #expect(error.code == .cancelled)
          await connection.close()
        }
      }
      let sql = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
      while try await watcher.query(sql).rowCount < 12 { await Task.yield() }
      group.cancelAll()
      try await group.waitForAll()
    }
    await watcher.close()
  }

  @Test func `a cancelled task sends nothing`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int)")
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        try await connection.execute("INSERT INTO t VALUES (1)")
      }
      await #expect(throws: (any Error).self) { try await task.value }
      #expect(try await connection.query("SELECT FROM t").rowCount == 0)
    }
  }

  @Test func `closing ends a statement under way`() async throws {
    try await withDatabase { connection, conninfo in
      let watcher = try await PostgresConnection.connect(conninfo)
      let pid = try await backend(connection)
      let task = Task { try await connection.query("SELECT pg_sleep(60)") }
      try await waitUntilAsleep(pid, watcher)
      await connection.close()
      await #expect(throws: PostgresError.self) { _ = try await task.value }
      #expect(!connection.isOpen)
      #expect(try await failure { try await connection.query("SELECT 1") }.code == .connectionLost)
      await watcher.close()
    }
  }
}
