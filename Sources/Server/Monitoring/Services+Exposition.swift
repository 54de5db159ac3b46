import BasicTypes
import Catalog
import Domain
import EventLog
import Files
import Metrics
import Projections
import Refusals

extension Services {
  /// What `GET /metrics` answers: every family of ``ServerFamilies``, with what is known of it now.
  ///
  /// No label says what a client has chosen: methods, codes, paths, jobs and read models are those that this server
  /// has.
  func exposition(in format: Exposition.Format) async -> [UInt8] {
    var text = Exposition(format)
    addCalls(to: &text)
    addLog(to: &text)
    await addReadModels(to: &text)
    addClients(to: &text)
    await addTimedWork(to: &text)
    addPrivacy(to: &text)
    await addHealth(to: &text)
    addProcess(to: &text)
    text.end()
    return text.bytes
  }

  private func addCalls(to text: inout Exposition) {
    var samples: [ServerMetrics.Kind: [Exposition.Sample]] = [:]
    for method in methods.numbered {
      let calls = metrics.calls(ofMethod: method.number)
      guard calls.accepted + calls.refused > 0 else { continue }
      let name = method.entry.signature.name
      samples[method.entry.kind, default: []] += [
        .init([name, "accepted"], Double(calls.accepted)), .init([name, "refused"], Double(calls.refused)),
      ]
    }
    text.add(ServerFamilies.commands, samples[.command] ?? [])
    text.add(ServerFamilies.queries, samples[.query] ?? [])
    text.add(ServerFamilies.serverCalls, samples[.server] ?? [])
    text.add(ServerFamilies.commandTimes, metrics.commands.times.snapshot)
    text.add(ServerFamilies.queryTimes, metrics.queries.times.snapshot)
    text.add(ServerFamilies.serverCallTimes, metrics.others.times.snapshot)
    text.add(
      ServerFamilies.refusals,
      Refusal.Code.allCases.map { .init([$0.rawValue], Double(metrics.refusals($0))) })
    text.add(
      ServerFamilies.conflicts,
      ServerMetrics.conflicts.enumerated().map { .init([$1], Double(metrics.conflicts(at: $0))) })
  }

  private func addLog(to text: inout Exposition) {
    let head = log.head
    let written = log.statistics
    let journal = log.journalStatistics
    let sizes = log.fileSizes
    text.add(ServerFamilies.position, Double(head.position))
    text.add(ServerFamilies.lastEvent, head.at.map { [.init([], $0.seconds)] } ?? [])
    text.add(ServerFamilies.events, Double(written.events))
    text.add(ServerFamilies.decisions, Double(written.decisions))
    text.add(ServerFamilies.commitTimes, log.commitTimes)
    text.add(ServerFamilies.syncTimes, log.syncTimes)
    text.add(ServerFamilies.flushTimes, log.flushTimes)
    text.add(ServerFamilies.flushFailures, Double(journal.failures))
    text.add(ServerFamilies.flushedBytes, Double(journal.flushedBytes))
    text.add(ServerFamilies.waitsForRoom, Double(journal.waitsForRoom))
    text.add(ServerFamilies.waitingBytes, Double(journal.waitingBytes))
    text.add(ServerFamilies.logSize, known: sizes.pages.map { Double($0) })
    text.add(ServerFamilies.journalSize, known: sizes.journal.map { Double($0) })
    text.add(
      ServerFamilies.freeBytes,
      known: FileSystem<FileError>.freeSpace(in: DataFolder(configuration.dataFolder).log).map { Double($0) })
    text.add(ServerFamilies.backlog, Double(log.backlog))
    text.add(ServerFamilies.heldBack, Double(log.heldBack))
  }

  private func addReadModels(to text: inout Exposition) async {
    let models = await projections.status()
    text.add(ServerFamilies.postgresUp, projections.isConnected ? 1 : 0)
    text.add(ServerFamilies.lagEvents, models.map { .init([$0.name], Double($0.lagEvents)) })
    text.add(ServerFamilies.lagSeconds, models.map { .init([$0.name], $0.lagSeconds) })
    text.add(ServerFamilies.parked, models.map { .init([$0.name], $0.state == .parked ? 1 : 0) })
    text.add(
      ServerFamilies.projections,
      ProjectionStatus.State.allCases.map { state in
        .init([state.rawValue], Double(models.count { $0.state == state }))
      })
  }

