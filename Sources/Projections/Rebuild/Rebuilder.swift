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
    while true {
      do {
        attempts += 1
        let runner = try await open(tables)
        try await fill(runner, progress)
        progress(RebuildProgress(phase: .indexing, position: log.head.position, target: log.head.position))
        try await runner.indexWhatArrived(0)
        if !check { try await awaitReaders(tables) }
        return try await whileHeld { try await finish(runner, tables, check: check, progress) }
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
  private func awaitReaders(_ tables: RebuildSchema) async throws {
    try await connection.withSession { session in try session.transaction { try tables.lock($0) } }
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
    _ runner: ProjectionRunner, _ tables: RebuildSchema, check: Bool, _ progress: @Sendable (RebuildProgress) -> Void
  ) async throws -> RebuildReport {
    let schema = schema
    let live = try await connection.withSession { try schema.state(.live, $0) }
    let target = log.head.position
    // Live tables that have not come as far are still to be compared at the same
    // position, so the new ones wait for nobody else.
    let compared = live.checkpoints.filter { live.parked[$0.key] == nil && !live.changed.contains($0.key.projection) }
    let liveEnd = compared.values.map(\.position).max() ?? target
    var isIdle = false
    while !isIdle { isIdle = try await runner.step(through: max(liveEnd, await runner.lowest)).isIdle }
    let filled = await runner.progress
    let position = filled.values.map(\.checkpoint.position).max() ?? 0
    progress(RebuildProgress(phase: .comparing, position: position, target: target))
    let expected = try await epoch()
    let report = try await compare(live, filled, position, expected)
    progress(RebuildProgress(phase: .swapping, position: position, target: target))
    try await connection.withSession { session in
      let hasGroup = try SqlRoleKeeper.ensureGroup(session, logger: schema.logger)
      try session.transaction { session in
        try session.execute("SET LOCAL lock_timeout = '\(LockPatience.reader)'")
        if check { return try tables.discard(session) }
        let fence = try session.query("SELECT epoch FROM projector.epoch FOR UPDATE")
        guard fence[0, 0] == String(expected) else { throw ProjectorInterruption.fenced }
        try tables.swap(session, hasGroup: hasGroup)
      }
    }
    return RebuildReport(tables: report.tables, position: position, isSwapped: !check, notes: report.notes)
  }

  /// Compares the two generations, each on a connection of its own.
  private func compare(
    _ live: ProjectorSchema.Opened, _ filled: [UnitID: UnitProgress], _ position: UInt64, _ expected: Int64
  ) async throws -> RebuildReport {
    let schema = schema
    let definitions = schema.model.definitions.filter { names.contains($0.name) }
    let reasons = try await connection.withSession { session in
      var reasons: [String: String] = [:]
      for definition in definitions {
        reasons[definition.name] =
          live.changed.contains(definition.name)
          ? "since its file has changed" : try difference(definition, live, filled, session)
      }
      return reasons
    }
    let comparable = definitions.filter { reasons[$0.name] == nil }
    async let old = second.withSession { session in
      try session.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") { session in
        try Digests.read(comparable, .live, session)
      }
    }
    let new = try await connection.withSession { session in
      try session.transaction { session in
        let fence = try session.query(
          "SELECT e.epoch, (SELECT epoch FROM personal_next.marker) FROM projector.epoch AS e FOR UPDATE OF e")
        guard fence[0, 0] == String(expected) else { throw ProjectorInterruption.fenced }
        guard fence[0, 1] != nil else { throw ProjectorInterruption.personalLost }
        return try Digests.read(definitions, .next, session)
      }
    }
    let before = Dictionary(try await old.map { ($0.table, $0) }) { first, _ in first }
    var notes: [String] = []
    for definition in definitions {
      if let reason = reasons[definition.name] { notes.append("\(definition.name): not compared, \(reason)") }
      for unit in definition.units {
        guard let parked = filled[unit]?.parked else { continue }
        notes.append("\(definition.name): parked at position \(parked.position): \(parked.message)")
      }
    }
    return RebuildReport(
      tables: new.map { RebuildReport.Table(name: $0.table, before: before[$0.table], after: $0) }, position: position,
      isSwapped: false, notes: notes)
  }

  /// Why the live tables of a read model can't be compared with the new ones; nil where they can.
  private func difference(
    _ definition: ProjectionDefinition, _ live: ProjectorSchema.Opened, _ filled: [UnitID: UnitProgress],
    _ session: PostgresSession
  ) throws -> String? {
    for unit in definition.units {
      guard let old = live.checkpoints[unit], try schema.exists(.live, unit, session) else {
        return "since there is no live table"
      }
      if old.isRefilling { return "since the live table is being refilled" }
      guard let new = filled[unit], new.checkpoint.position == old.position else {
        return "since the live table is at position \(old.position)"
      }
    }
    return nil
  }
}
