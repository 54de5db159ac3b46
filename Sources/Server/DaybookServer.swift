import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EmbeddedPostgres
import EventLog
import Failpoints
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Postgres
import Projections
import Queries
import Records
import Refusals
import ServiceLifecycle
import UnixSignals
import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// A Daybook server: everything that one needs, opened in order, run, and closed in the opposite order.
///
/// Commands are taken as soon as ``start(_:)`` returns; the read models come when PostgreSQL does, and queries that
/// need them say `unavailable` until then.
public final class DaybookServer: Sendable {
  /// The version that `server.status` and `rpc.discover` tell.
  public static let version = "0.1.0"

  /// What a server process is stopped by.
  package static let stopSignals: [UnixSignal] = [.sigterm, .sigint]

  /// Where clients reach it, as `unix:PATH`, `tcp:HOST:PORT` or `tls:HOST:PORT`.
  public let addresses: [String]

  let services: Services
  private let listeners: Listeners
  private let eventLoops: MultiThreadedEventLoopGroup
  private let embedded: EmbeddedPostgres?
  private let group: ServiceGroup

  private init(
    services: Services, listeners: Listeners, eventLoops: MultiThreadedEventLoopGroup, embedded: EmbeddedPostgres?,
    signals: [UnixSignal], reloads: UnixSignalsSequence?
  ) {
    self.services = services
    self.listeners = listeners
    self.eventLoops = eventLoops
    self.embedded = embedded
    addresses = listeners.addresses
    // A server within another process, such as a test's, is nobody's service.
    let manager = signals.isEmpty ? nil : ServiceManager()
    let housekeeping = reloads.map { reloads in
      Housekeeping(
        services: services, identity: listeners.identity, embedded: embedded, eventLoops: eventLoops, signals: reloads,
        manager: manager)
    }
    // Stopped from the last to the first: clients first, the read models after them.
    var members: [ServiceGroupConfiguration.ServiceConfiguration] = [
      .init(service: ReadModelRunner(services: services, embedded: embedded)),
      .init(service: SignInRecorder(services: services)),
      .init(service: AccessRecording(services: services)),
      .init(
        service: TimedWork(
          jobs: TimedJob.all(of: services), interval: services.configuration.timedWorkInterval,
          clock: ContinuousClock(), logger: services.logger, now: services.configuration.clock,
          board: services.timers, checkClock: { try await services.engine.checkClock() })),
    ]
    if let backups = services.backups {
      members.append(.init(service: BackupService(backups: backups, clock: services.configuration.clock)))
    }
    if let housekeeping { members.append(.init(service: housekeeping)) }
    members += [
      .init(service: SocketService(services: services, listeners: listeners)),
      // Last, when signals are listened to: whoever reads the line may stop the server at once.
      .init(
        service: Announcement(
          services: services, addresses: listeners.addresses, endsProcess: !signals.isEmpty, manager: manager)),
    ]
    var configuration = ServiceGroupConfiguration(
      services: members, gracefulShutdownSignals: signals, logger: services.logger)
    configuration.maximumGracefulShutdownDuration = nil
    group = ServiceGroup(configuration: configuration)
  }

