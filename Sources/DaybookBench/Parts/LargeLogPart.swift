import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// What is measured with a large log: projection, rebuild, export, verify, commands beside these, and the start after
/// kill -9.
struct LargeLogPart {
  let ground: Ground
  let options: BenchOptions

  private static let name = "large"

  /// How often what takes long is measured.
  private var repetitions: Int { min(2, options.rounds) }

  func run(into report: inout Report) async throws {
    let parts = options.parts
    var copied = 0.0
    var server = try await start(.away)
    let subjects = try await fill(server)
    if !parts.isDisjoint(with: [.projection, .rebuild, .beside, .start]) {
      // The first start on PostgreSQL posts the whole log.
      try await server.kill()
      server = try await start(.embedded)
      var caughtUp = try await projection(server)
      if !parts.isDisjoint(with: [.projection, .rebuild]) {
        copied = try await CopyBaseline(server, ground: ground).run()
        var figure = Figure(.projection, "COPY of the same rows' bytes into one table", copied, "events/s")
        figure.note = "with the audit trail's indexes"
        report.add(figure)
      }
      caughtUp.compare(with: copied)
      if parts.contains(.projection) { report.add(caughtUp) }
    }
    let head = try await server.head()
    if parts.contains(.rebuild) {
      var rebuilt = try await rebuild(server)
      rebuilt.compare(with: copied)
      report.add(rebuilt)
    }
    if parts.contains(.export) { report.add(try export(server, head)) }
    if parts.contains(.verify) { report.add(try verify(server.dataFolder, beside: true)) }
    if parts.contains(.beside) {
      try await BesideWork(ground: ground, options: options, server: server, subjects: subjects).run(into: &report)
    }
    if !parts.isDisjoint(with: [.projection, .rebuild, .export]) { report.add(try peak(server)) }
    if parts.contains(.start) { server = try await restarts(server, subjects, head, into: &report) }
    try await server.stop()
    if parts.contains(.verify) { report.add(try verify(server.dataFolder, beside: false)) }
  }

  private func start(_ database: DaybookProcess.Database) async throws -> DaybookProcess {
    try await DaybookProcess.start(Self.name, database, ground: ground, options: options)
  }

  /// Fills the log with as many events as were asked for.
  private func fill(_ server: DaybookProcess) async throws -> Subjects {
    let subjects = try await server.makeSubjects(pipelines: 200)
    let missing = options.largeLogEvents - (try await server.head())
    Progress.say("filling a log with \(options.largeLogEvents) events")
    let load = try await server.load(for: subjects)
    let shape = LoadShape(connections: 16, depth: 32, extent: .requests(missing))
    let result = try load.run(shape) { connection in
      MixedHistory(
        writer: CommandWriter(subjects: subjects, series: 1000 + connection, givesCommandIDs: options.commandIds),
        pipelines: subjects.pipelines, series: 1000 + connection)
    }
    Progress.say("  filled at \(Number.text(result.rate, decimals: 0)) events/s")
    return subjects
  }

  // MARK: - Read models

  /// How fast empty read models take the whole log in, from the first moment that PostgreSQL is there.
  private func projection(_ server: DaybookProcess) async throws -> Figure {
    Progress.say("projecting the log into PostgreSQL")
    var available: Double?
    var first: (position: Int, at: Double)?
    let last = try await ReadModels.settle(server) { now in
      let moment = Clock.now
      if now.isAvailable, available == nil { available = moment }
      if now.position > 0, first == nil { first = (now.position, moment) }
    }
    let end = Clock.now
    guard let available, let first else { throw BenchFailure("the read models told no state") }
    var figure = Figure(
      .projection, "projection of \(last.position) events from nothing", Double(last.position) / (end - available),
      "events/s")
    if last.position > first.position {
      let steady = Double(last.position - first.position) / (end - first.at)
      figure.note = "\(Number.text(steady, decimals: 0)) events/s once the first were posted"
      figure.more["steady_events_per_second"] = .number(steady.rounded())
    }
    figure.more["seconds"] = .number(end - available)
    return figure
  }

  /// How fast all read models are made anew beside the live ones; they must come out the same.
  private func rebuild(_ server: DaybookProcess) async throws -> Figure {
    var rates: [Double] = []
    let head = try await server.head()
    for round in 1...repetitions {
      Progress.say("round \(round) of \(repetitions): rebuild")
      let start = Clock.now
      let result = try await server.client.call("projection.rebuild")
      rates.append(Double(head) / (Clock.now - start))
      let tables = result["tables"]?.arrayValue ?? []
      guard !tables.isEmpty else { throw BenchFailure("projection.rebuild answered \(result.canonicalString)") }
      if let different = tables.first(where: { $0["differs"]?.boolValue == true }) {
        throw BenchFailure("a rebuilt table differs from what it was: \(different.canonicalString)")
      }
    }
    var figure = Figure(.rebuild, "rebuild of all read models from \(head) events", rates.median, "events/s")
    figure.rounds = rates
    figure.note = "digests as before"
    return figure
  }

  // MARK: - The log

