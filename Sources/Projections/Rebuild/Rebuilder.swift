import EventLog
import Logging
import Postgres
import Vault

/// Fills read models anew beside the live ones, compares, and swaps.
///
/// Filling goes on where an earlier rebuild of the same read models was interrupted. The live ones move on meanwhile;
/// they are held only for the last chunk, the comparison and the swap.
struct Rebuilder: Sendable {
  let log: EventLog
  let vault: Vault
  let schema: ProjectorSchema
  let names: [String]
  let connection: PostgresConnection
  /// Works beside the other.
  let second: PostgresConnection
  /// The epoch under which the live projector works; a rebuild works under the same.
  let epoch: @Sendable () async throws -> Int64
  /// Waits until the live tables have come to a position, for as long as they come nearer.
  let awaitLive: @Sendable (UInt64) async throws -> Void
  /// Runs a body while the live projector stands still.
  let whileHeld: @Sendable (@Sendable () async throws -> RebuildReport) async throws -> RebuildReport

  private static let chunkEvents = 10_000
  /// How long the exchange is tried again while somebody reads the live tables, and the pauses between.
  private static let readersTime = Duration.seconds(60)
  private static let readersPauses: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(5)]

  /// - Throws: ``ProjectionError`` `dependents`, or `busy` where somebody reads the live tables without end;
  ///   `PostgresError`;
  ///   `CancellationError`, and then it can be taken up again.
  func run(check: Bool, progress: @escaping @Sendable (RebuildProgress) -> Void) async throws -> RebuildReport {
    for connection in [connection, second] {
      try await connection.withSession { session in
        try ChunkApplier.prepare(session)
        // Two connections work already; helpers of their own would only cost more. New indexes go to disk by way of the
        // write-ahead log, since a sync of each file would have to be waited for.
        try session.execute(
          """
          SET maintenance_work_mem = '256MB';
          SET max_parallel_maintenance_workers = 0;
          SET max_parallel_workers_per_gather = 0;
          SET wal_skip_threshold = '256MB'
          """)
      }
    }
    let tables = RebuildSchema(schema: schema, names: names)
    var attempts = 0
    var refused: (since: ContinuousClock.Instant, times: Int)?
    var patience = LockPatience.reader
    while true {
      do {
        attempts += 1
        let runner = try await open(tables)
        try await fill(runner, progress)
        progress(RebuildProgress(phase: .indexing, position: log.head.position, target: log.head.position))
        try await runner.indexWhatArrived(0)
        if !check { try await awaitReaders(tables, patience) }
        // The live ones may be behind the new ones, and only what is at one position can be compared.
        try await awaitLive(await runner.highest)
        return try await whileHeld { [patience] in
          try await finish(runner, tables, check: check, patience: patience, progress)
        }
      } catch let interruption as ProjectorInterruption where attempts < 100 {
        // The live projector has connected anew, under another epoch, or somebody dropped a schema. What is filled
        // stays, unless it is gone.
        schema.logger.notice("the rebuild goes on after an interruption: \(interruption)")
      } catch let error as PostgresError where LockPatience.isOver(error) {
        // Nobody waits for the reader: the live projector goes on, and so do the table's other readers.
        let since = refused?.since ?? ContinuousClock.now
        let times = refused?.times ?? 0
        guard ContinuousClock.now - since < Self.readersTime else { throw try await busy() }
        refused = (since, times + 1)
        patience = try await connection.withSession { try LockPatience.afterRefusal($0) }
        try await Task.sleep(for: Self.readersPauses[min(times, Self.readersPauses.count - 1)])
      }
    }
  }

  /// Says who keeps the new tables from taking the live ones' place.
  private func busy() async throws -> ProjectionError {
    let holders = try await connection.withSession { try LockPatience.holders($0) } ?? "somebody"
    return ProjectionError(
      .busy,
      "The tables are filled, but the live ones are being read without a pause, by \(holders). "
        + "End these sessions (pg_terminate_backend) and rebuild again: it goes on from here.")
  }

  /// Sees that the live tables can be taken from their readers, before everybody is held for it.
  private func awaitReaders(_ tables: RebuildSchema, _ patience: String) async throws {
    try await connection.withSession { session in
      try session.transaction { try tables.lock($0, patience: patience) }
    }
  }

  private func open(_ tables: RebuildSchema) async throws -> ProjectionRunner {
    let epoch = try await epoch()
    let schema = schema
    let opened = try await connection.withSession { session in
      try tables.prepare(session, epoch: epoch)
      return try schema.state(.next, session)
    }
    guard opened.epoch == epoch else { throw ProjectorInterruption.fenced }
    let runner = ProjectionRunner(
      log: log, vault: vault, schema: schema, connection: connection, generation: .next, opened: opened,
      chunkEvents: Self.chunkEvents, second: second)
    try await runner.refreshSkips(through: log.head.position)
    return runner
  }

  private func fill(_ runner: ProjectionRunner, _ progress: @Sendable (RebuildProgress) -> Void) async throws {
    while true {
      try Task.checkCancellation()
      let target = log.head.position
      let step = try await runner.step(through: target)
      let position = await runner.progress.values.filter { $0.parked == nil }.map(\.checkpoint.position).min() ?? target
      progress(RebuildProgress(phase: .filling, position: position, target: target))
      if step.isIdle { return }
    }
  }

  /// Brings the new tables to exactly where the live ones stand, compares and swaps.
  private func finish(
    _ runner: ProjectionRunner, _ tables: RebuildSchema, check: Bool, patience: String,
    _ progress: @Sendable (RebuildProgress) -> Void
  ) async throws -> RebuildReport {
    let schema = schema
    let live = try await connection.withSession { try schema.state(.live, $0) }
    let target = log.head.position
    let compared = live.checkpoints.filter { unit, _ in
      names.contains(unit.projection) && live.parked[unit] == nil && !live.changed.contains(unit.projection)
    }
    let liveEnd = compared.values.map(\.position).max() ?? target
    var isIdle = false
    while !isIdle { isIdle = try await runner.step(through: max(liveEnd, await runner.lowest)).isIdle }
    let filled = await runner.progress
    let position = filled.values.map(\.checkpoint.position).max() ?? 0
    progress(RebuildProgress(phase: .comparing, position: position, target: target))
    let expected = try await epoch()
    let report = try await compare(filled, position, expected)
    progress(RebuildProgress(phase: .swapping, position: position, target: target))
    try await connection.withSession { session in
      let hasGroup = try SqlRoleKeeper.ensureGroup(session, logger: schema.logger)
      try session.transaction { session in
        try session.execute("SET LOCAL lock_timeout = '\(patience)'")
        if check { return try tables.discard(session) }
        let fence = try session.query("SELECT epoch FROM projector.epoch FOR UPDATE")
        guard fence[0, 0] == String(expected) else { throw ProjectorInterruption.fenced }
        try tables.swap(session, hasGroup: hasGroup, patience: patience)
      }
    }
    return report.swapped(!check)
  }

  /// The live tables as one snapshot shows them.
  private struct Live: Sendable {
    var digests: [TableDigest]
    /// Why tables can't be compared with the new ones.
    var reasons: [UnitID: String]
  }

  /// Compares the two generations, each on a connection of its own.
  private func compare(
    _ filled: [UnitID: UnitProgress], _ position: UInt64, _ expected: Int64
  ) async throws -> RebuildReport {
    let schema = schema
    let definitions = schema.model.definitions.filter { names.contains($0.name) }
    async let old = second.withSession { session in
      // What is compared and how far it is, the same snapshot says.
      try session.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") { session in
        let reasons = try obstacles(definitions, filled, session)
        let units = definitions.flatMap(\.units).filter { reasons[$0] == nil }
        return Live(digests: try Digests.read(units, .live, session), reasons: reasons)
      }
    }
    let new = try await connection.withSession { session in
      try session.transaction { session in
        let fence = try session.query(
          "SELECT e.epoch, (SELECT epoch FROM personal_next.marker) FROM projector.epoch AS e FOR UPDATE OF e")
        guard fence[0, 0] == String(expected) else { throw ProjectorInterruption.fenced }
        guard fence[0, 1] != nil else { throw ProjectorInterruption.personalLost }
        return try Digests.read(definitions.flatMap(\.units), .next, session)
      }
    }
    let live = try await old
    let before = Dictionary(live.digests.map { ($0.table, $0) }) { first, _ in first }
    let reasons = Dictionary(live.reasons.map { (Digests.table($0.key), $0.value) }) { first, _ in first }
    let tables = new.map { digest in
      RebuildReport.Table(
        name: digest.table, before: before[digest.table], after: digest, notCompared: reasons[digest.table])
    }
    var notes = tables.compactMap { table in table.notCompared.map { "\(table.name): not compared, \($0)" } }
    var parked: [String] = []
    for unit in definitions.flatMap(\.units) {
      guard let event = filled[unit]?.parked else { continue }
      parked.append(unit.projection)
      notes.append("\(unit.projection): parked at position \(event.position): \(event.message)")
    }
    return RebuildReport(tables: tables, position: position, isSwapped: false, notes: notes, parked: parked)
  }

  /// Why live tables can't be compared with the new ones, by what the session's snapshot shows.
  private func obstacles(
    _ definitions: [ProjectionDefinition], _ filled: [UnitID: UnitProgress], _ session: PostgresSession
  ) throws -> [UnitID: String] {
    let live = try schema.state(.live, session)
    let hasMarker =
      try session.query("SELECT to_regclass('personal.marker') IS NOT NULL")[0, 0] == "t"
      && session.query("SELECT FROM personal.marker").rowCount == 1
    var reasons: [UnitID: String] = [:]
    for unit in definitions.flatMap(\.units) {
      if live.changed.contains(unit.projection) {
        reasons[unit] = "since its file has changed"
      } else if let old = live.checkpoints[unit], try schema.exists(.live, unit, session) {
        if old.isRefilling || unit.part == .personal && !hasMarker {
          reasons[unit] = "since the live table is being refilled"
        } else if filled[unit]?.checkpoint.position != old.position {
          reasons[unit] = "since the live table is at position \(old.position)"
        }
      } else {
        reasons[unit] = "since there is no live table"
      }
    }
    return reasons
  }
}
