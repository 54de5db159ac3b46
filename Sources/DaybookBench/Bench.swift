import ArgumentParser
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook-bench`: what this machine gets out of Daybook, beside what it gets out
/// of PostgreSQL on the same disk in the same run.
@main
struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "daybook-bench",
    abstract: "Measure Daybook on this machine, beside PostgreSQL on the same disk.",
    discussion: """
      Every round measures pgbench and Daybook in turn, since disks and neighbours are moody; a ratio is the median of the rounds' ratios. A figure
      below its floor is reported; only --strict makes it the exit code 1. Any error that the server answers ends the run.

      EXAMPLES
        tools/bench
        tools/bench --only commands --seconds 8 --json bench.json
        tools/bench --only start --events 1000000
        tools/bench --scale 0.1
      """,
    subcommands: [Soak.self])

  @OptionGroup var options: BenchOptions

  func validate() throws {
    try options.check()
  }

  func run() async throws {
    let report: Report
    do {
      report = try await measure()
    } catch let failure as BenchFailure {
      Progress.say("failed: \(failure.message)")
      throw ExitCode(1)
    } catch let error as ClientError {
      Progress.say("failed: the server said: \(error)")
      throw ExitCode(1)
    }
    let table = report.table()
    switch options.json {
    case nil:
      Output.write(table, to: STDOUT_FILENO)
    case "-":
      Output.write(table, to: STDERR_FILENO)
      Output.write(report.json.canonicalString + "\n", to: STDOUT_FILENO)
    case let path?:
      Output.write(table, to: STDOUT_FILENO)
      try Output.replace(path, with: report.json.canonicalString + "\n")
    }
    if options.strict, !report.isEveryFloorMet { throw ExitCode(1) }
  }

  private func measure() async throws -> Report {
    var report = Report(options: options)
    let ground = try Ground.prepare(parent: options.folder)
    let outcome: Result<Void, any Error>
    do {
      try await measure(on: ground, into: &report)
      outcome = .success(())
    } catch {
      outcome = .failure(error)
    }
    report.elapsedSeconds = Progress.elapsed
    if options.keep {
      try ground.keep()
      Progress.say("kept: \(ground.folder)")
    } else {
      ground.clear()
    }
    try outcome.get()
    return report
  }

  private func measure(on ground: Ground, into report: inout Report) async throws {
    report.machine = MachineFacts.read(folder: ground.folder)
    let parts = options.parts
    if parts.contains(.fdatasync) {
      try SyncProbe(folder: ground.folder, seconds: 3 * options.scale).run(into: &report)
    }
    if parts.contains(.commands) || parts.contains(.pgbench) || parts.contains(.growth) {
      let baseline = try PgBench.start(on: ground)
      defer { baseline.stop() }
      report.machine["postgresql"] = .string(baseline.version)
      if parts.contains(.commands) {
        try await CommandsPart(ground: ground, options: options, baseline: baseline).run(into: &report)
      } else if parts.contains(.pgbench) {
        try baseline.measure(options: options, into: &report)
      }
      if parts.contains(.growth) {
        try await GrowthPart(ground: ground, options: options, baseline: baseline).run(into: &report)
      }
    }
    if parts.contains(.http) { try await HTTPPart(ground: ground, options: options).run(into: &report) }
    if parts.contains(.demo) { try await DemoPart(ground: ground, options: options).run(into: &report) }
    if !parts.isDisjoint(with: Part.ofLargeLog) {
      try await LargeLogPart(ground: ground, options: options).run(into: &report)
    }
  }
}

/// What can be measured by itself.
enum Part: String, CaseIterable, ExpressibleByArgument {
  case fdatasync, pgbench, commands, growth, http, demo, projection, rebuild, export, verify, beside, start

  /// Those that need a log with many events.
  static let ofLargeLog: Set<Part> = [.projection, .rebuild, .export, .verify, .beside, .start]
}

/// Which read-model work goes on in the server that commands are measured on.
enum ProjectorChoice: String, CaseIterable, ExpressibleByArgument {
  case on, off, both
}

/// How the load reaches the server.
enum Transport: String, CaseIterable, ExpressibleByArgument {
  case unix, tcp
}

/// What a run is told.
struct BenchOptions: ParsableArguments {
  @Option(
    name: .long, parsing: .upToNextOption,
    help: "Parts to measure; all where absent: \(Part.allCases.map(\.rawValue).joined(separator: ", ")).")
  var only: [Part] = []

  @Option(name: .long, help: "Multiplies all durations and numbers of events.")
  var scale = 1.0

  @Option(name: .long, help: "Seconds that one load is measured for.")
  var seconds = 4.0

  @Option(name: .long, help: "How often pgbench and Daybook take turns.")
  var rounds = 3

  @Option(
    name: .long, help: "Events in the log that projection, rebuild, export, verify, beside and start are measured with."
  )
  var events = 200_000

  @Option(
    name: .long, parsing: .upToNextOption,
    help: "Lengths of the logs that growth measures commands on; 0 is an empty one.")
  var logSizes: [Int] = [0, 300_000, 1_000_000]

  @Option(
    name: .long, help: "Where these logs are kept for later runs (default: logs in --folder).", completion: .directory)
  var logs: String?

  @Option(
    name: .long, parsing: .upToNextOption,
    help: "SQL files that set a peer up in PostgreSQL, message-db's for example; growth measures its write beside.",
    completion: .file())
  var peerSql: [String] = []

  @Option(name: .long, help: "The statement that the peer writes an event by; :header and :body are its texts.")
  var peerCall = """
    SELECT message_store.write_message(gen_random_uuid()::varchar, 'pipeline-' || gen_random_uuid(), \
    'PipelineCreated', jsonb_build_object('body', :body::text), jsonb_build_object('header', :header::text))
    """

  @Option(name: .long, help: "Events that one log.read of the export asks for.")
  var page = 2000

  @Option(name: .long, help: "Measure commands with the projector on, off (PostgreSQL away), or both.")
  var projector = ProjectorChoice.both

  @Option(name: .long, help: "unix or tcp: how the load reaches the server.")
  var transport = Transport.unix

  @Flag(name: .long, help: "Give every measured command a command_id, as a client that wants to retry does.")
  var commandIds = false

  @Option(name: .long, help: "The daybook program (default: beside this one).", completion: .file())
  var daybook: String?

  @Option(
    name: .long,
    help:
      "Where the run's folder is made (default: .build-bench in $DAYBOOK_HOME or here); its disk is what is measured.",
    completion: .directory)
  var folder: String?

  @Option(
    name: .long, help: "Also write the figures as JSON into this file; - is standard output.", completion: .file())
  var json: String?

  @Flag(name: .long, help: "Exit with 1 where a figure is below its floor.")
  var strict = false

  @Flag(name: .long, help: "Keep the run's folder, with the servers' logs.")
  var keep = false

  /// What is measured.
  var parts: Set<Part> { only.isEmpty ? Set(Part.allCases) : Set(only) }

  /// Seconds of one load, scaled.
  var loadSeconds: Double { seconds * scale }

  /// Events of the large log, scaled.
  var largeLogEvents: Int { max(2000, Int(Double(events) * scale)) }

  /// Lengths of logs, scaled, in ascending order.
  var scaledLogSizes: [Int] { Set(logSizes.map { Int(Double($0) * scale) }).sorted() }

  /// The daybook program's path.
  var program: String { daybook ?? ThisProgram.folder + "/daybook" }

  /// The program that tells the demo's story; built beside the daybook program.
  var demo: String {
    (program.split(separator: "/", omittingEmptySubsequences: false).dropLast() + ["daybook-demo"]).joined(
      separator: "/")
  }

  func check() throws {
    guard scale > 0, scale <= 100 else { throw ValidationError("--scale must be above 0 and at most 100.") }
    guard seconds >= 0.1 else { throw ValidationError("--seconds must be at least 0.1.") }
    guard (1...100).contains(rounds) else { throw ValidationError("--rounds must be from 1 to 100.") }
    guard events >= 2000 else { throw ValidationError("--events must be at least 2000.") }
    guard !logSizes.isEmpty, logSizes.allSatisfy({ (0...100_000_000).contains($0) }) else {
      throw ValidationError("--log-sizes takes numbers from 0 to 100000000.")
    }
    guard (1...10_000).contains(page) else { throw ValidationError("--page must be from 1 to 10000.") }
    if !parts.isDisjoint(with: Part.needingServer), access(program, X_OK) != 0 {
      throw ValidationError(
        "There is no program \(program): build it (swift build -c release --product daybook) or give --daybook.")
    }
    if parts.contains(.demo), access(demo, X_OK) != 0 {
      throw ValidationError("There is no program \(demo): build it (swift build -c release --product daybook-demo).")
    }
  }
}

extension Part {
  fileprivate static let needingServer: Set<Part> = ofLargeLog.union([.commands, .growth, .http, .demo])
}
