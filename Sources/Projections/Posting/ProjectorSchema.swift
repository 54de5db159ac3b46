import BasicTypes
import Logging
import Postgres

/// How far a part of a read model has come, as PostgreSQL keeps it.
struct Checkpoint: Sendable, Equatable {
  var position: UInt64
  var isIndexed: Bool
  /// Until there, the part is being filled again after it was emptied.
  var refillingTo: UInt64

  var isRefilling: Bool { position < refillingTo }
}

/// The event that a part of a read model stopped at.
struct ParkedEvent: Sendable, Equatable {
  let position: UInt64
  let sqlState: String?
  let message: String
}

/// Makes and checks the schemas in PostgreSQL: whatever is missing is made again and filled from the log.
struct ProjectorSchema: Sendable {
  /// Beyond so many events still to come, a table gets its further indexes only once it is filled.
  static let deferIndexesBeyond: UInt64 = 20_000

  /// What was found and made.
  struct Opened: Sendable {
    var epoch: Int64
    var checkpoints: [UnitID: Checkpoint]
    var parked: [UnitID: ParkedEvent]
    /// Read models whose file has changed since their table was made.
    var changed: Set<String>
    var skipped: [String: Set<UInt64>]
    var skipsScanned: UInt64
  }

  let model: ProjectionModel
  /// The SQL of `projections/schema/projector.sql`.
  let projectorSQL: String
  /// What makes the platforms' views.
  let platforms: PlatformInstaller
  let logger: Logger

  /// Takes over the database: raises the epoch, makes what is missing, and answers where each part stands.
  /// - Parameters:
  ///   - head: The last position of the log.
  ///   - eventID: The id of the event at a position, nil beyond the head.
  func open(
    _ session: PostgresSession, head: UInt64, eventID: (UInt64) throws -> Identifier?
  ) throws -> Opened {
    let hasGroup = try SqlRoleKeeper.ensureGroup(session, logger: logger)
    return try session.transaction { session in
      try session.execute("SET LOCAL lock_timeout = '\(LockPatience.opening)'")
      try session.execute(projectorSQL)
      let raised = try session.query("UPDATE projector.epoch SET epoch = epoch + 1 RETURNING epoch, skips_scanned")
      guard raised.rowCount == 1, let epoch = raised[0, 0].flatMap({ Int64($0) }) else {
        throw ProjectionError.unavailable(
          "The table projector.epoch doesn't hold its one row: drop the schema projector.")
      }
      try makeSchemas(.live, session, hasGroup: hasGroup)
      if try isOtherLog(session, eventID) {
        logger.warning("the read models are of another log, or of a longer one; they are filled anew")
        try session.execute(
          "DELETE FROM projector.checkpoints; DELETE FROM projector.parked; DELETE FROM projector.skipped; "
            + "DELETE FROM projector.restrictions; "
            + "UPDATE projector.epoch SET skips_scanned = 0")
      }
      for definition in model.definitions { try ensure(definition, head: head, hasGroup: hasGroup, session) }
      try AccessRules.silenceExpressionIndexes(.live, session)
      try checkMarker(epoch, session)
      var opened = try state(.live, session)
      opened.epoch = epoch
      try installPlatforms(opened, session, hasGroup: hasGroup)
      return opened
    }
  }

  /// Where each part of a generation stands.
  func state(_ generation: Generation, _ session: PostgresSession) throws -> Opened {
    var opened = Opened(epoch: 0, checkpoints: [:], parked: [:], changed: [], skipped: [:], skipsScanned: 0)
    let fence = try session.query("SELECT epoch, skips_scanned FROM projector.epoch")
    opened.epoch = fence[0, 0].flatMap { Int64($0) } ?? 0
    opened.skipsScanned = fence[0, 1].flatMap { UInt64($0) } ?? 0
    let checkpoints = try session.query(
      """
      SELECT projection, part, position, fingerprint, is_indexed, refilling_to FROM projector.checkpoints
      WHERE generation = $1
      """, [.text(generation.rawValue)])
    for row in checkpoints.rows {
      guard let unit = unit(row[0], row[1]), let position = row[2].flatMap({ UInt64($0) }),
        let refilling = row[5].flatMap({ UInt64($0) }), let definition = model.definition(unit.projection),
        definition.units.contains(unit)
      else { continue }
      opened.checkpoints[unit] = Checkpoint(position: position, isIndexed: row[4] == "t", refillingTo: refilling)
      if row[3] != definition.fingerprint { opened.changed.insert(definition.name) }
    }
    let parked = try session.query(
      "SELECT projection, part, position, sqlstate, message FROM projector.parked WHERE generation = $1",
      [.text(generation.rawValue)])
    for row in parked.rows {
      guard let unit = unit(row[0], row[1]), let position = row[2].flatMap({ UInt64($0) }) else { continue }
      opened.parked[unit] = ParkedEvent(position: position, sqlState: row[3], message: row[4] ?? "")
    }
    for row in try session.query("SELECT projection, position FROM projector.skipped").rows {
      guard let name = row[0], let position = row[1].flatMap({ UInt64($0) }) else { continue }
      opened.skipped[name, default: []].insert(position)
    }
    return opened
  }

