import ArgumentParser
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook-bench soak`: a server under steady load for a long time, and what it takes.
struct Soak: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep a server under load, readers and backups, and watch what it takes.",
    discussion: """
      Prints a line for each interval: commands a second and their 99th percentile, events, memory of the server's own (anonymous pages), open descriptors, \
      threads, and how far the read models are behind. At the end the load stops, everything must settle, the server must stop in order, and its log verify. \
      The exit code is 1 where a bound is broken or anything is answered with an error.

      EXAMPLES
        tools/soak
        tools/soak 10
        tools/soak 120 --rate 500 --interval 60
      """)

  @Argument(help: "Minutes of load.")
  var minutes = 60.0

  @Option(name: .long, help: "Commands a second.")
  var rate = 200

  @Option(name: .long, help: "Readers, each asking all the time.")
  var readers = 4

  @Option(name: .long, help: "Seconds between two lines; a backup is made in each.")
  var interval = 30.0

  @Option(name: .long, help: "The most MiB by which memory may grow after the first tenth of the time.")
  var memoryGrowth = 64

  @Option(name: .long, help: "The most MiB of memory at any time.")
  var memoryLimit = 512

  @Option(name: .long, help: "The most open descriptors at the end beyond those at the beginning, without load.")
  var descriptorGrowth = 16

  @Option(name: .long, help: "The most events that read models may be behind at the end of an interval.")
  var lagLimit = 20_000

  @Option(name: .long, help: "The most milliseconds of the commands' 99th percentile in an interval.")
  var latencyLimit = 1000

  @Option(name: .long, help: "The daybook program (default: beside this one).", completion: .file())
  var daybook: String?

  @Option(
    name: .long, help: "Where the run's folder is made (default: .build-bench in $DAYBOOK_HOME or here).",
    completion: .directory)
  var folder: String?

  @Flag(name: .long, help: "Keep the run's folder, with the server's log.")
  var keep = false

  func validate() throws {
    guard minutes > 0, rate > 0, readers >= 0, interval >= 1 else {
      throw ValidationError("Minutes and --rate are above 0, --interval is at least 1.")
    }
  }

  func run() async throws {
    Progress.say("\(rate) commands a second and \(readers) readers for \(minutes) minutes")
    let ground = try Ground.prepare(parent: folder)
    var broken: [String] = []
    do {
      broken = try await soak(on: ground)
    } catch let failure as BenchFailure {
      broken = [failure.message]
    } catch let error as ClientError {
      broken = ["the server said: \(error)"]
    }
    if keep || !broken.isEmpty {
      try ground.keep()
      Progress.say("kept: \(ground.folder)")
    } else {
      ground.clear()
    }
    for bound in broken { Progress.say("broken: \(bound)") }
    if !broken.isEmpty { throw ExitCode(1) }
    Progress.say("every bound held")
  }

  /// The bounds that were broken.
  private func soak(on ground: Ground) async throws -> [String] {
    var options = try BenchOptions.parse([])
    options.daybook = daybook
    options.transport = .unix
    let server = try await DaybookProcess.start("soak", .embedded, ground: ground, options: options)
    let subjects = try await server.makeSubjects(pipelines: 50)
    try await ReadModels.settle(server)
    let atRest = try SoakSample.read(server.processID)
    var bounds = SoakBounds(of: self, atRest: atRest)
    Output.write(SoakSample.heading, to: STDOUT_FILENO)
    guard case .unix(let socket) = server.ownAddress else { throw BenchFailure("the server has no Unix socket") }
    let (client, pipelines, rate) = (server.client, subjects.pipelines, rate)
    let end = Clock.now + minutes * 60
    var number = 0
    var writer = SoakWriter(server.address, subjects)
    while Clock.now < end {
      number += 1
      let until = min(end, Clock.now + interval)
      let backup = "\(ground.folder)/backup-\(number)"
      let current = writer
      let written = try await withThrowingTaskGroup(of: SoakWriter?.self) { group in
        group.addTask {
          var writer = current
          try await writer.run(until: until, rate: rate)
          return writer
        }
        for _ in 0..<readers {
          group.addTask {
            try await SoakReader(socket: socket, pipelines: pipelines).run(until: until)
            return nil
          }
        }
        group.addTask {
          let made = try await client.call("log.backup", ["folder": .string(backup)])
          guard made["position"]?.integerValue ?? 0 > 0 else {
            throw BenchFailure("log.backup answered \(made.canonicalString)")
          }
          return nil
        }
        var written: SoakWriter?
        for try await result in group { written = result ?? written }
        return written
      }
      if let written { writer = written }
      var sample = try SoakSample.read(server.processID)
      sample.take(writer.takeLatencies(), seconds: interval)
      sample.lag = try await ReadModels.ask(server).lag
      sample.events = try await server.head()
      bounds.check(sample, hasWarmedUp: Clock.now > end - minutes * 54)
      Output.write(sample.line(minutes: (Clock.now - (end - minutes * 60)) / 60), to: STDOUT_FILENO)
      _ = try ChildProcess.run(["rm", "-rf", backup], errors: ground.folder + "/remove.log")
    }
    try await ReadModels.settle(server)
    bounds.checkRest(try SoakSample.read(server.processID))
    try await server.stop()
    _ = try ChildProcess.run(
      [options.program, "verify", "--data", server.dataFolder], errors: ground.folder + "/verify.log")
    return bounds.broken
  }
}

/// What a run must keep within.
struct SoakBounds {
  private let soak: Soak
  private let atRest: SoakSample
  /// The least memory after the warm-up.
  private var base: Int?
  private(set) var broken: [String] = []

  init(of soak: Soak, atRest: SoakSample) {
    self.soak = soak
    self.atRest = atRest
  }

  mutating func check(_ sample: SoakSample, hasWarmedUp: Bool) {
    expect(sample.memory >> 20, atMost: soak.memoryLimit, "MiB of memory")
    expect(sample.lag, atMost: soak.lagLimit, "events that read models were behind")
    expect(Int(sample.latency / 1000), atMost: soak.latencyLimit, "ms of a command's 99th percentile")
    guard hasWarmedUp else { return }
    let least = min(base ?? sample.memory, sample.memory)
    base = least
    expect((sample.memory - least) >> 20, atMost: soak.memoryGrowth, "MiB by which memory has grown")
  }

  /// Looks at the server once nobody uses it any more.
  mutating func checkRest(_ sample: SoakSample) {
    expect(
      sample.descriptors - atRest.descriptors, atMost: soak.descriptorGrowth, "descriptors more than at the beginning")
  }

  private mutating func expect(_ value: Int, atMost limit: Int, _ what: String) {
    if value > limit { broken.append("\(value) \(what), at most \(limit)") }
  }
}
