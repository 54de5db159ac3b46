import BasicTypes
import EventLog
import Failpoints
import NIOConcurrencyHelpers
import Postgres
import Vault

/// Moves the read models of one generation along the log, chunk by chunk, on one connection.
///
/// Parts at the same position share a chunk. One whose SQL fails is halved down to the event that it fails at, and
/// parked there; the others go on meanwhile. While PostgreSQL works on one chunk, the next is already being built.
actor ProjectionRunner {
  /// What one step came to.
  struct Step: Sendable {
    var isIdle = false
    var touchesRoles = false
  }

  private struct Unit {
    var checkpoint: Checkpoint
    var parked: ParkedEvent?
    var limit: Int
    /// Somewhere up to here is an event that it can't apply.
    var failingThrough: UInt64 = 0
  }

  private let log: EventLog
  private let vault: Vault
  private let schema: ProjectorSchema
  private let connection: PostgresConnection
  /// A second connection, for read models whose rows need nothing but a COPY, so that both work at the same time.
  private let second: PostgresConnection?
  private let applier: ChunkApplier
  private let chunkEvents: Int
  private var units: [UnitID: Unit] = [:]
  private var skips: SkipRegister
  private var turn = false
  private var prefetched: (request: PreparedChunk.Request, task: Task<PreparedChunk, any Error>)?

  private var model: ProjectionModel { schema.model }

  /// A runner over what ``ProjectorSchema`` found. Read models that `opened` calls changed are left out.
  init(
    log: EventLog, vault: Vault, schema: ProjectorSchema, connection: PostgresConnection, generation: Generation,
    opened: ProjectorSchema.Opened, chunkEvents: Int = 5000, second: PostgresConnection? = nil,
    failpoints: Failpoints = .none
  ) {
    self.second = second
    self.log = log
    self.vault = vault
    self.schema = schema
    self.connection = connection
    self.chunkEvents = chunkEvents
    applier = ChunkApplier(
      model: schema.model, generation: generation, epoch: opened.epoch, failpoints: failpoints)
    skips = SkipRegister(positions: opened.skipped, scannedThrough: opened.skipsScanned)
    units = ProjectionRunner.units(opened, limit: chunkEvents)
  }

  private static func units(_ opened: ProjectorSchema.Opened, limit: Int) -> [UnitID: Unit] {
    var units: [UnitID: Unit] = [:]
    for (id, checkpoint) in opened.checkpoints where !opened.changed.contains(id.projection) {
      units[id] = Unit(checkpoint: checkpoint, parked: opened.parked[id], limit: limit)
    }
    return units
  }

  /// Where each part stands.
  var progress: [UnitID: UnitProgress] {
    units.mapValues { UnitProgress(checkpoint: $0.checkpoint, parked: $0.parked) }
  }

  /// Looks again at where PostgreSQL says that everything stands: after a retry or a rebuild.
  func reload() async throws {
    let schema = schema
    let generation = applier.generation
    let opened = try await connection.withSession { try schema.state(generation, $0) }
    guard opened.epoch == applier.epoch else { throw ProjectorInterruption.fenced }
    discardPrefetched()
    units = ProjectionRunner.units(opened, limit: chunkEvents)
  }

  /// Learns of positions to be passed over, and frees what was parked at one.
  func refreshSkips(through head: UInt64) async throws {
    guard skips.scannedThrough < head else { return }
    var known = skips
    let isChanged = try await known.scan(log, model.definitions.map(\.name), through: head)
    skips = known
    try await connection.withSession { [known] in try known.store($0) }
    guard isChanged else { return }
    discardPrefetched()
    for (id, unit) in units {
      guard let parked = unit.parked, skips.contains(id.projection, parked.position) else { continue }
      try await connection.withSession { [generation = applier.generation] session in
        try session.query(
          "DELETE FROM projector.parked WHERE generation = $1 AND projection = $2 AND part = $3",
          [.text(generation.rawValue), .text(id.projection), .text(id.part.rawValue)])
      }
      units[id]?.parked = nil
    }
  }

  /// The position that all parts which move have at least.
  var lowest: UInt64 { units.values.filter { $0.parked == nil }.map(\.checkpoint.position).min() ?? 0 }

  /// The position that all parts have at least that move and aren't being filled again; nil where there is none.
  private var lowestInStep: UInt64? {
    units.values.filter { $0.parked == nil && !$0.checkpoint.isRefilling }.map(\.checkpoint.position).min()
  }

  /// The position that no part which moves is beyond.
  var highest: UInt64 { units.values.filter { $0.parked == nil }.map(\.checkpoint.position).max() ?? 0 }

  /// Whether a read model has its rows, rather than being filled again.
  func isFilled(_ projection: String) -> Bool {
    units[UnitID(projection: projection, part: .rows)].map { !$0.checkpoint.isRefilling } ?? false
  }

  /// Whether any part is parked.
  var hasParked: Bool { units.values.contains { $0.parked != nil } }

  /// Sees that the database is as it was left: for when there is nothing else to do.
  func check() async throws {
    let applier = applier
    let tables = units.keys.map { unit in
      let schema = unit.part == .rows ? applier.generation.rows : applier.generation.personal
      return PostgresIdentifier.quote(schema, unit.projection)
    }
    try await connection.withSession { session in
      do {
        // Without a lock, which PostgreSQL would write to its log each time.
        try applier.checkFence(session, locking: false)
        let missing = try session.query(
          "SELECT FROM unnest($1::text[]) AS t (name) WHERE to_regclass(t.name) IS NULL LIMIT 1", [.array(tables)])
        if try missing.rowCount > 0 || PlatformInstaller.isDamaged(session) { throw ProjectorInterruption.schemaLost }
      } catch let error as PostgresError where error.sqlState == "42P01" || error.sqlState == "3F000" {
        throw ProjectorInterruption.schemaLost
      }
    }
  }

  /// Moves one group of parts on by one chunk; idle where none is behind `target`.
  func step(through target: UInt64) async throws -> Step {
    let active = units.filter { $0.value.parked == nil }
    let behind = active.filter { $0.value.checkpoint.position < target }
    guard let lowest = behind.values.map(\.checkpoint.position).min(),
      let highest = behind.values.map(\.checkpoint.position).max()
    else { return Step(isIdle: true) }
    // What is nearly there and what lags take turns, so that a refill delays nobody.
    turn.toggle()
    let position = turn ? highest : lowest
    let group = behind.filter { $0.value.checkpoint.position == position }.keys.sorted()
    let passing = group.filter { skips.contains($0.projection, position + 1) }
    if !passing.isEmpty {
      try await pass(passing, over: position + 1)
      return Step()
    }
    var through = target
    // Up to where the next ones stand, so that both go on together.
    if let next = active.values.map(\.checkpoint.position).filter({ $0 > position }).min() {
      through = min(through, next)
    }
    if let skip = skips.next(for: group, after: position) { through = min(through, skip - 1) }
    let limit = group.compactMap { units[$0]?.limit }.min() ?? chunkEvents
    let request = PreparedChunk.Request(
      units: group, after: position, through: through, maximumEvents: limit, maximumBytes: 8 << 20)
    let chunk = try await take(request)
    guard chunk.count > 0 else { return Step(isIdle: true) }
    if chunk.last < through, limit == chunkEvents {
      prefetch(
        PreparedChunk.Request(
          units: group, after: chunk.last, through: through, maximumEvents: limit, maximumBytes: 8 << 20))
    }
    do {
      let failures = try await apply(chunk)
      try await settle(chunk, group, failures)
    } catch let error as PostgresError where ChunkApplier.mayBeOfItsEvents(error) {
      try await narrow(chunk, group, error)
    }
    if applier.generation == .live, let reached = lowestInStep { log.readModelsReached(reached) }
    if chunk.touchesSkips { try await refreshSkips(through: log.head.position) }
    try await indexWhatArrived(target)
    return Step(touchesRoles: chunk.touchesRoles)
  }

  /// A chunk's whole transaction has failed, as it would again: smaller chunks next; at one event each part alone,
  /// three times, before a part that still can't take it is parked there.
  private func narrow(_ chunk: PreparedChunk, _ group: [UnitID], _ error: PostgresError) async throws {
    discardPrefetched()
    guard chunk.count == 1 else {
      for id in group {
        guard var unit = units[id] else { continue }
        unit.limit = max(1, chunk.count / 2)
        unit.failingThrough = max(chunk.last, unit.failingThrough)
        units[id] = unit
      }
      return
    }
    for id in group {
      var failure: PostgresError? = error
      for attempt in 0..<3 where failure != nil {
        if attempt > 0 { try await Task.sleep(for: .milliseconds(500)) }
        do {
          let failures = try await connection.withSession { [applier] in try applier.apply(chunk, to: [id], on: $0) }
          try await settle(chunk, [id], failures)
          failure = nil
        } catch let again as PostgresError where ChunkApplier.mayBeOfItsEvents(again) {
          failure = again
        }
      }
      guard let failure else { continue }
      try await park(
        id, at: chunk.last, PreparedChunk.Failure(sqlState: failure.sqlState ?? "", message: failure.message))
    }
  }

  /// Applies a chunk; on two connections, where there are two, in a transaction of its own each.
  private func apply(_ chunk: PreparedChunk) async throws -> [UnitID: PreparedChunk.Failure] {
    let units = chunk.request.units
    let beside = second == nil ? [] : units.filter(isCopied)
    guard let second, !beside.isEmpty, beside.count < units.count else {
      return try await connection.withSession { [applier] in try applier.apply(chunk, to: units, on: $0) }
    }
    let others = units.filter { !beside.contains($0) }
    async let first = connection.withSession { [applier] in try applier.apply(chunk, to: others, on: $0) }
    let copied = try await second.withSession { [applier] in try applier.apply(chunk, to: beside, on: $0) }
    return try await first.merging(copied) { one, _ in one }
  }

  /// Whether a part's rows only ever come by COPY.
  private func isCopied(_ unit: UnitID) -> Bool {
    if case .events = model.copies[unit] { true } else { false }
  }

  /// Takes over what a chunk came to.
  private func settle(
    _ chunk: PreparedChunk, _ group: [UnitID], _ failures: [UnitID: PreparedChunk.Failure]
  ) async throws {
    for id in group {
      guard var unit = units[id] else { continue }
      guard let failure = failures[id] else {
        unit.checkpoint.position = chunk.last
        if chunk.last >= unit.failingThrough { unit.limit = chunkEvents }
        units[id] = unit
        continue
      }
      discardPrefetched()
      if chunk.count > 1 {
        unit.limit = max(1, chunk.count / 2)
        unit.failingThrough = max(chunk.last, unit.failingThrough)
        units[id] = unit
      } else {
        try await park(id, at: chunk.last, failure)
      }
    }
  }

  private func park(_ id: UnitID, at position: UInt64, _ failure: PreparedChunk.Failure) async throws {
    try await refreshSkips(through: log.head.position)
    if skips.contains(id.projection, position) { return }
    units[id]?.parked = ParkedEvent(position: position, sqlState: failure.sqlState, message: failure.message)
    units[id]?.limit = chunkEvents
    try await connection.withSession { [applier] session in
      try session.transaction { session in
        try applier.checkFence(session)
        try session.query(
          """
          INSERT INTO projector.parked (generation, projection, part, position, sqlstate, message)
          VALUES ($1, $2, $3, $4, $5, $6)
          ON CONFLICT (generation, projection, part) DO UPDATE
          SET position = excluded.position, sqlstate = excluded.sqlstate, message = excluded.message, at = now()
          """,
          [
            .text(applier.generation.rawValue), .text(id.projection), .text(id.part.rawValue), .integer(Int(position)),
            .optional(failure.sqlState), .text(failure.message),
          ])
      }
    }
  }

  /// Moves checkpoints past an event that is to be passed over.
  private func pass(_ group: [UnitID], over position: UInt64) async throws {
    discardPrefetched()
    let request = PreparedChunk.Request(
      units: group, after: position - 1, through: position, maximumEvents: 1, maximumBytes: 1)
    var chunk = PreparedChunk(request: request, last: position)
    chunk.lastEventID = try log.read { try $0.record(at: position)?.parsedHeader().id }
    let passed = chunk
    _ = try await connection.withSession { [applier] in try applier.apply(passed, to: group, on: $0) }
    for id in group { units[id]?.checkpoint.position = position }
  }

  /// Makes the further indexes of parts that were filled without them and have
  /// arrived, on two connections where there are two.
  func indexWhatArrived(_ target: UInt64) async throws {
    let due = units.filter {
      !$0.value.checkpoint.isIndexed && $0.value.checkpoint.position + UInt64(chunkEvents) >= target
    }
    .keys.sorted()
    guard !due.isEmpty else { return }
    // What takes every event is the largest, so it comes first.
    let queue = NIOLockedValueBox((due.filter(isCopied) + due.filter { !isCopied($0) })[...])
    let work: @Sendable (PostgresConnection) async throws -> Void = { [schema, generation = applier.generation] own in
      while let unit = queue.withLockedValue({ $0.popFirst() }) {
        let statements = try schema.model.definition(of: unit).indexStatements(unit.part, generation)
        try await own.withSession { try Self.index(unit, statements, generation, $0) }
      }
    }
    async let beside: Void = { if let second { try await work(second) } }()
    try await work(connection)
    try await beside
    for id in due { units[id]?.checkpoint.isIndexed = true }
  }

  private static func index(
    _ unit: UnitID, _ statements: [String], _ generation: Generation, _ session: PostgresSession
  ) throws {
    try session.transaction { session in
      for statement in statements { try session.execute(statement) }
      try session.query(
        "UPDATE projector.checkpoints SET is_indexed = true WHERE generation = $1 AND projection = $2 AND part = $3",
        [.text(generation.rawValue), .text(unit.projection), .text(unit.part.rawValue)])
    }
  }

  // MARK: - Building ahead

  private func take(_ request: PreparedChunk.Request) async throws -> PreparedChunk {
    if let ahead = prefetched, ahead.request.units == request.units, ahead.request.after == request.after,
      ahead.request.maximumEvents == request.maximumEvents, ahead.request.through <= request.through
    {
      prefetched = nil
      let chunk = try await ahead.task.value
      if chunk.count > 0 { return chunk }
    }
    discardPrefetched()
    return try await build(request).value
  }

  private func prefetch(_ request: PreparedChunk.Request) {
    discardPrefetched()
    prefetched = (request, build(request))
  }

  private func discardPrefetched() {
    prefetched?.task.cancel()
    prefetched = nil
  }

  private func build(_ request: PreparedChunk.Request) -> Task<PreparedChunk, any Error> {
    Task { [log, vault, model] in
      try await log.background { snapshot in
        try ChunkBuilder.build(request, model: model, vault: vault, snapshot: snapshot)
      }
    }
  }
}

/// Where a part of a read model stands.
struct UnitProgress: Sendable, Equatable {
  var checkpoint: Checkpoint
  var parked: ParkedEvent?
}
