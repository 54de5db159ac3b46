import Logging
import Postgres

/// How much of PostgreSQL one SQL role may take: what an operator has set for a role stays as it is.
enum SqlRoleBounds {
  /// How many sessions a role may have at once.
  static let connections = 10

  /// The settings that a role's sessions begin with. The role may change all but the last for itself; what sessions do
  /// then has the bounds of ``endOverlong(_:)``.
  private static let settings = [
    (name: "statement_timeout", value: "10min"),
    (name: "idle_in_transaction_session_timeout", value: "1min"),
    (name: "lock_timeout", value: "10s"),
    (name: "temp_file_limit", value: "1GB"),
  ]

  /// Gives roles the bounds that they lack.
  static func apply(to roles: some Collection<String>, _ session: PostgresSession, logger: Logger) throws {
    let found = try session.query(
      """
      SELECT r.rolname, r.rolconnlimit, coalesce(array_to_string(
        ARRAY(SELECT split_part(s, '=', 1) FROM unnest(d.setconfig) AS s), ','), '')
      FROM pg_catalog.pg_roles AS r
      LEFT JOIN pg_catalog.pg_db_role_setting AS d ON d.setrole = r.oid AND d.setdatabase = 0
      WHERE r.rolname = ANY ($1::text[])
      """, [.array(Array(roles))])
    for row in found.rows {
      guard let name = row[0] else { continue }
      let role = PostgresIdentifier.quote(name)
      let known = (row[2] ?? "").split(separator: ",")
      var statements = settings.filter { setting in !known.contains { $0 == setting.name } }
        .map { "ALTER ROLE \(role) SET \($0.name) = '\($0.value)'" }
      if row[1] == "-1" { statements.append("ALTER ROLE \(role) CONNECTION LIMIT \(connections)") }
      for statement in statements {
        do {
          try session.savepoint { try $0.execute(statement) }
        } catch let error as PostgresError {
          // Only a superuser may set temp_file_limit, or what belongs to a role that somebody else has made.
          guard error.sqlState == "42501" else { throw error }
          logger.debug("a bound of the SQL role \(name) can't be set: \(error.message)")
        }
      }
    }
  }

  /// Ends sessions of SQL roles that hold a transaction open for longer than any report needs: they keep dead rows from
  /// being cleaned away and tables from being changed, whatever they have set for themselves.
  static func endOverlong(
    _ session: PostgresSession, idling: String = longestIdling, logger: Logger
  ) throws {
    do {
      let ended = try session.query(
        """
        SELECT a.usename, pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a
        JOIN projector.sql_roles AS r ON r.role_name = a.usename
        WHERE a.datname = current_database() AND (
          a.xact_start < now() - interval '\(longestTransaction)'
          OR a.state LIKE 'idle in transaction%' AND a.state_change < now() - interval '\(idling)')
        """)
      for row in ended.rows {
        logger.notice("a session of the SQL role \(row[0] ?? "") had a transaction open for too long and was ended")
      }
    } catch {
      guard error.sqlState == "42501" else { throw error }
      logger.debug("overlong sessions of SQL roles can't be ended: \(error.message)")
    }
  }

  private static let longestTransaction = "1 hour"
  static let longestIdling = "10 minutes"
}
