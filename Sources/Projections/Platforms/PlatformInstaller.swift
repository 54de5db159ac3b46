import Logging
import Postgres

/// Makes the platforms' views in PostgreSQL, and makes them anew wherever the tables below them are replaced.
///
/// What it made is recorded in `projector.platform_schemas`, and only that does it ever drop: whatever else lies in a
/// schema of the same name stays.
struct PlatformInstaller: Sendable {
  let schemas: [PlatformSchema]
  let logger: Logger

  /// One row of `projector.platform_schemas`.
  private struct Made {
    let name: String
    let fingerprint: String
    let views: [String]
    let functions: [String]
    let isWhole: Bool
  }

  /// Makes what is missing or was made by another file, and drops what has no file any more. What can't be made is
  /// logged and recorded with its reason; the read models don't suffer from it, and the other platforms neither.
  func install(_ session: PostgresSession, hasGroup: Bool) throws {
    let made = try made(session)
    for old in made where !schemas.contains(where: { $0.name == old.name }) {
      try attempt(old.name, session) { try drop([old], $0) }
    }
    for schema in schemas {
      let old = made.first { $0.name == schema.name }
      if let old, old.isWhole, old.fingerprint == schema.fingerprint { continue }
      try attempt(schema.name, session) { session in
        if let old { try drop([old], session) }
        try make(schema, session, hasGroup: hasGroup)
      }
    }
  }

  /// Leaves for later what is missing: a later ``install(_:hasGroup:)`` makes it.
  func postpone(_ session: PostgresSession) throws {
    try session.query(
      """
      UPDATE projector.platform_schemas AS p SET problem = 'a read model below is being rebuilt' WHERE \(Self.damage)
      """)
  }

  /// Drops all that was made.
  /// - Throws: ``ProjectionError`` `dependents`, which names objects of others that
  ///   stand in the way; then nothing has changed.
  func drop(_ session: PostgresSession) throws { try drop(try made(session), session) }

  /// The views that were made and are there, schema-qualified.
  func views(_ session: PostgresSession) throws -> [String] { try made(session).flatMap(\.views) }

  /// Whether a view or function that was made is gone.
  static func isDamaged(_ session: PostgresSession) throws -> Bool {
    try session.query("SELECT FROM projector.platform_schemas AS p WHERE \(damage) LIMIT 1").rowCount > 0
  }

  private static let damage = """
    p.problem IS NULL AND (
      EXISTS (SELECT FROM unnest(p.views) AS v (name) WHERE to_regclass(v.name) IS NULL)
      OR EXISTS (SELECT FROM unnest(p.functions) AS f (name) WHERE to_regproc(f.name) IS NULL))
    """

  /// Names what depends on some views and is none of them.
  static func dependents(on views: [String], _ session: PostgresSession) throws -> [String] {
    try Dependents.names(of: views, ours: views, session)
  }

  private func make(_ schema: PlatformSchema, _ session: PostgresSession, hasGroup: Bool) throws {
    let name = PostgresIdentifier.quote(schema.name)
    try session.execute("CREATE SCHEMA IF NOT EXISTS \(name)")
    for statement in schema.statements { try session.execute(statement) }
    if hasGroup {
      try session.execute("GRANT USAGE ON SCHEMA \(name) TO \(AccessRules.group)")
      if !schema.views.isEmpty {
        try session.execute("GRANT SELECT ON \(schema.views.joined(separator: ", ")) TO \(AccessRules.group)")
      }
    }
    try session.query(
      """
      INSERT INTO projector.platform_schemas (name, fingerprint, views, functions) VALUES ($1, $2, $3::text[], $4::text[])
      ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint, views = excluded.views,
        functions = excluded.functions, problem = NULL, made_at = now()
      """,
      [.text(schema.name), .text(schema.fingerprint), .array(schema.views), .array(schema.functions)])
  }

  /// Does something to one platform's schema, or nothing of it, and records why.
  /// - Throws: What may pass: then whoever called tries again, and nobody has to find a platform that was left out for
  ///   a lack of locks.
  private func attempt(
    _ name: String, _ session: PostgresSession, _ body: (PostgresSession) throws -> Void
  ) throws {
    let problem: String
    do {
      return try session.savepoint { try body($0) }
    } catch let error as PostgresError where error.code == .query && !error.mayPass {
      problem = error.message
    } catch let error as ProjectionError where error.code == .dependents {
      problem = error.message
    }
    logger.error("the views of the platform \(name) can't be made: \(problem)")
    try session.query(
      """
      INSERT INTO projector.platform_schemas (name, fingerprint, views, functions, problem) VALUES ($1, '', '{}', '{}', $2)
      ON CONFLICT (name) DO UPDATE SET problem = excluded.problem
      """, [.text(name), .text(problem)])
  }

  private func drop(_ made: [Made], _ session: PostgresSession) throws {
    let views = made.flatMap(\.views)
    let dependents = try Self.dependents(on: views, session)
    guard dependents.isEmpty else {
      throw ProjectionError(
        .dependents,
        "Objects that Daybook did not make depend on views of the platforms to be made anew: \(dependents.joined(separator: ", ")). Drop them, and make them again afterwards."
      )
    }
    // All at once, since they depend on each other.
    if !views.isEmpty { try session.execute("DROP VIEW IF EXISTS \(views.joined(separator: ", "))") }
    for function in made.flatMap(\.functions) { try session.execute("DROP FUNCTION IF EXISTS \(function)") }
    try session.query(
      "DELETE FROM projector.platform_schemas WHERE name = ANY ($1::text[])", [.array(made.map(\.name))])
  }

  private func made(_ session: PostgresSession) throws -> [Made] {
    let found = try session.query(
      """
      SELECT p.name, p.fingerprint, p.problem IS NULL, o.kind, o.name, o.is_there
      FROM projector.platform_schemas AS p
      LEFT JOIN LATERAL (
        SELECT 'view' AS kind, v.name, to_regclass(v.name) IS NOT NULL AS is_there FROM unnest(p.views) AS v (name)
        UNION ALL
        SELECT 'function', f.name, to_regproc(f.name) IS NOT NULL FROM unnest(p.functions) AS f (name)
      ) AS o ON true
      ORDER BY p.name
      """)
    return Dictionary(grouping: found.rows) { $0[0] ?? "" }.map { name, rows in
      func present(_ kind: String) -> [String] {
        rows.compactMap { $0[3] == kind && $0[5] == "t" ? $0[4] : nil }
      }
      return Made(
        name: name, fingerprint: rows[0][1] ?? "", views: present("view"), functions: present("function"),
        isWhole: rows.allSatisfy { $0[2] == "t" && $0[5] != "f" })
    }
    .sorted { $0.name < $1.name }
  }
}
