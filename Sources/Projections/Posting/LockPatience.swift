import Logging
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

  /// Ends PostgreSQL's own vacuuming of the read models' tables, which lets go of a table only for who waits a second
  /// for it, as nobody here does; it comes back by itself. Where the role may not, that is logged.
  static func endVacuums(_ session: PostgresSession, _ logger: Logger) throws {
    do {
      try session.query(
        """
        SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a
        WHERE a.backend_type = 'autovacuum worker' AND EXISTS (
          SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          WHERE l.granted AND l.pid = a.pid AND l.database = (
            SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
          AND n.nspname IN ('daybook', 'personal', 'daybook_next', 'personal_next'))
        """)
    } catch  where error.sqlState == "42501" {
      logger.notice("PostgreSQL's automatic vacuum is in the way of new read models, and only a superuser may end it")
    }
  }
}
