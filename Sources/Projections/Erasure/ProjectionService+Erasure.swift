import BasicTypes
import CanonicalJSON
import Postgres
import Waiting

extension ProjectionService {
  /// Takes a person whose key is gone out of the personal tables, and writes those tables and their indexes anew, since
  /// PostgreSQL keeps what an UPDATE replaces in its files.
  ///
  /// What a rebuild has begun to fill is dropped: it may hold values that were opened before.
  /// - Parameters:
  ///   - position: Up to where the log speaks of the person: that of the confirmed erasure.
  ///   - patience: How long it waits for a rebuild to end, and for the read models to have that position.
  /// - Returns: How many rows were written, and which tables.
  /// - Throws: ``ProjectionError`` `unavailable`, `stale`, `busy` where a rebuild doesn't end; `PostgresError`. Calling
  ///   again goes on.
  public func erase(_ person: Identifier, through position: UInt64, patience: Duration) async throws -> JSONObject {
    let deadline = ContinuousClock.now + patience
    try await claimRebuild(until: deadline)
    defer { endExclusively() }
    // What was opened before the key went is in the tables by then, and nothing of it comes after.
    try await wait(for: position, until: deadline)
    let rows = try await PersonalRows.read(
      of: person, through: position, model: schema.model, vault: vault, log: log)
    let schema = schema
    let count = try await withOwnConnection { connection in
      let count = try await whileHeld {
        try await connection.withSession { session in
          try ChunkApplier.prepare(session)
          return try session.transaction { session in
            try RebuildSchema(schema: schema, names: []).discard(session)
            return try Self.write(rows, schema.model, session)
          }
        }
      }
      for unit in rows.units { try await Self.rewrite(unit, on: connection, until: deadline) }
      return count
    }
    requestReload()
    return [
      "rows": .integer(Int64(count)),
      "tables": .array(rows.units.map { .string("\(Generation.live.personal).\($0.projection)") }),
    ]
  }

  /// Puts rows in the place of those that there were. Answers how many were touched.
  static func write(_ rows: PersonalRows, _ model: ProjectionModel, _ session: PostgresSession) throws -> Int {
    var count = 0
    for unit in rows.units {
      let plan = UnitPlan(unit, of: try model.definition(of: unit), .live, model)
      let table = PostgresIdentifier.quote(Generation.live.personal, unit.projection)
      if let events = rows.events[unit] {
        let ids = PostgresValue.array(events.positions.map { String($0) })
        count += try session.query("DELETE FROM \(table) WHERE id = ANY ($1::bigint[])", [ids]).affectedRows
      }
      for piece in (rows.events[unit]?.opened ?? []) + (rows.states[unit] ?? []) {
        for statement in plan.fillOpened { count += try session.query(statement, [.bytes(piece)]).affectedRows }
      }
    }
    return count
  }

  /// Writes a table and its indexes anew. It needs the table for itself, and asks for a moment at a time, since whoever
  /// comes meanwhile has to wait behind it.
  /// - Throws: ``ProjectionError`` `busy` where somebody reads it all the while.
  private static func rewrite(
    _ unit: UnitID, on connection: PostgresConnection, until deadline: ContinuousClock.Instant
  ) async throws {
    let table = PostgresIdentifier.quote(Generation.live.personal, unit.projection)
    var patience = LockPatience.reader
    while true {
      do {
        return try await connection.withSession { [patience] session in
          try session.execute("SET statement_timeout = 0; SET lock_timeout = '\(patience)'")
          try session.execute("VACUUM (FULL) \(table)")
        }
      } catch let error as PostgresError where LockPatience.isOver(error) {
        guard ContinuousClock.now < deadline else {
          let holders = try await connection.withSession { try LockPatience.holders($0) }
          throw ProjectionError(
            .busy, "The table \(table) is in use by \(holders ?? "somebody"); it is written anew once it is free.")
        }
        patience = try await connection.withSession { try LockPatience.afterRefusal($0) }
        try await Task.sleep(for: .seconds(1))
      }
    }
  }

  /// Waits until the personal tables have a position; what else has stopped doesn't matter to them.
  func wait(for position: UInt64, until deadline: ContinuousClock.Instant) async throws {
    let left = max(.zero, deadline - ContinuousClock.now).components
    try await board.wait(
      for: position, units: Set(definitions.flatMap(\.units).filter { $0.part == .personal }),
      milliseconds: Int(left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000))
  }

  func whileHeld<R: Sendable>(_ body: () async throws -> R) async throws -> R {
    try await gate.acquire()
    defer { gate.release() }
    return try await body()
  }

  /// Keeps rebuilds away, once none is under way.
  func claimRebuild(until deadline: ContinuousClock.Instant) async throws {
    while !beginExclusively(Set(definitions.map(\.name))) {
      guard ContinuousClock.now < deadline else {
        throw ProjectionError(.busy, "A rebuild is under way; this goes on once it is over.")
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }
}
