/// What a PostgreSQL that Daybook didn't set up itself must be like.
public enum PostgresSafety {
  /// What the server's log must not do, and what each setting must be for that. Errors aren't to be logged at all,
  /// since the primary message of a data exception (SQLSTATE class 22) quotes the value that didn't fit.
  private static let required = [
    ("log_parameter_max_length", "0"), ("log_parameter_max_length_on_error", "0"), ("log_error_verbosity", "terse"),
    ("log_min_error_statement", "panic"), ("log_min_messages", "log"),
  ]

  /// Checks that a server keeps personal values out of its log, and can run Daybook at all; sets what is amiss for this
  /// session where the role may. Since that holds for one session, it is to be called on every new connection.
  /// - Returns: What stays amiss, as sentences with the remedy; empty if all is well.
  /// - Throws: `PostgresError` when the server can't be asked.
  public static func checkSettings(_ connection: PostgresConnection) async throws -> [String] {
    try await connection.withSession { session in
      var problems: [String] = []
      if session.serverVersion < 150_000 {
        problems.append(
          "the server's version is \(session.serverVersion / 10000), and Daybook needs PostgreSQL 15 or newer: upgrade it"
        )
      }
      let encoding = try show("server_encoding", session)
      if encoding != "UTF8" {
        problems.append(
          "the database's encoding is \(encoding): make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
      }
      let role = try session.query("SELECT current_user")[0, 0] ?? ""
      for (name, value) in required where !isKept(name, try show(name, session)) {
        do {
          try session.execute("SET \(name) = \(PostgresLiteral.quote(value))")
        } catch let error as PostgresError where error.sqlState == "42501" {
          problems.append(
            "\(name) is \(try show(name, session)), so values could reach the server's log: as a superuser run ALTER ROLE "
              + "\(PostgresIdentifier.quote(role)) SET \(name) = \(value)")
        }
      }
      return problems
    }
  }

  /// Whether a setting keeps values out of the log; a level above the one that is required does too.
  private static func isKept(_ name: String, _ value: String) -> Bool {
    switch name {
    case "log_min_messages": ["log", "fatal", "panic"].contains(value)
    case "log_min_error_statement": ["panic"].contains(value)
    default: required.contains { $0 == (name, value) }
    }
  }

  private static func show(_ name: String, _ session: PostgresSession) throws -> String {
    try session.query("SELECT current_setting($1)", [.text(name)])[0, 0] ?? ""
  }
}
