import Postgres
import Testing

@Suite struct ErrorTests {
  @Test func `no error message holds a value`() async throws {
    try await withDatabase { connection, _ in
      try await connection.execute(
        """
        CREATE TYPE colour AS ENUM ('red');
        CREATE TABLE t (i int, name text UNIQUE NOT NULL CHECK (name <> 'secret-refused'), at timestamptz, c colour, j jsonb);
        CREATE TABLE child (name text REFERENCES t (name));
        CREATE FUNCTION complain(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'no %', $1; END $$;
        INSERT INTO t VALUES (1, 'secret-marker');
        """)
      let attempts: [(String, [PostgresValue], String)] = [
        ("INSERT INTO t (i) VALUES ($1)", ["secret-marker"], "22P02"),
        ("INSERT INTO t (name) VALUES ($1)", ["secret-marker"], "23505"),
        ("INSERT INTO t (name) VALUES ($1)", ["secret-refused"], "23514"),
        ("INSERT INTO t (name, at) VALUES ('a', $1)", ["secret-marker"], "22007"),
        ("INSERT INTO t (name, c) VALUES ('a', $1)", ["secret-marker"], "22P02"),
        ("INSERT INTO t (name, j) VALUES ('a', $1)", ["{\"secret-marker"], "22P02"),
        ("INSERT INTO t (at, name) VALUES (now(), NULL)", [], "23502"),
        ("INSERT INTO child VALUES ($1)", ["secret-absent"], "23503"),
        ("SELECT 'secret-marker'::int", [], "22P02"),
        ("SELECT 'secret-marker' 'secret", [], "42601"),
        ("SELECT complain($1)", ["secret-marker"], "P0001"),
        ("SELECT set_config('timezone', $1, false)", ["secret-marker"], "22023"),
      ]
      for (sql, parameters, state) in attempts {
        for _ in 1...3 {  // Directly, when prepared, and as prepared.
          let error = try await failure { try await connection.query(sql, parameters) }
          #expect(error.sqlState == state && error.code == .query && !error.isRetryable, "\(sql)")
          #expect(error.message.contains(state), "\(sql)")
          #expect(
            !"\(error) \(error.message)".contains("secret") && !String(reflecting: error).contains("secret"), "\(sql)")
        }
      }
      let unique = try await failure {
        try await connection.query("INSERT INTO t (name) VALUES ($1)", ["secret-marker"])
      }
      #expect(unique.message.contains("t_name_key"))
    }
  }

  @Test func `a message of Daybook's own functions is kept`() async throws {
    try await withDatabase { connection, _ in
      let error = try await failure {
        try await connection.execute(
          "DO $$ BEGIN RAISE 'another projector holds the epoch' USING ERRCODE = 'DB001'; END $$")
      }
      #expect(error.message.contains("another projector holds the epoch"))
    }
  }

  @Test func `a connection that can't be made says why and never quotes a password`() async throws {
    let attempts = [
      "postgresql://someone:s3cr3t@/x?host=/nonexistent/folder", "postgresql://someone:s3c/r3t@localhost/x",
      "postgresql://someone:s3cr3t@localhost:s3cr3t/x", "password=s3cr3t nonsense",
      "postgresql://a:b@s3cr3t@127.0.0.1:1/x",
      "host=/nonexistent/folder password='s3cr3t", "host=127.0.0.1 port=1 password=s3cr3t",
    ]
    for conninfo in attempts {
      let error = try await failure { _ = try await PostgresConnection.connect(conninfo, timeoutSeconds: 2) }
      #expect(error.code == .connectionFailed)
      #expect(!"\(error)".contains("s3c"), "\(conninfo)")
    }
    let absent = try await failure { _ = try await PostgresConnection.connect("host=/nonexistent/folder") }
    #expect(absent.isRetryable && absent.message.contains("/nonexistent/folder"))
  }

  @Test func `which errors a second try can heal`() {
    for state in ["40001", "40P01", "57P01", "57P03", "08006"] {
      #expect(PostgresError(.query, sqlState: state, message: "").isRetryable, "\(state)")
    }
    for state in ["23505", "42P01", "22P02", "57014"] {
      #expect(!PostgresError(.query, sqlState: state, message: "").isRetryable, "\(state)")
    }
    #expect(PostgresError(.connectionLost, message: "").isRetryable)
    #expect(!PostgresError(.timeout, message: "").isRetryable && !PostgresError(.poolClosed, message: "").isRetryable)
  }

  @Test func `which errors are of the moment`() {
    for state in ["40001", "40P01", "53200", "53300", "55P03", "57014", "57P01", "58030", "08006", "XX000"] {
      #expect(PostgresError(.query, sqlState: state, message: "").mayPass, "\(state)")
    }
    for state in ["23505", "2BP01", "42501", "42710", "42P01", "42P07", "55006"] {
      #expect(!PostgresError(.query, sqlState: state, message: "").mayPass, "\(state)")
    }
    #expect(PostgresError(.connectionLost, message: "").mayPass && PostgresError(.timeout, message: "").mayPass)
    #expect(!PostgresError(.protocolViolation, message: "").mayPass)
  }
}
