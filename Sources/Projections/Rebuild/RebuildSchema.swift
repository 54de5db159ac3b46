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
      try session.execute("SET LOCAL lock_timeout = '\(LockPatience.reader)'")
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
    let views = try schema.platforms.views(session)
    return try Dependents.names(of: tables + views, ours: views, session)
  }

  /// Takes the live tables from their readers until the transaction ends.
  /// - Throws: `PostgresError` 55P03 where somebody who reads one doesn't end in a moment.
  func lock(_ session: PostgresSession, patience: String) throws {
    try session.execute("SET LOCAL lock_timeout = '\(patience)'")
    let tables = try definitions.flatMap(\.units).filter { try schema.exists(.live, $0, session) }.map { unit in
      PostgresIdentifier.quote(unit.part == .rows ? Generation.live.rows : Generation.live.personal, unit.projection)
    }
    guard !tables.isEmpty else { return }
    try session.execute("LOCK TABLE \(tables.joined(separator: ", ")) IN ACCESS EXCLUSIVE MODE")
  }

  /// Puts the filled tables in the live ones' place. For use inside a transaction that holds the epoch.
  /// - Throws: ``ProjectionError`` `dependents`, which names what stands in the way; `PostgresError` 55P03 where
  ///   somebody reads a table all the while. Then nothing has changed.
  func swap(_ session: PostgresSession, hasGroup: Bool, patience: String) throws {
    try lock(session, patience: patience)
    let dependents = try dependents(session)
    guard dependents.isEmpty else {
      throw ProjectionError(
        .dependents,
        "Objects that Daybook did not make depend on tables to be replaced: \(dependents.joined(separator: ", ")). Drop them, rebuild, make them again."
      )
    }
    try schema.makeSchemas(.live, session, hasGroup: hasGroup)
    try schema.platforms.drop(session)
    for definition in definitions {
      let name = PostgresIdentifier.quote(definition.name)
      try session.execute("DROP TABLE IF EXISTS personal.\(name); DROP TABLE IF EXISTS daybook.\(name)")
      // A table's partitions don't move along by themselves.
      let partitions = try MonthPartitions.all(of: definition.name, in: "daybook_next", session)
      for table in [name] + partitions.map({ PostgresIdentifier.quote($0) }) {
        try session.execute("ALTER TABLE daybook_next.\(table) SET SCHEMA daybook")
      }
      if definition.hasPersonalTable { try session.execute("ALTER TABLE personal_next.\(name) SET SCHEMA personal") }
    }
    for table in ["checkpoints", "parked"] {
      try session.query(
        "DELETE FROM projector.\(table) WHERE generation = 'live' AND projection = ANY ($1::text[])", [.array(names)])
      try session.execute("UPDATE projector.\(table) SET generation = 'live' WHERE generation = 'next'")
    }
    try session.execute("DROP SCHEMA daybook_next CASCADE; DROP SCHEMA personal_next CASCADE")
    try AccessRules.silenceExpressionIndexes(.live, session)
    try schema.installPlatforms(try schema.state(.live, session), session, hasGroup: hasGroup)
  }
}