  /// Makes the two schemas of a generation and the marker of its personal one.
  func makeSchemas(_ generation: Generation, _ session: PostgresSession, hasGroup: Bool) throws {
    for schema in [generation.rows, generation.personal] {
      try session.execute("CREATE SCHEMA IF NOT EXISTS \(schema)")
      if hasGroup { try session.execute("GRANT USAGE ON SCHEMA \(schema) TO \(AccessRules.group)") }
    }
    try session.execute("CREATE UNLOGGED TABLE IF NOT EXISTS \(generation.personal).marker (epoch bigint NOT NULL)")
  }

  /// Makes the table of one part, empty, and puts its checkpoint at the beginning.
  func make(
    _ unit: UnitID, _ generation: Generation, indexed: Bool, refillingTo: UInt64 = 0, hasGroup: Bool,
    _ session: PostgresSession
  ) throws {
    let definition = try model.definition(of: unit)
    // Sorting personal values for an index could spill them to disk, so theirs are there from the start.
    let isIndexed = indexed || unit.part == .personal
    for statement in definition.tableStatements(unit.part, generation) { try session.execute(statement) }
    if unit.part == .rows { try MonthPartitions(definition, generation)?.make(session) }
    var statements: [String] = []
    if isIndexed { statements += definition.indexStatements(unit.part, generation) }
    statements += AccessRules.statements(
      definition, unit.part, generation, hasGroup: hasGroup, audience: model.audience(of: definition),
      withheld: model.withheld(of: definition))
    for statement in statements { try session.execute(statement) }
    try session.query(
      """
      INSERT INTO projector.checkpoints
        (generation, projection, part, position, fingerprint, is_indexed, refilling_to, wording)
      VALUES ($1, $2, $3, 0, $4, $5, $6, $7)
      ON CONFLICT (generation, projection, part) DO UPDATE SET position = 0, event_id = NULL,
        fingerprint = excluded.fingerprint, is_indexed = excluded.is_indexed, refilling_to = excluded.refilling_to,
        wording = excluded.wording
      """,
      [
        .text(generation.rawValue), .text(unit.projection), .text(unit.part.rawValue), .text(definition.fingerprint),
        .bool(isIndexed), .integer(Int(refillingTo)), .text(definition.wording),
      ])
    try session.query(
      "DELETE FROM projector.parked WHERE generation = $1 AND projection = $2 AND part = $3",
      [.text(generation.rawValue), .text(unit.projection), .text(unit.part.rawValue)])
  }

  /// Makes the platforms' views where they aren't as their files say. While the file of a read model has changed, its
  /// table may lack the columns that they need; then they are made when the rebuilt table takes its place.
  func installPlatforms(_ opened: Opened, _ session: PostgresSession, hasGroup: Bool) throws {
    guard opened.changed.isEmpty else { return try platforms.postpone(session) }
    try platforms.install(session, hasGroup: hasGroup)
  }

