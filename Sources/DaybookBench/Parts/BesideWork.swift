/// How long commands wait while the server does something large beside them.
///
/// One client sends a command, waits for its answer, and sends the next, all the while that a rebuild, an export, a
/// verification and a backup of the whole log run, one after the other; before them it does so on the idle server.
struct BesideWork {
  let ground: Ground
  let options: BenchOptions
  let server: DaybookProcess
  let subjects: Subjects

  /// How many times its idle value the 99th percentile may come to.
  private static let mostTimesIdle = 3.0
  /// How long one run of the load is; whether the work has ended is asked after each.
  private static let slice = 0.5
  /// Fewer commands say nothing of a 99th percentile.
  private static let fewest = 200

  /// A piece of work: the program's arguments after its name.
  private struct Work {
    let name: String
    let arguments: (_ round: Int) -> [String]
  }

  private var works: [Work] {
    let connect = ["--connect", "unix:" + server.socketPath]
    let folder = ground.folder
    let data = server.dataFolder
    return [
      Work(name: "rebuild") { _ in ["rebuild"] + connect },
      Work(name: "export") { round in
        ["export", "\(folder)/evidence-\(round)", "--whole-service", "--reason", "measured"] + connect
      },
      Work(name: "verify") { _ in ["verify", "--data", data] },
      Work(name: "backup") { round in ["backup", "\(folder)/backup-\(round)"] + connect },
    ]
  }

  func run(into report: inout Report) async throws {
    let load = try await server.load(for: subjects)
    let idleSeconds = max(options.loadSeconds, 2)
    Progress.say("commands of one client, on the idle server")
    var series = 50_000
    var idle: [UInt32] = []
    for _ in 0..<2 {
      // The first is to warm up.
      idle = try send(load, seconds: idleSeconds, series: &series)
    }
    var waits: [(work: Work, latencies: [UInt32], seconds: Double)] = works.map { ($0, [], 0) }
    for round in 1...options.rounds {
      for index in waits.indices {
        let work = waits[index].work
        Progress.say("round \(round) of \(options.rounds): commands beside \(work.name)")
        let child = try ChildProcess.start(
          [options.program] + work.arguments(round), output: .file(ground.folder + "/beside.out"),
          errors: ground.folder + "/beside.log")
        var end = child.poll()
        while end == nil {
          waits[index].latencies += try send(load, seconds: Self.slice, series: &series)
          end = child.poll()
        }
        waits[index].seconds += Clock.now - child.startedAt
        guard end == .exited(0) else {
          throw BenchFailure("daybook \(work.name) failed:\n\(Input.tail(ground.folder + "/beside.log"))")
        }
        try await ReadModels.settle(server)
        idle += try send(load, seconds: 1, series: &series)
      }
    }
    guard let still = Latency(idle) else { throw BenchFailure("no command was answered on the idle server") }
    var quiet = Figure(.beside, "commands of one client, nothing else", still.p99, "ms at p99")
    quiet.latency = still
    report.add(quiet)
    for (work, latencies, seconds) in waits {
      guard let latency = Latency(latencies) else { throw BenchFailure("\(work.name) ended at once") }
      var figure = Figure(.beside, "commands beside \(work.name)", latency.p99, "ms at p99")
      figure.latency = latency
      figure.baseline = ("nothing else", still.p99)
      figure.ratio = latency.p99 / max(still.p99, 0.001)
      figure.floor = .ratioBelow(Self.mostTimesIdle)
      figure.note = "\(work.name) took \(Number.text(seconds / Double(options.rounds), decimals: 1)) s"
      if latencies.count < Self.fewest { figure.note += "; only \(latencies.count) commands" }
      report.add(figure)
    }
  }

  private func send(
    _ load: LoadGenerator, seconds: Double, series: inout Int
  ) throws(BenchFailure) -> [UInt32] {
    series += 1
    let number = series
    return try load.run(LoadShape(connections: 1, depth: 1, extent: .seconds(seconds))) { _ in
      PipelineCreations(
        writer: CommandWriter(subjects: subjects, series: number, givesCommandIDs: options.commandIds))
    }.latencies
  }
}