  private func addClients(to text: inout Exposition) {
    let counted = metrics.figures
    let held = answers.figures
    text.add(ServerFamilies.connections, Double(counted.connections))
    text.add(ServerFamilies.connectionLimit, Double(connections.limit))
    text.add(ServerFamilies.connectionsOpened, Double(counted.connectionsOpened))
    text.add(ServerFamilies.connectionsRefused, Double(counted.connectionsRefused))
    text.add(ServerFamilies.sessions, Double(connections.sessions))
    text.add(
      ServerFamilies.signIns,
      [.init(["accepted"], Double(counted.signInsAccepted)), .init(["refused"], Double(counted.signInsRefused))])
    text.add(ServerFamilies.subscriptions, Double(counted.subscriptions))
    text.add(ServerFamilies.received, Double(counted.bytesRead))
    text.add(ServerFamilies.sent, Double(counted.bytesWritten))
    text.add(ServerFamilies.answersHeld, Double(held.held))
    text.add(ServerFamilies.answersLimit, Double(answers.limits.bytes))
    text.add(ServerFamilies.answersWaiting, Double(held.waiting))
    text.add(ServerFamilies.stalled, Double(held.closed))
    text.add(
      ServerFamilies.requests,
      metrics.httpResponses.map { .init([$0.route?.label ?? "other", "\($0.status)"], Double($0.count)) })
  }

  private func addTimedWork(to text: inout Exposition) async {
    let jobs = timers.jobs
    let now = TimerBoard.now
    text.add(ServerFamilies.lateness, jobs.map { .init([$0.name], $0.lateness(at: now)) })
    text.add(
      ServerFamilies.turns,
      jobs.flatMap { job -> [Exposition.Sample] in
        [.init([job.name, "done"], Double(job.done)), .init([job.name, "failed"], Double(job.failed))]
      })
    text.add(ServerFamilies.turnTimes, jobs.compactMap { job in job.lastSeconds.map { .init([job.name], $0) } })
    let tried = backupBoard.state
    let scheduled = await backups?.last?.at
    text.add(
      ServerFamilies.backups, [.init(["made"], Double(tried.made)), .init(["failed"], Double(tried.failed))])
    text.add(ServerFamilies.backupsRunning, Double(tried.running))
    text.add(ServerFamilies.backupSuccess, known: [tried.lastGood, scheduled].compactMap(\.?.seconds).max())
    text.add(ServerFamilies.backupTry, known: tried.lastTry?.at.seconds)
    text.add(ServerFamilies.backupGood, known: tried.lastTry.map { $0.isGood ? 1 : 0 })
    let isOverdue = await backups?.isOverdue(at: configuration.clock())
    text.add(ServerFamilies.backupOverdue, known: isOverdue.map { $0 ? 1 : 0 })
  }

  private func addPrivacy(to text: inout Exposition) {
    let erasures = engine.erasureFigures
    text.add(
      ServerFamilies.erasures,
      [.init(["completed"], Double(erasures.completed)), .init(["failed"], Double(erasures.failed))])
    text.add(ServerFamilies.erasuresRunning, Double(erasures.running))
    text.add(ServerFamilies.erasuresPending, Double(erasures.pending))
    func accepted(_ method: String) -> Double {
      Double(methods.find(method).map { metrics.calls(ofMethod: $0.number).accepted } ?? 0)
    }
    let begun = accepted("export.create")
    let completed = accepted("export.complete")
    text.add(ServerFamilies.exports, [.init(["begun"], begun), .init(["completed"], completed)])
    text.add(ServerFamilies.exportsOpen, max(0, begun - completed))
  }

  private func addHealth(to text: inout Exposition) async {
    let problems = Set(await healthProblems().map(\.component))
    text.add(ServerFamilies.ready, problems.isEmpty ? 1 : 0)
    text.add(
      ServerFamilies.problems,
      HealthComponent.allCases.map { .init([$0.rawValue], problems.contains($0) ? 1 : 0) })
  }

  private func addProcess(to text: inout Exposition) {
    let process = ProcessFigures.now()
    text.add(ServerFamilies.build, [.init([DaybookServer.version, configuration.commit], 1)])
    text.add(ServerFamilies.cpu, known: process.cpuSeconds)
    text.add(ServerFamilies.resident, known: process.residentBytes)
    text.add(ServerFamilies.virtual, known: process.virtualBytes)
    text.add(ServerFamilies.openFiles, known: process.openFiles)
    text.add(ServerFamilies.maximumFiles, known: process.maximumFiles)
    text.add(ServerFamilies.started, known: process.startTime)
    text.add(ServerFamilies.threads, known: process.threads)
  }
}

extension Exposition {
  /// Adds a family with one sample, or with none where its value isn't known.
  fileprivate mutating func add(_ family: MetricFamily, known value: Double?) {
    add(family, value.map { [Sample([], $0)] } ?? [])
  }
}

extension MethodTable.Entry {
  /// What its calls are counted as.
  fileprivate var kind: ServerMetrics.Kind {
    switch self {
    case .command: .command
    case .query: .query
    case .server: .server
    }
  }
}

extension Timestamp {
  /// Seconds since 1970.
  fileprivate var seconds: Double { Double(microseconds) / 1e6 }
}