  /// Opens the data folder and listens; commands are answered from now on. ``run()`` must follow.
  ///
  /// With `signals` (``stopSignals`` of a server process), those stop it gracefully. `additional` queries are
  /// answered besides its own.
  /// - Throws: ``ServerStartError``, `CatalogError`, `EventLogError`, `VaultError`: each says what to do.
  package static func start(
    _ given: ServerConfiguration, signals: [UnixSignal] = [], additional: [QueryMethod] = []
  ) async throws -> DaybookServer {
    var configuration = given
    let story = given.demoDays.map { _ in StoryClock() }
    if let story { configuration.clock = { story.now ?? given.clock() } }
    let output = try LogOutput(path: configuration.logFile)
    let logger = Logger(label: "daybook") { label in
      LineLogHandler(
        label: label, format: configuration.logFormat, level: configuration.logLevel, isJournal: output.isJournal
      ) { output.write($0) }
    }
    // From here on, SIGHUP ends nothing.
    let reloads = signals.isEmpty ? nil : await UnixSignalsSequence(trapping: .sighup)
    // A mistake in schema/, or in the keys for tokens, is told before anything is touched.
    let tokens = try configuration.oidc.map { try TokenVerifier($0, logger: logger, clock: given.clock) }
    let scrapeToken = try configuration.metricsTokenFile.map { try ScrapeToken($0) }
    let catalog = try configuration.loadCatalog(configuration.catalogFolder)
    if let listen = configuration.postgresListen {
      guard configuration.postgres == nil else {
        throw ServerStartError(
          "--postgres-listen is for the private PostgreSQL; one of your own listens where its settings say.")
      }
      _ = try Listeners.checkedAddress(listen.host, listen.port, configuration)
    }
    try Listeners.check(configuration)
    if configuration.failpoints.isArmed { logger.warning("a failpoint is armed: this server is for a test only") }
    let places = try places(configuration, logger)
    let folder = DataFolder(configuration.dataFolder)
    let vault = try openVault(folder, configuration, logger)
    let log: EventLog
    do {
      var settings = try folder.logConfiguration(vault: vault, logger: logger)
      settings.mapSize = configuration.mapSize
      settings.clock = given.clock
      settings.uptime = given.uptime
      settings.story = story
      settings.failpoints = configuration.failpoints
      if configuration.acceptsMissingHead {
        settings.missingHeadAcceptance = MissingHeadAcceptance(
          noteFile: folder.accepted, facts: ["uid": .integer(Int64(getuid()))])
      }
      let told = ProgressNotes(logger, "bringing the log to today's format")
      try EventLogUpgrade.run(settings) {
        told.note($0)
      } derivation: {
        try IndexDerivation.recorded(in: $0, vault: vault, otherwise: catalog)
      }
      log = try EventLog.open(settings)
    } catch {
      vault.close()
      throw error
    }
    let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: configuration.eventLoopThreads)
    do {
      let engine = try CommandEngine(
        catalog: catalog, log: log, vault: vault, reportOrganization: configuration.reportOrganization,
        clock: configuration.clock)
      if let reason = configuration.confirmedClock {
        _ = try await engine.apply(
          method: "clock.confirm", params: ["reason": .string(reason)],
          principal: .localAdministrator(uid: UInt32(getuid())))
      }
      await record(folder.restored, log, logger, "this log was put back from a backup") {
        try await engine.recordRestored($0)
      }
      await record(folder.accepted, log, logger, "this log was accepted without a signed head") {
        try await engine.recordAcceptedHead($0)
      }
      let isTold = if let days = given.demoDays { try await engine.resumeStory(days: days) } else { false }
      configuration.isDemonstration = if given.demoDays == nil { try await engine.isDemonstration() } else { true }
      try await engine.recordCatalog()
      if isTold, let at = story?.now {
        // The first event of a story says that it is one.
        _ = try await engine.apply(
          method: "clock.tell", params: ["from": .string(at.text), "to": .string(at.text)],
          principal: .localAdministrator(uid: UInt32(getuid())))
      }
      do {
        try await engine.checkClock()
      } catch {
        logger.warning("the clock can't be believed", metadata: ["problem": "\(error)"])
      }
      // What a sweep recorded, and a crash left undone.
      try engine.destroySweptKeys()
      try engine.destroyErasedKeys()
      do {
        try await engine.eraseReturned()
      } catch {
        logger.error(
          "a person who was erased is in this log again, and that can't be put right yet",
          metadata: ["cause": "\(error)"])
      }
      let embedded =
        configuration.postgres == nil
        ? EmbeddedPostgres(
          dataFolder: folder.postgres, socketFolder: configuration.postgresSocketFolder,
          owner: DataFolder.origin(verifierKey: vault.verifierKey), logger: logger,
          listener: configuration.postgresListen.map { address in
            PostgresListener(
              host: address.host, port: address.port,
              tls: configuration.tls.map { .init(certificate: $0.certificate, key: $0.key) })
          })
        : nil
      let projections = try ReadModelRunner.service(
        configuration, embedded: embedded, log: log, vault: vault, catalog: catalog, logger: logger)
      engine.eraseReadModels(failpoints: configuration.failpoints) { [projections, log] person, patience in
        do {
          return try await projections.erase(person, through: log.head.position, patience: patience)
        } catch let error as ProjectionError {
          throw Refusal(error)
        } catch let error as PostgresError {
          throw Refusal.unavailable(component: "postgres", error.message)
        }
      }
      engine.restrictReadModels { [projections] in try await projections.apply($0, patience: $1) }
      engine.redactReadModels(failpoints: configuration.failpoints) { [projections] types, patience in
        try await projections.redact(types, patience: patience)
      }
      // While nobody knows where one stands, none has stopped.
      engine.findStops { [projections] in projections.stops(of: $0) ?? [] }
      let queries = QueryEngine(
        catalog: catalog, log: log, vault: vault, projections: projections, rules: engine.rules,
        additional: additional)
      engine.listExports { [queries] in try await queries.exports(holding: $0) }
      let services = Services(
        configuration: configuration, catalog: catalog, log: log, vault: vault, engine: engine, queries: queries,
        projections: projections, tokens: tokens, scrapeToken: scrapeToken, places: places, logger: logger,
        logOutput: output)
      let listeners = try await Listeners.open(services, group: eventLoops)
      services.addresses.withLockedValue { $0 = listeners.addresses }
      // Whatever could keep it from starting is behind it, and nobody's command has come yet.
      await services.recordStart()
      do {
        try await listeners.accept()
      } catch {
        await listeners.close()
        throw error
      }
      return DaybookServer(
        services: services, listeners: listeners, eventLoops: eventLoops, embedded: embedded, signals: signals,
        reloads: reloads)
    } catch {
      log.close()
      vault.close()
      try await eventLoops.shutdownGracefully()
      throw error
    }
  }

  /// Records what a note says that an operator did to the log, where there is one. What keeps it from being recorded
  /// now, such as the clock, keeps nobody from reading; the next start tries again.
  private static func record(
    _ file: String, _ log: EventLog, _ logger: Logger, _ what: Logger.Message,
    by record: (InstallationNote) async throws -> Void
  ) async {
    do {
      guard let note = try InstallationNote.read(file) else { return }
      if try note.describes(log) {
        try await record(note)
        logger.notice(what, metadata: ["position": "\(note.position)"])
      } else {
        logger.warning("a note is about another log than this one; it is removed", metadata: ["file": "\(file)"])
      }
      try InstallationNote.remove(file)
    } catch {
      logger.error(
        "what was done to the log is not recorded yet; the next start tries again",
        metadata: ["file": "\(file)", "cause": "\(error)"])
    }
  }

  /// How many connections there may be: those that are configured, as far as there are descriptors for them.
  /// - Throws: ``ServerStartError`` where there are next to none.
  private static func places(
    _ configuration: ServerConfiguration, _ logger: Logger
  ) throws(ServerStartError) -> Int {
    let limit = Descriptors.raiseLimit()
    let queries = configuration.postgres.map { $0.poolSize + $0.maximumOverflow } ?? 8
    let wanted = configuration.maximumConnections
    let listeners = configuration.http == nil ? 2 : 3
    let places = Descriptors.connections(wanted: wanted, limit: limit, queries: queries, listeners: listeners)
    guard places < wanted else { return wanted }
    guard places >= Descriptors.fewestConnections else {
      let fewest = Descriptors.needed(
        connections: Descriptors.fewestConnections, queries: queries, listeners: listeners)
      throw ServerStartError(
        "This process may have \(limit) files open, and a server needs \(fewest): raise the hard limit "
          + "(LimitNOFILE= of a systemd unit, ulimit -Hn of a shell).")
    }
    logger.warning(
      "fewer connections are taken than configured, for want of file descriptors; raise the hard limit",
      metadata: [
        "connections": "\(places)", "limit": "\(limit)",
        "needed": "\(Descriptors.needed(connections: wanted, queries: queries, listeners: listeners))",
      ])
    return places
  }

  /// Opens the vault. Where another process has it, the lock of the data folder says which one.
  private static func openVault(_ folder: DataFolder, _ configuration: ServerConfiguration, _ logger: Logger) throws
    -> Vault
  {
    do {
      return try Vault.open(
        folder: folder.vault, rootKeyFile: configuration.rootKeyFile, failpoints: configuration.failpoints
      ) { sound in
        let mayBeCut = try EventLog.allRecords(in: folder.log) { try $0.needsNoKey(besidesThoseOf: sound) }
        if mayBeCut {
          logger.warning(
            "the last keys were torn, as by a power cut; nothing in the log is sealed with them, and they are cut off",
            metadata: ["folder": "\(folder.vault)"])
        }
        return mayBeCut
      }
    } catch let error as VaultError where error.code == .inUse {
      var settings = EventLogConfiguration(folder: folder.log)
      settings.lockFile = folder.lock
      settings.logger = logger
      try EventLog.open(settings).close()
      throw error
    }
  }

  /// Announces that it is ready, runs until it is stopped, answers what is in flight, and closes everything.
  /// - Throws: Only what couldn't be closed in order.
  public func run() async throws {
    let outcome: Result<Void, any Error>
    do {
      try await group.run()
      outcome = .success(())
    } catch {
      outcome = .failure(error)
    }
    await listeners.close()
    services.connections.abort()
    for report in services.signInGuard.due(all: true) { services.record(report, method: "unknown") }
    await services.recordStop(isIdle: services.connections.isIdle)
    await embedded?.stop(within: .seconds(2))
    if services.connections.isIdle {
      services.log.close()
      services.vault.close()
      try await eventLoops.shutdownGracefully()
    } else {
      // What still runs may read the log, which must not be closed under it. The
      // process ends; what was answered is on the disk.
      services.logger.error("some calls don't end; the log is left as it is")
    }
    services.logger.info("stopped")
    try outcome.get()
  }

  /// Stops it as SIGTERM does: nothing new is taken, what is in flight is answered, then ``run()`` returns.
  public func stop() async {
    await group.triggerGracefulShutdown()
  }
}

