import BasicTypes
import Failpoints
import Postgres

/// What stops a projector besides PostgreSQL's own errors; each has its own remedy.
enum ProjectorInterruption: Error, Sendable, Equatable {
  /// Another projector has raised the epoch.
  case fenced
  /// A checkpoint isn't where it was, though the epoch is ours: a rebuild of this process has moved it.
  case moved
  /// A table is gone: the schema has to be looked at again.
  case schemaLost
  /// The personal tables were emptied by a crash of PostgreSQL.
  case personalLost
}

/// Puts a prepared chunk into PostgreSQL in one transaction: rows and checkpoints together, or neither.
struct ChunkApplier: Sendable {
  let generation: Generation
  let epoch: Int64
  private let failpoints: Failpoints
  private let plans: [UnitID: UnitPlan]

  init(model: ProjectionModel, generation: Generation, epoch: Int64, failpoints: Failpoints = .none) {
    self.generation = generation
    self.epoch = epoch
    self.failpoints = failpoints
    var plans: [UnitID: UnitPlan] = [:]
    for definition in model.definitions {
      for unit in definition.units { plans[unit] = UnitPlan(unit, of: definition, generation, model) }
    }
    self.plans = plans
  }

  /// What a connection needs before chunks can be applied on it.
  ///
  /// Tables that are being filled have no statistics, and plans made while they were small are kept. So nothing is left
  /// to estimates: each row is found by its index, and what a table has no index for is read from end to end once.
  static func prepare(_ session: PostgresSession) throws {
    try session.execute(
      """
      SET synchronous_commit = off;
      SET lock_timeout = '\(LockPatience.posting)';
      SET work_mem = '64MB';
      SET enable_hashjoin = off;
      SET enable_mergejoin = off;
      SET enable_seqscan = off;
      SET jit = off;
      SET client_min_messages = warning;
      SET search_path = pg_temp, pg_catalog;
      SET temp_buffers = '64MB';
      CREATE TEMP TABLE IF NOT EXISTS staged_events (\(StagedColumn.declarations)) ON COMMIT DELETE ROWS;
      CREATE TEMP TABLE IF NOT EXISTS staged_changes (resource_type text, id uuid, changes jsonb) ON COMMIT DELETE ROWS;
      """)
  }

  /// Applies the chunk to some of its units; returns those that couldn't take it,
  /// which stay where they are while the others move on.
  /// - Throws: ``ProjectorInterruption``; `PostgresError` where the whole transaction failed.
  func apply(
    _ chunk: PreparedChunk, to units: [UnitID], on session: PostgresSession
  ) throws -> [UnitID: PreparedChunk.Failure] {
    do {
      let failures = try session.transaction { session in try applyInside(chunk, units, session) }
      try failpoints.reached(.postingCommitted)
      return failures
    } catch let error as PostgresError where error.sqlState == "42P01" || error.sqlState == "3F000" {
      throw ProjectorInterruption.schemaLost
    }
  }

  private func applyInside(
    _ chunk: PreparedChunk, _ units: [UnitID], _ session: PostgresSession
  ) throws -> [UnitID: PreparedChunk.Failure] {
    try checkFence(session)
    var failures = chunk.failures.filter { units.contains($0.key) }
    let units = units.filter { failures[$0] == nil }
    let staged = Set(units.filter { chunk.staged.contains($0) }.compactMap { plans[$0]?.stage })
    if staged.contains(.events) {
      try session.copyIn("COPY pg_temp.staged_events FROM STDIN WITH (FORMAT binary)", chunk.events)
    }
    if staged.contains(.changes) {
      try session.copyIn("COPY pg_temp.staged_changes FROM STDIN WITH (FORMAT binary)", chunk.changes)
    }
    try failpoints.reached(.postingStaged)
    for unit in units.sorted() {
      guard let plan = plans[unit] else { continue }
      let isStaged = chunk.staged.contains(unit)
      guard isStaged || chunk.copies[unit] != nil || chunk.opened[unit] != nil || chunk.removals[unit] != nil else {
        continue
      }
      do {
        try session.savepoint { session in
          if let rows = chunk.copies[unit], let copy = plan.copy { try session.copyIn(copy, rows) }
          if isStaged { for statement in plan.fill { try session.execute(statement) } }
          for piece in chunk.opened[unit] ?? [] {
            for statement in plan.fillOpened { try session.query(statement, [.bytes(piece)]) }
          }
          // What they take away was recorded before them, so it is there by now.
          for piece in chunk.removals[unit] ?? [] {
            for statement in plan.removal { try session.query(statement, [.bytes(piece)]) }
          }
          try failpoints.reached(.postingUnit)
        }
      } catch let error as PostgresError {
        failures[unit] = try ChunkApplier.failure(error)
      }
    }
    let moved = units.filter { failures[$0] == nil }
    guard !moved.isEmpty else { return failures }
    try maintainPartitions(chunk, moved, session)
    let result = try session.query(
      """
      UPDATE projector.checkpoints SET position = $1, event_id = $2::uuid, updated_at = now()
      WHERE generation = $3 AND position = $4 AND projection || '/' || part = ANY ($5::text[])
      """,
      [
        .integer(Int(chunk.last)), .optional(chunk.lastEventID?.text), .text(generation.rawValue),
        .integer(Int(chunk.request.after)), .array(moved.map { "\($0.projection)/\($0.part.rawValue)" }),
      ])
    guard result.affectedRows == moved.count else { throw ProjectorInterruption.moved }
    try failpoints.reached(.postingCheckpoint)
    return failures
  }

