import BasicTypes
import Catalog
import EventLog
import Failpoints
import Logging
import NIOConcurrencyHelpers
import Postgres
import Vault
import Waiting

/// The read models in PostgreSQL: keeps them with the log, says where they stand, lends connections to read them, and
/// rebuilds them.
///
/// Everything else may be called while ``run()`` runs, from any task. PostgreSQL may go away and come back at any time:
/// the read models catch up by themselves, and nothing is applied twice.
public final class ProjectionService: Sendable {
  let log: EventLog
  let vault: Vault
  let schema: ProjectorSchema
  let location: DatabaseLocation
  let logger: Logger
  let failpoints: Failpoints
  let board = ProgressBoard()
  let wake = WakeSignal()
  /// The projector has posted all there is and sleeps.
  let idle = WakeSignal()
  /// Taken by the live projector for each step, and by a rebuild for its end.
  let gate = FairSemaphore(permits: 1)
  let roles: SqlRoleKeeper
  private let url = NIOLockedValueBox("")
  private let peopleURLs = NIOLockedValueBox<DatabaseURLs?>(nil)
  /// What was last told of PostgreSQL; nil since it can be used.
  private let lastProblem = NIOLockedValueBox<String?>(nil)
  private let isReloadDue = NIOLockedValueBox(false)
  private let rebuilds = NIOLockedValueBox<Set<String>>([])
  private let pool: PostgresPool

  /// Reads and checks `projections/`; connects to nothing before ``run()``.
  /// - Parameters:
  ///   - folder: The folder of the SQL files.
  ///   - database: Where the read models are.
  ///   - queryConnections: How many connections queries have at most.
  ///   - queryTimeout: How long a query waits for one.
  ///   - failpoints: Where tests make the posting fail, or end the process.
  /// - Throws: ``ProjectionError`` `definition` for a file that contradicts itself or the catalog.
  package init(
    log: EventLog, vault: Vault, catalog: Catalog, folder: String, database: DatabaseLocation,
    queryConnections: Int = 8, queryTimeout: Duration = .seconds(10), failpoints: Failpoints = .none,
    logger: Logger
  ) throws {
    self.log = log
    self.vault = vault
    self.logger = logger
    self.failpoints = failpoints
    location = database
    let defaults = log.stateDefaults
    let model = ProjectionModel(
      catalog: catalog,
      definitions: try ProjectionFolder.load(folder, catalog: catalog).map { $0.withDefaults(defaults) })
    let platforms = PlatformInstaller(
      schemas: try ProjectionFolder.platforms(folder, catalog: catalog), logger: logger)
    schema = ProjectorSchema(
      model: model, projectorSQL: try ProjectionFolder.projectorSQL(folder), platforms: platforms, logger: logger)
    roles = SqlRoleKeeper(logger: logger)
    if case .url(let given) = database { url.withLockedValue { $0 = given } }
    pool = PostgresPool(maximumConnections: queryConnections, waitTimeout: queryTimeout) { [url, logger] in
      let target = url.withLockedValue { $0 }
      guard !target.isEmpty else { throw ProjectionError.unavailable("PostgreSQL is not up yet.") }
      let connection = try await PostgresConnection.connect(target, applicationName: "daybook queries", logger: logger)
      do {
        // What is amiss in the settings was told when the projector connected.
        _ = try await PostgresSafety.checkSettings(connection)
        try await connection.execute(
          """
          SET default_transaction_read_only = on; SET work_mem = '64MB'; SET jit = off;
          SET statement_timeout = '\(Self.queryTime)s'
          """)
      } catch {
        await connection.close()
        throw error
      }
      return connection
    }
  }

  /// How many seconds one statement of a query may take.
  private static let queryTime = 60

  /// The read models, in the order of their names.
  public var definitions: [ProjectionDefinition] { schema.model.definitions }

  /// A URL of the database that psql and libpq take as it stands; empty before the private PostgreSQL has started once.
  public var connectionURL: String { url.withLockedValue { $0 } }

