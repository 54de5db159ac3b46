import EventLog
import Logging
import Postgres
import Waiting

#if canImport(Glibc)
  import Glibc
#endif

extension ProjectionService {
  /// How often an idle projector sees that PostgreSQL and its tables are there.
  private static let checkInterval = Duration.seconds(1)
  /// How often it looks for sessions of SQL roles that hold a transaction open.
  private static let sessionInterval = Duration.seconds(60)
  /// How long events gather; how long, where more than so many have come meanwhile; and from how many on they don't.
  private static let pace = Duration.milliseconds(50)
  private static let busyPace = Duration.milliseconds(200)
  private static let busyEvents: UInt64 = 100
  private static let paceLimit: UInt64 = 4000
  private static let niceness: Int32 = 10

  /// Connects, takes the database over, and projects until something is in the way.
  func projectUntilInterrupted() async throws {
    let connection = try await connect()
    do {
      try await project(connection)
      await connection.close()
    } catch {
      await connection.close()
      throw error
    }
  }

  private func connect() async throws -> PostgresConnection {
    let target = try await location.ready()
    let connection: PostgresConnection
    do {
      connection = try await PostgresConnection.connect(target, applicationName: "daybook projector", logger: logger)
    } catch let error as PostgresError {
      try await location.makeDatabase(after: error, url: target)
      connection = try await PostgresConnection.connect(target, applicationName: "daybook projector", logger: logger)
    }
    setURL(target, await location.peopleURLs())
    do {
      for problem in try await PostgresSafety.checkSettings(connection) { logger.warning("PostgreSQL: \(problem)") }
    } catch {
      await connection.close()
      throw error
    }
    return connection
  }

  private func project(_ connection: PostgresConnection) async throws {
    let schema = schema
    let log = log
    _ = takeReload()
    let opened = try await connection.withSession { session in
      try ChunkApplier.prepare(session)
      return try schema.open(session, head: log.head.position) { position in
        try log.read { try $0.record(at: position)?.parsedHeader().id }
      }
    }
    if case .embedded = location { try await yieldToCommands(connection) }
    try await restrictRights(connection)
    let runner = ProjectionRunner(
      log: log, vault: vault, schema: schema, connection: connection, generation: .live, opened: opened,
      failpoints: failpoints)
    try await runner.refreshSkips(through: log.head.position)
    let progress = await runner.progress
    board.update { contents in
      contents.link = .up(epoch: opened.epoch)
      contents.units = progress
    }
    tellReturn()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [wake, idle] in
        var head = log.head.position
        while true {
          head = try await log.waitForEvents(after: head)
          wake.signal()
          // Under load it finds the events by itself: a thread woken by every commit is one
          // that commands have to wait for.
          await idle.wait(atMost: Self.checkInterval)
        }
      }
      if !opened.changed.isEmpty { group.addTask { await self.rebuildChanged(opened.changed.sorted()) } }
      group.addTask { try await self.advance(runner, connection) }
      defer { group.cancelAll() }
      // The first that fails ends all; the rebuild alone may end by itself.
      while try await group.next() != nil {}
    }
  }

  /// Where PostgreSQL is on this machine, posting gives way to commands while the processors are short: the read models
  /// fall behind for a while instead. Best effort: what can't be set is left as it is.
  private func yieldToCommands(_ connection: PostgresConnection) async throws {
    try await connection.withSession { session in
      setpriority(Int32(PRIO_PROCESS.rawValue), 0, Self.niceness)
      if let backend = try session.query("SELECT pg_backend_pid()", [])[0, 0].flatMap({ UInt32($0) }) {
        setpriority(Int32(PRIO_PROCESS.rawValue), backend, Self.niceness)
      }
    }
  }

  private func restrictRights(_ connection: PostgresConnection) async throws {
    let isPrivate = if case .embedded = location { true } else { false }
    let logger = logger
    try await connection.withSession { session in
      try DatabaseRights.restrict(isPrivate: isPrivate, session, logger: logger)
    }
  }

  private func advance(_ runner: ProjectionRunner, _ connection: PostgresConnection) async throws {
    var areRolesDue = true
    var lastLook = ContinuousClock.now
    while true {
      try Task.checkCancellation()
      if takeReload() { try await held { try await runner.reload() } }
      let head = log.head.position
      if await runner.hasParked { try await runner.refreshSkips(through: head) }
      let step: ProjectionRunner.Step
      do {
        step = try await held { try await runner.step(through: head) }
      } catch ProjectorInterruption.moved {
        try await held { try await runner.reload() }
        continue
      }
      areRolesDue = areRolesDue || step.touchesRoles
      // A table that is being filled again doesn't have all roles yet, and those that it lacks would be dropped.
      if areRolesDue, await runner.isFilled("sql_roles"), await runner.isFilled("organizations") {
        areRolesDue = false
        try await connection.withSession { [roles] session in
          try session.transaction { try roles.synchronize($0) }
        }
      }
      if ContinuousClock.now - lastLook > Self.sessionInterval {
        lastLook = .now
        try await connection.withSession { [logger] in try SqlRoleBounds.endOverlong($0, logger: logger) }
      }
      let progress = await runner.progress
      board.update { $0.units = progress }
      guard step.isIdle else {
        await pace(progress)
        continue
      }
      idle.signal()
      await wake.wait(atMost: Self.checkInterval)
      if log.head.position == head { try await held { try await runner.check() } }
    }
  }

  /// Lets a few events gather before the next chunk, unless somebody waits for them or there are many already: one
  /// chunk costs PostgreSQL about as much for one event as for a hundred, and commands need the processors too.
  private func pace(_ progress: [UnitID: UnitProgress]) async {
    let slowest = progress.values.map(\.checkpoint.position).min() ?? 0
    let began = ContinuousClock.now
    let behind = log.head.position
    while true {
      let head = log.head.position
      let waited = ContinuousClock.now - began
      let limit = head - min(behind, head) > Self.busyEvents ? Self.busyPace : Self.pace
      guard !Task.isCancelled, !board.hasWaiters, head - min(slowest, head) < Self.paceLimit, waited < limit else {
        return
      }
      await board.demand.wait(atMost: Self.pace)
    }
  }

  private func held<R: Sendable>(_ body: @Sendable () async throws -> R) async throws -> R {
    try await gate.acquire()
    defer { gate.release() }
    return try await body()
  }

  /// Rebuilds read models whose files have changed. A failure is told in their status; the others go on.
  private func rebuildChanged(_ names: [String]) async {
    logger.notice("rebuilding read models whose files have changed: \(names.joined(separator: ", "))")
    do {
      while true {
        do {
          _ = try await rebuild(names)
          break
        } catch let error as ProjectionError where error.code == .busy {
          try await Task.sleep(for: Self.checkInterval)
        }
      }
      board.update { $0.rebuildFailure = nil }
    } catch is CancellationError {
      return
    } catch {
      logger.error("the rebuild of \(names.joined(separator: ", ")) failed: \(error)")
      board.update { $0.rebuildFailure = "\(error)" }
    }
  }
}
