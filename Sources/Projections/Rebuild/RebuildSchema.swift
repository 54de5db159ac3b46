import Logging
import Postgres

/// The schemas that a rebuild fills, and the exchange at its end.
struct RebuildSchema: Sendable {
  let schema: ProjectorSchema
  let names: [String]

  private var definitions: [ProjectionDefinition] { schema.model.definitions.filter { names.contains($0.name) } }

  /// Makes the tables beside the live ones, or finds those that an interrupted rebuild of the same read models left.
  func prepare(_ session: PostgresSession, epoch: Int64) throws {
    let hasGroup = try SqlRoleKeeper.ensureGroup(session, logger: schema.logger)
    try session.transaction { session in
      if try canResume(session) {
        try session.query("UPDATE personal_next.marker SET epoch = $1", [.integer(Int(epoch))])
        return
      }
      try discard(session)
      try schema.makeSchemas(.next, session, hasGroup: hasGroup)
      for definition in definitions {
        for unit in definition.units { try schema.make(unit, .next, indexed: false, hasGroup: hasGroup, session) }
      }
      try AccessRules.silenceExpressionIndexes(.next, session)
      try session.query("INSERT INTO personal_next.marker (epoch) VALUES ($1)", [.integer(Int(epoch))])
    }
  }

  private func canResume(_ session: PostgresSession) throws -> Bool {
    let found = try schema.state(.next, session)
    guard found.changed.isEmpty, Set(found.checkpoints.keys) == Set(definitions.flatMap(\.units)),
      try session.query("SELECT to_regclass('personal_next.marker') IS NOT NULL")[0, 0] == "t",
      // A crash of PostgreSQL has emptied what there was.
      try session.query("SELECT FROM personal_next.marker").rowCount == 1
    else { return false }
    for unit in found.checkpoints.keys where try !schema.exists(.next, unit, session) { return false }
    return true
  }

  /// Drops what a rebuild has filled.
  func discard(_ session: PostgresSession) throws {
    try session.execute(
      """
      DROP SCHEMA IF EXISTS daybook_next CASCADE;
      DROP SCHEMA IF EXISTS personal_next CASCADE;
      DELETE FROM projector.checkpoints WHERE generation = 'next';
      DELETE FROM projector.parked WHERE generation = 'next';
      """)
  }

  /// Names what depends on the live tables and wasn't made by Daybook: views, foreign keys, functions of others.
  func dependents(_ session: PostgresSession) throws -> [String] {
    let tables = definitions.flatMap { ["daybook.\($0.name)", "personal.\($0.name)"] }
    let found = try session.query(
      """
      SELECT DISTINCT coalesce(
        (SELECT format('%s %I.%I', CASE v.relkind WHEN 'm' THEN 'materialized view' WHEN 'v' THEN 'view' ELSE 'rule of' END,
            vn.nspname, v.relname)
          FROM pg_catalog.pg_rewrite AS w JOIN pg_catalog.pg_class AS v ON v.oid = w.ev_class
          JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace
          WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid),
        pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
      FROM pg_catalog.pg_depend AS d
      JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_policy AS p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
      LEFT JOIN pg_catalog.pg_class AS pc ON pc.oid = p.polrelid
      LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
      WHERE n.nspname || '.' || c.relname = ANY ($1::text[]) AND d.deptype = 'n'
        AND (p.oid IS NULL OR pn.nspname || '.' || pc.relname <> ALL ($1::text[]))
      ORDER BY 1
      """, [.array(tables)])
    return found.rows.compactMap { $0[0] }
  }

  /// Puts the filled tables in the live ones' place. For use inside a transaction that holds the epoch.
  /// - Throws: ``ProjectionError`` `dependents`, which names what stands in the way; then nothing has changed.
  func swap(_ session: PostgresSession, hasGroup: Bool) throws {
    let dependents = try dependents(session)
    guard dependents.isEmpty else {
      throw ProjectionError(
        .dependents,
        "Objects that Daybook did not make depend on tables to be replaced: \(dependents.joined(separator: ", ")). Drop them, rebuild, make them again."
      )
    }
    try schema.makeSchemas(.live, session, hasGroup: hasGroup)
    for definition in definitions {
      let name = PostgresIdentifier.quote(definition.name)
      try session.execute("DROP TABLE IF EXISTS personal.\(name); DROP TABLE IF EXISTS daybook.\(name)")
      try session.execute("ALTER TABLE daybook_next.\(name) SET SCHEMA daybook")
      if definition.hasPersonalTable { try session.execute("ALTER TABLE personal_next.\(name) SET SCHEMA personal") }
    }
    for table in ["checkpoints", "parked"] {
      try session.query(
        "DELETE FROM projector.\(table) WHERE generation = 'live' AND projection = ANY ($1::text[])", [.array(names)])
      try session.execute("UPDATE projector.\(table) SET generation = 'live' WHERE generation = 'next'")
    }
    try session.execute("DROP SCHEMA daybook_next CASCADE; DROP SCHEMA personal_next CASCADE")
    try AccessRules.silenceExpressionIndexes(.live, session)
  }
}