  /// By which URLs people come to the private PostgreSQL; nil before it has started once, and for another PostgreSQL.
  public var urls: DatabaseURLs? { peopleURLs.withLockedValue { $0 } }

  /// Keeps the read models with the log until the task is cancelled or the log closes.
  public func run() async throws {
    let clock = ContinuousClock()
    var delay = Duration.milliseconds(50)
    while !Task.isCancelled {
      let begin = clock.now
      do {
        try await projectUntilInterrupted()
      } catch is CancellationError {
        break
      } catch let error as EventLogError where error.code == .closed {
        break
      } catch ProjectorInterruption.fenced {
        let message = "Another projector has taken over this database. Stop it, then run projection.retry."
        logger.error("\(message)")
        board.update { $0.link = .down(message) }
        while !takeReload(), !Task.isCancelled { await wake.wait(atMost: .seconds(60)) }
      } catch let interruption as ProjectorInterruption {
        logger.notice("the read models in PostgreSQL have to be looked at again: \(interruption)")
        board.update { $0.link = .starting }
      } catch {
        if Task.isCancelled { break }
        if isTold(problem: Self.sentence(error)) { logger.warning("the read models stand still: \(error)") }
        board.update { $0.link = .down("PostgreSQL can't be used now: \(Self.sentence(error))") }
      }
      // What held for a while starts again at once; what fails at once is given time.
      delay = clock.now - begin > .seconds(5) ? .milliseconds(50) : min(delay * 2, .seconds(5))
      await wake.wait(atMost: delay)
    }
    board.update { $0.link = .down("The server is stopping.") }
    await pool.close()
  }

  /// Waits until the named read models show a position; all of them where none is named. PostgreSQL's roles are then as
  /// `sql_roles` at that position says.
  /// - Throws: ``ProjectionError``: `stale` with the position they have when time is up or one of them is parked before
  ///   it, `unavailable` while PostgreSQL is away, `unknown`; `CancellationError`.
  public func wait(for position: UInt64, projections names: [String], timeoutMilliseconds: Int) async throws {
    for name in names where schema.model.definition(name) == nil {
      throw ProjectionError(.unknown, "There is no read model \(name).")
    }
    let wanted = names.isEmpty ? definitions : definitions.filter { names.contains($0.name) }
    try await board.wait(for: position, units: Set(wanted.flatMap(\.units)), milliseconds: timeoutMilliseconds)
  }