/// Serves clients until the server stops, then lets them go one by one.
private struct SocketService: Service {
  let services: Services
  let listeners: Listeners

  func run() async throws {
    // Cancelled is as good as asked to stop.
    do { try await gracefulShutdown() } catch is CancellationError {}
    await listeners.close()
    services.connections.stop()
    guard await !services.connections.waitUntilIdle(atMost: services.configuration.stopTimeout) else { return }
    services.logger.warning("some calls took too long to answer; their connections are closed")
    services.connections.abort()
    _ = await services.connections.waitUntilIdle(atMost: .seconds(1))
  }
}

/// Records failed sign-ins that were counted since their source's last record.
private struct SignInRecorder: Service {
  let services: Services

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do { try await Task.sleep(for: .seconds(10)) } catch { return }
        services.notices.flush()
        for report in services.signInGuard.due() { services.record(report, method: "several") }
      }
    }
  }
}

/// Tells that the server is ready, once.
private struct Announcement: Service {
  let services: Services
  let addresses: [String]
  /// Whether the process is the server's own, to be ended where the stop takes too long.
  let endsProcess: Bool
  let manager: ServiceManager?

  func run() async throws {
    services.configuration.announce(line)
    manager?.tell("READY=1\nSTATUS=Takes commands on \(addresses.joined(separator: " and "))")
    // A service that ends would end the others.
    do { try await gracefulShutdown() } catch is CancellationError {}
    manager?.tell("STOPPING=1\nSTATUS=Stopping")
    // It is the first to hear of a stop.
    if endsProcess { try StopDeadline.begin(services.logger) }
  }

  private var line: String {
    switch services.configuration.logFormat {
    case .text:
      return "daybook ready on \(addresses.joined(separator: " and ")), position \(services.log.head.position)"
    case .json:
      let line: JSONObject = [
        "addresses": .array(addresses.map(JSON.string)), "at": .string(Timestamp.now.text),
        "catalog_revision": .string(services.catalog.revision),
        "data_folder": .string(services.configuration.dataFolder), "event": "ready",
        "position": JSON(position: services.log.head.position), "version": .string(DaybookServer.version),
      ]
      return line.canonicalString
    }
  }
}
