import DaybookTestKit
import Postgres
import Testing

/// A connection to an empty database, closed afterwards.
func withDatabase<R>(
  isolation: isolated (any Actor)? = #isolation, _ body: (PostgresConnection, String) async throws -> R
) async throws -> R {
  let conninfo = try await ThrowawayPostgres.database()
  let connection = try await PostgresConnection.connect(conninfo)
  do {
    let result = try await body(connection, conninfo)
    await connection.close()
    return result
  } catch {
    await connection.close()
    throw error
  }
}

/// The error of a body that must fail.
func failure(
  isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Void,
  sourceLocation: SourceLocation = #_sourceLocation
) async throws -> PostgresError {
  do {
    try await body()
  } catch let error as PostgresError {
    return error
  }
  Issue.record("it didn't fail", sourceLocation: sourceLocation)
  return PostgresError(.query, message: "it didn't fail")
}

@Suite struct QueryTests {
  @Test func `every kind of parameter comes back as it was sent`() async throws {
    try await withDatabase { connection, _ in
      let id = "018f3c2a-7b1e-7000-8000-000000000001"
      let json = Array(#"{"a":"b\\c\n","ü":[1,2.5,null]}"#.utf8)
      for round in 1...4 {  // The first two prepare, the others use what is prepared.
        let result = try await connection.query(
          """
          SELECT $1::text AS t, $2::bigint AS i, $3::bool AS b, $4::text AS n, $5::jsonb->>'ü' AS j, $6::uuid AS u,
            $7::text[] AS a, $8::float8 AS d, '' AS empty
          """,
          [
            "grüße 🎉 'quoted' \\ \"x\" $1", .integer(.min), true, nil, .bytes(json), .uuid(id),
            .array(["plain", "a,b", "\"quoted\\\"", nil, "NULL", "", "{}", " "]), .double(1.5e-7),
          ])
        #expect(result.rowCount == 1)
        #expect(result.columnNames == ["t", "i", "b", "n", "j", "u", "a", "d", "empty"])
        #expect(result[0, 0] == "grüße 🎉 'quoted' \\ \"x\" $1", "round \(round)")
        #expect(result[0, 1] == "-9223372036854775808")
        #expect(result[0, 2] == "t")
        #expect(result[0, 3] == nil)
        #expect(result[0, 4] == "[1, 2.5, null]")
        #expect(result[0, 5] == id)
        #expect(result[0, 6] == #"{plain,"a,b","\"quoted\\\"",NULL,"NULL","","{}"," "}"#)
        #expect(result[0, 7] == "1.5e-07")
        #expect(result[0, 8] == "")
        #expect(result.bytes(0, 8) == [])
        #expect(result.bytes(0, 3) == nil)
        #expect(result.column("u") == 5 && result.column("x") == nil)
      }
    }
  }

  @Test func `affected rows and rows are counted`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int); CREATE INDEX ON t (i)")
      #expect(try await connection.query("INSERT INTO t SELECT generate_series(1, $1)", [5]).affectedRows == 5)
      let deleted = try await connection.query("DELETE FROM t WHERE i > $1 RETURNING i", [3])
      #expect(deleted.affectedRows == 2 && deleted.rows == [["4"], ["5"]])
      #expect(
        try await connection.query("SELECT i FROM t WHERE i = ANY($1) ORDER BY i", [.array([1, 3, 9])]).rows == [
          ["1"], ["3"],
        ])
      #expect(try await connection.query("CREATE TABLE u ()").affectedRows == 0)
    }
  }

  @Test func `a text with U+0000 is refused instead of being cut short`() async throws {
    try await withDatabase { connection, _ in
      for body: PostgresValue in ["a\0b", .bytes([0]), .array(["\0"])] {
        let error = try await failure { try await connection.query("SELECT $1::text", [body]) }
        #expect(error.code == .protocolViolation)
      }
      #expect(try await failure { try await connection.query("SELECT 1\0") }.code == .protocolViolation)
      #expect(try await failure { try await connection.execute("SELECT 1\0") }.code == .protocolViolation)
      #expect(try await connection.query("SELECT 1").rows == [["1"]])
    }
  }

  @Test func `a prepared statement that another session's ALTER TABLE invalidates works on`() async throws {
    try await withDatabase { connection, conninfo in
      let other = try await PostgresConnection.connect(conninfo)
      try await connection.execute("CREATE TABLE t (i int); INSERT INTO t VALUES (1)")
      let sql = "SELECT * FROM t WHERE i = $1"
      for _ in 1...3 { #expect(try await connection.query(sql, [1]).rows == [["1"]]) }
      #expect(try await preparedStatements(connection) == 1)
      try await other.execute("ALTER TABLE t ADD COLUMN j text DEFAULT 'x'")
      for _ in 1...3 { #expect(try await connection.query(sql, [1]).rows == [["1", "x"]]) }
      // Inside a transaction PostgreSQL has aborted it by then: the error says that a
      // second try can succeed, and it does.
      try await other.execute("ALTER TABLE t ADD COLUMN k text DEFAULT 'y'")
      let error = try await failure {
        _ = try await connection.transaction { try await $0.query(sql, [1]) }
      }
      #expect(error.isRetryable && error.sqlState == "0A000")
      #expect(try await connection.transaction { try await $0.query(sql, [1]) }.rows == [["1", "x", "y"]])
      // What the server has forgotten by itself.
      for _ in 1...3 { _ = try await connection.query(sql, [1]) }
      try await connection.query("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
      #expect(try await connection.query(sql, [1]).rowCount == 1)
      await other.close()
    }
  }

  @Test func `a change of the schema in the session itself never aborts a transaction`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int)")
      let sql = "SELECT * FROM t WHERE i = $1"
      for _ in 1...3 { try await connection.query(sql, [1]) }
      try await connection.execute("ALTER TABLE t ADD COLUMN j int")
      #expect(try await connection.transaction { try await $0.query(sql, [1]) }.columnNames == ["i", "j"])
      for _ in 1...3 { try await connection.query(sql, [1]) }
      #expect(try await preparedStatements(connection) == 1)
    }
  }

  @Test func `the number of prepared statements stays bounded`() async throws {
    try await withDatabase { connection, _ in
      for number in 1...300 {
        for _ in 1...2 { try await connection.query("SELECT $1::int + \(number)", [1]) }
      }
      let count = try await preparedStatements(connection)
      #expect(count > 200 && count <= 257)
    }
  }

  @Test func `identifiers and literals are quoted whatever they hold`() async throws {
    try await withDatabase { connection, _ in
      let name = #"odd "name" with 'quotes' \ and ünïcode"#
      try await connection.execute("CREATE TABLE \(PostgresIdentifier.quote("public", name)) (i int)")
      #expect(try await connection.query("SELECT FROM pg_class WHERE relname = $1", [.text(name)]).rowCount == 1)
      for text in [#"it's \n a "text""#, #"\"#, "'", ""] {
        #expect(try await connection.query("SELECT \(PostgresLiteral.quote(text))")[0, 0] == text)
      }
    }
  }

  @Test func `a COPY where none belongs is refused and the connection lives on`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute("CREATE TABLE t (i int)")
      for sql in ["COPY t FROM STDIN", "COPY (SELECT generate_series(1, 100000)) TO STDOUT"] {
        #expect(try await failure { try await connection.execute(sql) }.code == .protocolViolation)
        #expect(try await failure { try await connection.query(sql) }.code == .protocolViolation)
        if sql.hasSuffix("STDOUT") {
          #expect(try await failure { try await connection.copyIn(sql, []) }.code == .protocolViolation)
        }
      }
      #expect(try await failure { try await connection.copyIn("SELECT 1", []) }.code == .protocolViolation)
      #expect(try await failure { try await connection.copyIn("COPY nowhere FROM STDIN", []) }.sqlState == "42P01")
      #expect(try await connection.query("SELECT 1").rows == [["1"]])
    }
  }

  private func preparedStatements(_ connection: PostgresConnection) async throws -> Int {
    Int(try await connection.query("SELECT count(*) FROM pg_prepared_statements")[0, 0] ?? "") ?? -1
  }
}