  /// Makes what a read model lacks. Where its rows are gone its personal columns are worth nothing either.
  private func ensure(
    _ definition: ProjectionDefinition, head: UInt64, hasGroup: Bool, _ session: PostgresSession
  ) throws {
    let rows = UnitID(projection: definition.name, part: .rows)
    let personal = UnitID(projection: definition.name, part: .personal)
    let known = try session.query(
      """
      SELECT part, position, fingerprint, wording FROM projector.checkpoints
      WHERE generation = 'live' AND projection = $1
      """, [.text(definition.name)])
    let isIndexed = head < Self.deferIndexesBeyond
    let isThere = try exists(.live, rows, session) && known.rows.contains { $0[0] == "rows" }
    if !isThere {
      try platforms.drop(session)
      for schema in [Generation.live.personal, Generation.live.rows] {
        try session.execute("DROP TABLE IF EXISTS \(PostgresIdentifier.quote(schema, definition.name))")
      }
      for unit in definition.units {
        try make(unit, .live, indexed: isIndexed, refillingTo: head, hasGroup: hasGroup, session)
      }
      return
    }
    // A changed file is a matter for a rebuild beside the old table.
    guard known.rows.allSatisfy({ $0[2] == definition.fingerprint }) else { return }
    if known.rows.contains(where: { $0[3] != definition.wording }) { try renewComments(definition, session) }
    try AccessRules.renewPolicies(
      definition, model.audience(of: definition), withheld: model.withheld(of: definition), hasGroup: hasGroup, session)
    guard definition.hasPersonalTable else { return }
    if try exists(.live, personal, session), known.rows.contains(where: { $0[0] == "personal" }) { return }
    let position = known.rows.first { $0[0] == "rows" }?[1].flatMap { UInt64($0) } ?? 0
    let table = PostgresIdentifier.quote(Generation.live.personal, definition.name)
    try platforms.drop(session)
    try session.execute("DROP TABLE IF EXISTS \(table)")
    try make(personal, .live, indexed: true, refillingTo: position, hasGroup: hasGroup, session)
  }

  /// Says anew what the columns mean, in tables that stay as they are.
  private func renewComments(_ definition: ProjectionDefinition, _ session: PostgresSession) throws {
    for unit in definition.units where try exists(.live, unit, session) {
      for statement in definition.commentStatements(unit.part, .live) { try session.execute(statement) }
    }
    try session.query(
      "UPDATE projector.checkpoints SET wording = $1 WHERE generation = 'live' AND projection = $2",
      [.text(definition.wording), .text(definition.name)])
  }

  /// Sees whether a crash has emptied the personal tables; then they are filled again from the beginning.
  private func checkMarker(_ epoch: Int64, _ session: PostgresSession) throws {
    if try session.query("UPDATE personal.marker SET epoch = $1", [.integer(Int(epoch))]).affectedRows == 1 { return }
    let tables = try session.query(
      "SELECT format('personal.%I', tablename) FROM pg_catalog.pg_tables WHERE schemaname = 'personal'")
    try session.execute("TRUNCATE \(tables.rows.compactMap { $0[0] }.joined(separator: ", "))")
    try session.query("INSERT INTO personal.marker (epoch) VALUES ($1)", [.integer(Int(epoch))])
    let emptied = try session.query(
      """
      UPDATE projector.checkpoints SET refilling_to = greatest(position, refilling_to), position = 0, event_id = NULL
      WHERE generation = 'live' AND part = 'personal' AND position > 0
      """)
    if emptied.affectedRows > 0 {
      logger.notice("the personal tables were emptied by a crash; refilling them from the log")
    }
  }

  /// Whether a checkpoint names an event that this log doesn't have there.
  private func isOtherLog(_ session: PostgresSession, _ eventID: (UInt64) throws -> Identifier?) throws -> Bool {
    let result = try session.query(
      """
      SELECT DISTINCT position, event_id FROM projector.checkpoints
      WHERE generation = 'live' AND event_id IS NOT NULL
      """)
    for row in result.rows {
      guard let position = row[0].flatMap({ UInt64($0) }), let id = row[1].flatMap({ Identifier($0) }) else { continue }
      if try eventID(position) != id { return true }
    }
    return false
  }

  func exists(_ generation: Generation, _ unit: UnitID, _ session: PostgresSession) throws -> Bool {
    let schema = unit.part == .rows ? generation.rows : generation.personal
    return try session.query(
      "SELECT to_regclass($1) IS NOT NULL", [.text(PostgresIdentifier.quote(schema, unit.projection))])[0, 0] == "t"
  }

  private func unit(_ projection: String?, _ part: String?) -> UnitID? {
    guard let projection, let part = part.flatMap({ UnitID.Part(rawValue: $0) }) else { return nil }
    return UnitID(projection: projection, part: part)
  }
}
