import Postgres

/// How long the projector waits for locks.
///
/// Whatever changes a table's definition waits for those who read the table, and whoever comes to read it meanwhile
/// waits behind it. So it waits for a moment only, lets go of everything, and tries again later.
enum LockPatience {
  /// With a table that somebody reads: so long its other readers have to wait at most. The private PostgreSQL's own
  /// vacuuming lets go before.
  static let reader = "200ms"
  /// With a table that PostgreSQL's own vacuuming has: it lets go for who has waited a second, unless that is set
  /// otherwise.
  static let vacuum = "1500ms"
  /// At the start, when tables may have to be made or changed.
  static let opening = "1s"
  /// With anything else: posting rows waits for nobody but those who lock whole tables by hand.
  static let posting = "10s"

  /// Whether an error says that somebody else's lock was in the way.
  static func isOver(_ error: PostgresError) -> Bool { error.sqlState == "55P03" || error.sqlState == "40P01" }

  /// Who has tables of the read models locked just now, as a sentence says it; nil where nobody does.
  static func holders(_ session: PostgresSession) throws -> String? {
    let found = try session.query(
      """
      SELECT DISTINCT a.pid, a.usename, a.backend_type FROM pg_catalog.pg_locks AS l
      JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
        AND n.nspname IN ('daybook', 'personal', 'daybook_next', 'personal_next')
        AND a.application_name NOT LIKE 'daybook%'
      ORDER BY a.pid LIMIT 5
      """)
    guard found.rowCount > 0 else { return nil }
    return found.rows.map { row in
      "process \(row[0] ?? "?") of the \(row[1].map { "role \($0)" } ?? row[2] ?? "server itself")"
    }.joined(separator: ", ")
  }

  /// How long to wait for the lock of a table next time, where it wasn't given: longer where PostgreSQL's own vacuuming
  /// has one, which lets go for who has waited for `deadlock_timeout`.
  static func afterRefusal(_ session: PostgresSession) throws -> String {
    let found = try session.query(
      """
      SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE l.granted AND a.backend_type = 'autovacuum worker'
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        AND n.nspname IN ('daybook', 'personal', 'daybook_next', 'personal_next') LIMIT 1
      """)
    return found.rowCount > 0 ? vacuum : reader
  }
}
