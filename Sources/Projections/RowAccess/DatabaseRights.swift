import EmbeddedPostgres
import Logging
import Postgres

/// What PostgreSQL lets everybody do who can sign in, and an SQL role shouldn't: make temporary tables and large
/// objects, which fill the disk that the log may lie on, enter other databases, and look into statistics and lists of
/// roles that tell of other tenants.
enum DatabaseRights {
  /// Takes these rights from everybody.
  /// - Parameter isPrivate: Whether the server is Daybook's own: then everything is set. Elsewhere only temporary
  ///   tables in this database are forbidden, since others may rely on the rest.
  static func restrict(isPrivate: Bool, _ session: PostgresSession, logger: Logger) throws {
    do {
      try session.transaction { session in
        try session.execute("SET LOCAL lock_timeout = '\(LockPatience.opening)'")
        guard isPrivate else { return try restrictTemporaryTables(session) }
        try restrictDatabases(session)
        try restrictFunctions(session)
        try restrictCatalogs(session)
      }
    } catch let error as PostgresError where error.code == .query && !error.isRetryable {
      // Somebody changes rights at the same moment, or may not: nothing of the read models depends on it.
      logger.warning("rights of everybody in PostgreSQL could not be restricted: \(error.message)")
    }
  }

  private static func restrictTemporaryTables(_ session: PostgresSession) throws {
    let found = try session.query(
      """
      SELECT d.datname FROM pg_catalog.pg_database AS d
      WHERE d.datname = current_database() AND pg_has_role(d.datdba, 'USAGE')
        AND EXISTS (
          SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
          WHERE a.grantee = 0 AND a.privilege_type = 'TEMPORARY')
      """)
    for name in found.rows.compactMap({ $0[0] }) {
      try session.execute("REVOKE TEMPORARY ON DATABASE \(PostgresIdentifier.quote(name)) FROM PUBLIC")
    }
  }

  private static func restrictDatabases(_ session: PostgresSession) throws {
    let found = try session.query(
      """
      SELECT d.datname, d.datname = current_database() FROM pg_catalog.pg_database AS d
      WHERE EXISTS (
        SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a WHERE a.grantee = 0)
      """)
    for row in found.rows {
      guard let name = row[0].map({ PostgresIdentifier.quote($0) }) else { continue }
      try session.execute("REVOKE CONNECT, TEMPORARY ON DATABASE \(name) FROM PUBLIC")
      if row[1] == "t" {
        try session.execute("GRANT CONNECT ON DATABASE \(name) TO \(AccessRules.group), \(EmbeddedPostgres.readerRole)")
      }
    }
  }

  /// Large objects belong to nobody's table and stay; statistics count every tenant's rows.
  private static func restrictFunctions(_ session: PostgresSession) throws {
    let found = try session.query(
      """
      SELECT p.oid::regprocedure, p.proname LIKE 'pg\\_stat%' FROM pg_catalog.pg_proc AS p
      WHERE p.pronamespace = 'pg_catalog'::regnamespace
        AND (p.proname LIKE 'lo\\_%' OR p.proname IN ('loread', 'lowrite') OR p.proname LIKE 'pg\\_stat\\_get\\_%')
        AND EXISTS (
          SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0)
      """)
    try revoke("EXECUTE ON FUNCTION", found, session)
  }

  private static func restrictCatalogs(_ session: PostgresSession) throws {
    let found = try session.query(
      """
      SELECT c.oid::regclass, true FROM pg_catalog.pg_class AS c
      WHERE c.relnamespace = 'pg_catalog'::regnamespace
        AND c.relname IN ('pg_roles', 'pg_user', 'pg_group', 'pg_auth_members', 'pg_db_role_setting')
        AND EXISTS (
          SELECT FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a WHERE a.grantee = 0)
      """)
    try revoke("SELECT ON", found, session)
  }

  /// Takes a right on each object from everybody; those that watch the server keep it, where the second column says so.
  private static func revoke(_ right: String, _ objects: PostgresResult, _ session: PostgresSession) throws {
    for (isWatched, rows) in Dictionary(grouping: objects.rows, by: { $0[1] == "t" }) {
      let names = rows.compactMap { $0[0] }.joined(separator: ", ")
      try session.execute("REVOKE \(right) \(names) FROM PUBLIC")
      if isWatched { try session.execute("GRANT \(right) \(names) TO pg_monitor") }
    }
  }
}