  private func export(_ server: DaybookProcess, _ head: Int) throws -> Figure {
    var rates: [Double] = []
    var bytes: [Double] = []
    for round in 1...options.rounds {
      Progress.say("round \(round) of \(options.rounds): export")
      let outcome = try LogExport(address: server.ownAddress, page: options.page, head: head).run()
      guard outcome.events == head else { throw BenchFailure("\(outcome.events) of \(head) events were exported") }
      rates.append(Double(outcome.events) / outcome.seconds)
      bytes.append(Double(outcome.bytes) / outcome.seconds / 1e6)
    }
    var figure = Figure(.export, "log.read of all \(head) events, pages of \(options.page)", rates.median, "events/s")
    figure.rounds = rates
    figure.floor = .atLeast(200_000)
    figure.note = "\(Number.text(bytes.median, decimals: 0)) MB/s"
    figure.more = ["megabytes_per_second": .array(bytes.map { .number($0.rounded()) })]
    return figure
  }

  private func verify(_ dataFolder: String, beside: Bool) throws -> Figure {
    var rates: [Double] = []
    var events = 0.0
    let place = beside ? "beside the server" : "without a server"
    for round in 1...repetitions {
      Progress.say("round \(round) of \(repetitions): verify \(place)")
      let start = Clock.now
      let output = try ChildProcess.run(
        [options.program, "verify", "--data", dataFolder, "--json"], errors: ground.folder + "/verify.log")
      let seconds = Clock.now - start
      let result = try JSON.parse(output)
      guard result["healthy"]?.boolValue == true, let count = result["events"]?.integerValue else {
        throw BenchFailure("daybook verify said \(output)")
      }
      events = Double(count)
      rates.append(events / seconds)
    }
    var figure = Figure(.verify, "verify of \(Int(events)) events, \(place)", rates.median, "events/s")
    figure.rounds = rates
    figure.floor = .atLeast(200_000)
    return figure
  }

  // MARK: - Start and memory

  /// Kills and starts the server several times, and asks it much; gives the last one, which runs.
  private func restarts(
    _ server: DaybookProcess, _ subjects: Subjects, _ head: Int, into report: inout Report
  ) async throws -> DaybookProcess {
    var server = server
    var seconds: [Double] = []
    var fresh: [MemoryUse] = []
    var busy: [MemoryUse] = []
    var questions: [Double] = []
    var latencies: [UInt32] = []
    for round in 1...options.rounds {
      Progress.say("round \(round) of \(options.rounds): start after kill -9")
      try await server.kill()
      server = try await start(.embedded)
      seconds.append(server.secondsToReady)
      try await Task.sleep(for: .seconds(1))
      fresh.append(try MemoryUse.of(server.processID))
      try await ReadModels.settle(server)
      let load = try await server.load(for: subjects)
      let count = max(200, Int(5000 * options.scale))
      let result = try load.run(LoadShape(connections: 4, depth: 8, extent: .requests(count))) { _ in
        Questions(pipelines: subjects.pipelines)
      }
      questions.append(result.rate)
      latencies += result.latencies
      busy.append(try MemoryUse.of(server.processID))
    }
    var start = Figure(.start, "start after kill -9 with \(head) events", seconds.max() ?? 0, "s")
    start.rounds = seconds
    start.floor = .below(1)
    start.goal = 0.2
    start.note = "the slowest of \(seconds.count)"
    report.add(start)
    report.add(memory("memory 1 s after the start", fresh))
    var answers = Figure(.start, "queries then (get 8, history 1, list 1 of 10)", questions.median, "/s")
    answers.rounds = questions
    answers.latency = Latency(latencies)
    report.add(answers)
    report.add(memory("memory after those queries", busy))
    return server
  }

  private func memory(_ name: String, _ uses: [MemoryUse]) -> Figure {
    let largest = uses.max { $0.resident < $1.resident }
    var figure = Figure(.start, name, largest?.resident ?? 0, "MiB")
    figure.rounds = uses.map(\.resident)
    figure.floor = .below(300_000_000 / 1_048_576)
    if let largest { figure.note = split(largest) }
    figure.more = ["uses": .array(uses.map(\.json))]
    return figure
  }

  /// The most memory that the server had while it did everything above; no floor is set for it.
  private func peak(_ server: DaybookProcess) throws -> Figure {
    let use = try MemoryUse.of(server.processID)
    var figure = Figure(.start, "most memory until here", use.peak, "MiB")
    figure.note = "now \(Number.text(use.resident, decimals: 0)): \(split(use))"
    figure.more = ["use": use.json]
    return figure
  }

  private func split(_ use: MemoryUse) -> String {
    "\(Number.text(use.anonymous, decimals: 0)) its own, \(Number.text(use.file, decimals: 0)) of files"
  }
}

extension Figure {
  /// Says how it stands to what `COPY` gets through in a second, where that was measured.
  fileprivate mutating func compare(with copied: Double) {
    guard copied > 0 else { return }
    baseline = ("COPY", copied)
    ratio = value / copied
    floor = .ratio(0.3)
    goal = 0.6
  }
}