  /// Gives the months that have come up with a chunk partitions of their own, and drops those that it has emptied: part
  /// of the chunk's transaction, so that no reader sees rows on the way.
  ///
  /// It needs locks that a reader of the table may hold for as long as it likes. Where one does, the rows stay in the
  /// default partition until a later chunk, and nothing waits for that reader.
  private func maintainPartitions(_ chunk: PreparedChunk, _ units: [UnitID], _ session: PostgresSession) throws {
    guard let time = chunk.lastAt else { return }
    let due = units.compactMap { unit -> (partitions: MonthPartitions, removes: Bool)? in
      let removes = chunk.removals[unit] != nil
      guard let partitions = plans[unit]?.partitions,
        removes || chunk.copies[unit] != nil || chunk.staged.contains(unit)
      else { return nil }
      return (partitions, removes)
    }
    for (partitions, removes) in due {
      do {
        try session.savepoint { session in
          try session.execute("SET LOCAL lock_timeout = '\(LockPatience.reader)'")
          try partitions.extend(session, at: time)
          if removes { try partitions.dropEmpty(session, before: time) }
          try session.execute("SET LOCAL lock_timeout = '\(LockPatience.posting)'")
        }
      } catch let error as PostgresError where error.sqlState == "55P03" {
        continue
      }
    }
  }

  /// Sees that the epoch is ours still.
  /// - Parameter locking: Whether it is locked for this transaction, so that nobody can raise it before the end.
  func checkFence(_ session: PostgresSession, locking: Bool = true) throws {
    let result = try session.query(
      """
      SELECT e.epoch, (SELECT m.epoch FROM \(generation.personal).marker AS m LIMIT 1)
      FROM projector.epoch AS e\(locking ? " FOR SHARE OF e" : "")
      """)
    guard result.rowCount == 1, result[0, 0].flatMap({ Int64($0) }) == epoch else { throw ProjectorInterruption.fenced }
    guard result[0, 1] != nil else { throw ProjectorInterruption.personalLost }
  }

  /// Whether an error that ended a chunk's whole transaction may come of what is in the chunk: of its size, or of one
  /// event in it. Those that come of the connection, the server or somebody else's locks may not, and pass by waiting.
  static func mayBeOfItsEvents(_ error: PostgresError) -> Bool {
    if error.code == .protocolViolation { return true }
    guard error.code == .query, let state = error.sqlState else { return false }
    // 53200 and 53400: memory and configured limits; a full disk (53100) and too many connections (53300) are
    // everybody's. 55P03 and 55006: somebody else uses a table just now.
    return state == "53200" || state == "53400"
      || !["53", "57", "58", "08", "40"].contains(String(state.prefix(2))) && state != "55P03" && state != "55006"
  }

  /// What a unit's failure is, where it is the unit's own; an error that would stop any transaction is thrown on.
  static func failure(_ error: PostgresError) throws -> PreparedChunk.Failure {
    if error.code == .protocolViolation { return PreparedChunk.Failure(message: error.message) }
    guard error.code == .query, !error.isRetryable, let state = error.sqlState,
      !["53", "57", "58", "08", "40", "55"].contains(String(state.prefix(2))), state != "42P01", state != "3F000"
    else { throw error }
    return PreparedChunk.Failure(sqlState: state, message: error.message)
  }
}