  /// Asks read models a question, once one snapshot has all that it needs: the position, nothing that is being filled
  /// again, and rows and personal columns at one position. What the tables held otherwise is thrown away, and asked
  /// for again.
  /// - Parameters:
  ///   - need: What the question reads.
  ///   - position: The position that it must see.
  ///   - deadline: When to give up; a question for which all is there is asked even later.
  ///   - body: Reads on a lent connection, as ``withConnection(_:)`` lends it. It says how the read models stood in the
  ///     snapshot that it read (``ReadModelNeed/standing``), and may be called again.
  /// - Throws: ``ProjectionError``: `stale` where the position isn't reached in time or one of them is parked before
  ///   it, `unavailable` while PostgreSQL is away or where a part is still being filled again at the deadline,
  ///   `unknown`; `CancellationError`; what the closure throws.
  public func ask<R: Sendable>(
    _ need: ReadModelNeed, at position: UInt64, deadline: ContinuousClock.Instant,
    _ body: @Sendable (PostgresConnection) async throws -> (standing: ReadModelStanding, answer: R)
  ) async throws -> R {
    for name in need.rows where schema.model.definition(name) == nil {
      throw ProjectionError(.unknown, "There is no read model \(name).")
    }
    let units = need.units
    var pause = Duration.milliseconds(5)
    while true {
      let left = (deadline - ContinuousClock.now).components
      let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
      try await board.wait(for: position, units: units, together: need.personal, milliseconds: Int(milliseconds))
      let (standing, answer) = try await withConnection(body)
      if standing.isWhole, standing.position >= position { return answer }
      // The tables aren't as the projector knows them: PostgreSQL has crashed, or one was dropped. It has a look.
      wake.signal()
      guard ContinuousClock.now + pause < deadline else { throw late(need, position, standing) }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .milliseconds(100))
    }
  }

  private func late(_ need: ReadModelNeed, _ position: UInt64, _ standing: ReadModelStanding) -> ProjectionError {
    guard standing.isWhole else {
      let names = need.rows.joined(separator: ", ")
      return .unavailable("A part of \(names) is being filled again from the log. Ask again in a moment.")
    }
    return ProjectionError(
      .stale(position: standing.position),
      "The read models have not come further than position \(standing.position) yet.")
  }

  /// Lends a connection for reading, as the tables' owner: row-level security
  /// doesn't bind it, so the caller separates tenants.
  /// - Throws: ``ProjectionError`` `unavailable`; what the closure throws.
  public func withConnection<R: Sendable>(
    _ body: @Sendable (PostgresConnection) async throws -> R
  ) async throws -> R {
    switch board.contents.link {
    case .down(let message): throw ProjectionError.unavailable(message)
    case .starting: throw ProjectionError.unavailable("PostgreSQL is not up yet.")
    case .up: break
    }
    do {
      return try await pool.withConnection { try await body($0) }
    } catch let error as PostgresError where error.code == .cancelled && !Task.isCancelled {
      throw ProjectionError.unavailable(
        "The question takes longer than \(Self.queryTime) s: narrow it down, by a time, an organization or a field.")
    } catch let error as PostgresError where Self.meansAway(error) {
      wake.signal()
      throw ProjectionError.unavailable("PostgreSQL can't be used now: \(error.message)")
    }
  }

  /// Where every read model stands, in the order of their names.
  public func status() async -> [ProjectionStatus] {
    let contents = board.contents
    let head = log.head
    return definitions.map { definition in
      let units = definition.units.compactMap { contents.units[$0] }
      let position = units.map(\.checkpoint.position).min() ?? 0
      let parked = units.compactMap(\.parked).min { $0.position < $1.position }
      let lag = head.position - min(position, head.position)
      var problem = parked.map { ProjectionStatus.Problem(position: $0.position, message: $0.message) }
      let state: ProjectionStatus.State
      switch contents.link {
      case .starting, .down:
        state = .unavailable
        if case .down(let message) = contents.link { problem = .init(position: nil, message: message) }
      case .up where contents.rebuilding.contains(definition.name) || units.isEmpty:
        state = .rebuilding
        if units.isEmpty { problem = contents.rebuildFailure.map { .init(position: nil, message: $0) } }
      case .up:
        state =
          parked != nil
          ? .parked : units.contains(where: \.checkpoint.isRefilling) ? .refilling : lag > 5000 ? .catchingUp : .running
      }
      return ProjectionStatus(
        name: definition.name, position: position, head: head.position, lagEvents: lag,
        lagSeconds: lag == 0 ? 0 : secondsBehind(position, head), state: state, error: problem)
    }
  }

  /// Whether PostgreSQL can be used now.
  public var isConnected: Bool { if case .up = board.contents.link { true } else { false } }

  /// The positions at which the parts of a read model have stopped; nil for one that there isn't, and while PostgreSQL
  /// is away.
  public func stops(of name: String) -> [UInt64]? {
    let contents = board.contents
    guard case .up = contents.link, let definition = schema.model.definition(name) else { return nil }
    return Set(definition.units.compactMap { contents.units[$0]?.parked?.position }).sorted()
  }

  /// Takes a parked read model up again, at the event that it stopped at; also takes
  /// a database back from another projector.
  /// - Throws: ``ProjectionError`` `unknown`, `unavailable`; `PostgresError`.
  public func retry(_ name: String) async throws {
    guard schema.model.definition(name) != nil else {
      throw ProjectionError(.unknown, "There is no read model \(name).")
    }
    if case .up = board.contents.link {
      // While another projector has the database, nothing of it is touched before it is taken back.
      try await withOwnConnection { connection in
        _ = try await connection.query(
          "DELETE FROM projector.parked WHERE generation = 'live' AND projection = $1", [.text(name)])
      }
    }
    requestReload()
  }

  /// What every table of `daybook` and `personal` holds now, in the order of the read models' names, and the position
  /// that each shows.
  /// - Throws: ``ProjectionError`` `unavailable`, also while a table is being filled again; `PostgresError`.
  public func digests() async throws -> [TableDigest] {
    let definitions = definitions
    let schema = schema
    return try await withConnection { connection in
      try await connection.withSession { session in
        try session.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") { session in
          try session.execute("SET LOCAL statement_timeout = 0")
          let state = try schema.state(.live, session)
          let units = definitions.flatMap(\.units)
          guard try session.query("SELECT FROM personal.marker").rowCount == 1,
            units.allSatisfy({ state.checkpoints[$0].map { !$0.isRefilling } ?? false })
          else { throw ProjectionError.unavailable("The read models are being filled again from the log.") }
          return try Digests.read(units, .live, session, positions: state.checkpoints.mapValues(\.position))
        }
      }
    }
  }

  /// Fills read models anew from the log beside the live ones, compares both at the
  /// same position, and puts the new ones in their place.
  ///
  /// Interrupted by a crash, it goes on where it stopped when it is called for the same read models again.
  /// - Parameters:
  ///   - names: Which; nil for all.
  ///   - check: Only compare, and leave the live ones as they are.
  /// - Throws: ``ProjectionError`` `unknown`, `busy`, `unavailable`, or `dependents`
  ///   where objects that Daybook didn't make stand in the way.
  public func rebuild(
    _ names: [String]?, check: Bool = false, progress: @escaping @Sendable (RebuildProgress) -> Void = { _ in }
  ) async throws -> RebuildReport {
    let wanted = (names ?? definitions.map(\.name)).sorted()
    for name in wanted where schema.model.definition(name) == nil {
      throw ProjectionError(.unknown, "There is no read model \(name).")
    }
    guard beginExclusively(Set(wanted)) else { throw ProjectionError(.busy, "A rebuild is under way already.") }
    defer { endExclusively() }
    board.update { $0.rebuilding = Set(wanted) }
    defer { board.update { $0.rebuilding = [] } }
    let report = try await withOwnConnection { connection in
      try await withOwnConnection { second in
        let rebuilder = Rebuilder(
          log: log, vault: vault, schema: schema, names: wanted, connection: connection, second: second,
          epoch: { try await self.currentEpoch() },
          awaitLive: { try await self.awaitLive(wanted, at: $0, isCheck: check) },
          whileHeld: { body in
            try await self.gate.acquire()
            defer { self.gate.release() }
            return try await body()
          })
        return try await rebuilder.run(check: check, progress: progress)
      }
    }
    requestReload()
    return report
  }

  /// Sets the password of a PostgreSQL role that a `sql_role` resource made. PostgreSQL gets only its SCRAM verifier.
  /// - Throws: ``ProjectionError`` `role`, `unavailable`; `PostgresError`.
  public func setPassword(role: String, password: String) async throws {
    try await withOwnConnection { connection in
      try await connection.withSession { try SqlRoleKeeper.setPassword(role: role, password: password, $0) }
    }
  }

  /// How long the live tables may stand still before a rebuild goes on without comparing them.
  private static let stillTime = Duration.seconds(30)
  /// How long a rebuild that only waits for a comparison lets the new tables wait.
  private static let comparisonTime = Duration.seconds(10)

  /// Waits until the live tables of read models have come to a position together, for as long as they come nearer:
  /// a comparison for as long as that takes, a rebuild for a moment.
  private func awaitLive(_ names: [String], at position: UInt64, isCheck: Bool) async throws {
    let wanted = definitions.filter { names.contains($0.name) }
    let units = Set(wanted.flatMap(\.units))
    let together = wanted.filter(\.hasPersonalTable).map(\.name)
    let begin = ContinuousClock.now
    var moved = begin
    var last: [UnitID: UnitProgress] = [:]
    while true {
      do {
        return try await board.wait(for: position, units: units, together: together, milliseconds: 500)
      } catch is ProjectionError {
        let contents = board.contents
        let present = contents.units.filter { units.contains($0.key) }
        let now = ContinuousClock.now
        if present != last { (last, moved) = (present, now) }
        // What keeps them apart, the report says.
        guard case .up = contents.link, !present.values.contains(where: { $0.parked != nil }),
          now - moved < Self.stillTime, isCheck || now - begin < Self.comparisonTime
        else { return }
      }
    }
  }

  // MARK: - For the parts of this module

  /// Takes the read models for what replaces rows by itself; false where something does already.
  func beginExclusively(_ names: Set<String>) -> Bool {
    rebuilds.withLockedValue { running in
      guard running.isEmpty else { return false }
      running = names
      return true
    }
  }

  func endExclusively() { rebuilds.withLockedValue { $0 = [] } }

  func requestReload() {
    isReloadDue.withLockedValue { $0 = true }
    wake.signal()
  }

  func takeReload() -> Bool {
    isReloadDue.withLockedValue { isDue in
      defer { isDue = false }
      return isDue
    }
  }

  /// Whether a problem is news: each is told once until the read models go on.
  private func isTold(problem: String) -> Bool {
    lastProblem.withLockedValue { last in
      defer { last = problem }
      return last != problem
    }
  }

  /// The read models go on, which is news after a problem.
  func tellReturn() {
    let had = lastProblem.withLockedValue { last in
      defer { last = nil }
      return last != nil
    }
    if had { logger.notice("PostgreSQL can be used again, and the read models go on") }
  }

  func setURL(_ new: String, _ people: DatabaseURLs?) {
    url.withLockedValue { $0 = new }
    peopleURLs.withLockedValue { $0 = people }
  }

  /// The epoch under which the projector works; waits for it to connect, where it is about to.
  func currentEpoch() async throws -> Int64 {
    try await board.wait(for: 0, units: [], milliseconds: 60_000)
    guard case .up(let epoch) = board.contents.link else {
      throw ProjectionError.unavailable("PostgreSQL can't be used now.")
    }
    return epoch
  }

  /// A connection that may write, outside of the pool.
  func withOwnConnection<R: Sendable>(_ body: @Sendable (PostgresConnection) async throws -> R) async throws -> R {
    _ = try await currentEpoch()
    let connection = try await PostgresConnection.connect(connectionURL, applicationName: "daybook", logger: logger)
    do {
      _ = try await PostgresSafety.checkSettings(connection)
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }

  private func secondsBehind(_ position: UInt64, _ head: LogHead) -> Double {
    guard let last = head.at else { return 0 }
    // A record that can't be read is `verify`'s matter; the lag in events is told all the same.
    let reached = try? log.read { try $0.record(at: max(1, position))?.parsedHeader().at }
    guard let reached else { return 0 }
    return Double(max(0, last.microseconds - reached.microseconds)) / 1_000_000
  }

  /// Whether an error says that PostgreSQL or its tables are away, rather than that a query is wrong.
  private static func meansAway(_ error: PostgresError) -> Bool {
    switch error.code {
    case .connectionFailed, .connectionLost, .poolClosed: true
    case .query:
      error.isRetryable || error.sqlState == "42P01" || error.sqlState == "3F000" || error.sqlState == "3D000"
    case .protocolViolation, .timeout, .cancelled: false
    }
  }

  private static func sentence(_ error: any Error) -> String { (error as? PostgresError)?.message ?? "\(error)" }
}
