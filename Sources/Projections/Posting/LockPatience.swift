import Postgres

/// How long the projector waits for locks.
///
/// Whatever changes a table's definition waits for those who read the table, and whoever comes to read it meanwhile
/// waits behind it. So it waits for a moment only, lets go of everything, and tries again later.
enum LockPatience {
  /// With a table that somebody reads: so long its other readers have to wait at most.
  static let reader = "200ms"
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
      SELECT DISTINCT a.pid, a.usename FROM pg_catalog.pg_locks AS l
      JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
        AND n.nspname IN ('daybook', 'personal', 'daybook_next', 'personal_next')
        AND a.application_name NOT LIKE 'daybook%'
      ORDER BY a.pid LIMIT 5
      """)
    guard found.rowCount > 0 else { return nil }
    return found.rows.map { "process \($0[0] ?? "?") of the role \($0[1] ?? "?")" }.joined(separator: ", ")
  }
}
