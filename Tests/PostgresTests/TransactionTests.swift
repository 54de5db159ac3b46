import Postgres
import Refusals
import Testing

@Suite struct TransactionTests {
  private struct Refusal: Error, Equatable { let number: Int }

  @Test func `a transaction commits what its body did, and rolls back with the body's own error`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int PRIMARY KEY)")
      try await connection.transaction { try await $0.query("INSERT INTO t VALUES ($1)", [1]) }
      await #expect(throws: Refusal(number: 7)) {
        try await connection.transaction { transaction in
          try await transaction.query("INSERT INTO t VALUES ($1)", [2])
          throw Refusal(number: 7)
        }
      }
      let duplicate = try await failure {
        try await connection.transaction { transaction in
          try await transaction.query("INSERT INTO t VALUES ($1)", [3])
          try await transaction.query("INSERT INTO t VALUES ($1)", [1])
        }
      }
      #expect(duplicate.sqlState == "23505")
      #expect(try await connection.query("SELECT i FROM t").rows == [["1"]])
    }
  }

  @Test func `a swallowed failure can't pass as a commit`() async throws {
    try await withDatabase { connection, _ in
      let error = try await failure {
        try await connection.transaction { transaction in
          try await transaction.execute("CREATE TABLE t ()")
          _ = try? await transaction.query("SELECT 1 / 0")  // Swallowed, which is what the test is about.
        }
      }
      #expect(error.sqlState == "25P02")
      #expect(try await connection.query("SELECT to_regclass('t')").rows == [[nil]])
      let deferred = try await failure {
        try await connection.withSession { session in
          try session.transaction {
            try $0.execute("CREATE TABLE u (i int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO u VALUES (1), (1)")
          }
        }
      }
      #expect(deferred.sqlState == "23505")
      #expect(try await connection.query("SELECT to_regclass('u')").rows == [[nil]])
    }
  }

  @Test func `a savepoint undoes only its own part`() async throws {
    try await withDatabase { connection, _ in
      let caught = try await connection.withSession { session in
        try session.transaction { session in
          try session.execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)")
          var caught: String?
          do {
            try session.savepoint { try $0.execute("INSERT INTO t VALUES (2); SELECT 1 / 0") }
          } catch let error as PostgresError {
            caught = error.sqlState
          }
          try session.savepoint { try $0.execute("INSERT INTO t VALUES (3)") }
          return caught
        }
      }
      #expect(caught == "22012")
      #expect(try await connection.query("SELECT i FROM t ORDER BY i").rows == [["1"], ["3"]])
    }
  }

  @Test func `others wait until a transaction is over, and its handle is of no use afterwards`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int)")
      var kept: PostgresTransaction?
      let other = try await connection.transaction { transaction in
        kept = transaction
        let other = Task { try await connection.query("SELECT count(*) FROM t").rows }
        for number in 1...20 { try await transaction.query("INSERT INTO t VALUES ($1)", [.integer(number)]) }
        return other
      }
      #expect(try await other.value == [["20"]])
      let handle = try #require(kept)
      #expect(try await failure { try await handle.execute("SELECT 1") }.code == .protocolViolation)
    }
  }
}
