import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook import`: takes in what other tools have recorded.
struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take in what other tools have recorded.", subcommands: [ImportOpenLineage.self])
}

/// `daybook import openlineage`: the events of files, in their order.
struct ImportOpenLineage: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "openlineage",
    abstract: "Record OpenLineage events of runs, jobs and datasets from files.",
    discussion: """
      A file holds one event a line (NDJSON), an array of events, or a single
      event; - is standard input, and files that end with .gz are unpacked. An
      event that can't be recorded is told with its line, and the others go on;
      the exit code is then 1. Lines that are no events are passed over and
      counted (--strict: the exit code is then 1 as well). Importing a file a
      second time changes nothing.

      --follow goes on with what is written to a file, until it is interrupted. It
      keeps in a state file how far it has come, and goes on from there after a
      restart. A file that is renamed and made anew is read to its end first; what
      was rotated while nobody followed is found beside it, unless it was packed.

      EXAMPLES
        daybook import openlineage events.ndjson more.json
        daybook import openlineage --wait events-2026-11.ndjson.gz
        daybook import openlineage --follow /var/log/airflow/lineage.ndjson
        kafkacat -C -t openlineage -e | daybook import openlineage -
      """)

  @Argument(help: "Files, or - for standard input.", completion: .file(extensions: ["json", "ndjson", "jsonl"]))
  var files: [String]

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The organization, by id or slug, that all of it belongs to.",
      discussion: "Default: a key's own; for the local administrator what daybook openlineage rules says."))
  var organization: String?

  @Option(name: .long, help: "How many events may be on their way at once.")
  var inFlight = 64

  @Flag(name: .long, help: "Go on with what is written to the file.")
  var follow = false

  @Option(
    name: .long, help: "Where --follow keeps how far it is (default: beside the file, .daybook-place).",
    completion: .file())
  var state: String?

  @Flag(name: .long, help: "Return when the read models have it too: lists and SQL then show it.")
  var wait = false

  @Flag(name: .long, help: "End with 1 where something was passed over that is no event.")
  var strict = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if follow {
      guard files.count == 1, files[0] != "-", !files[0].hasSuffix(".gz") else {
        throw ValidationError("--follow takes one file that is written to.")
      }
      guard !wait, !strict else { throw ValidationError("--follow has no end at which to wait or to be strict.") }
    }
    if state != nil, !follow { throw ValidationError("--state belongs to --follow.") }
    guard !files.isEmpty else { throw ValidationError("Name at least one file, or - for standard input.") }
    guard (1...1024).contains(inFlight) else { throw ValidationError("--in-flight must be from 1 to 1024.") }
  }

  func run() async throws {
    if follow {
      let path = Program.absolute(files[0])
      var follower = try FollowedImport(
        path: path, state: state.map { Program.absolute($0) } ?? path + ".daybook-place", organization: organization,
        window: inFlight, connection: connection, isSilent: output.json)
      return try await follower.run()
    }
    try await connection.withClient { client in
      var importer = Importer(client: client, window: inFlight, isSilent: output.json)
      if let organization { importer.organization = try await Lookup.organization(organization, client) }
      for file in files { try await importer.take(file) }
      let counts = importer.counts
      if wait { try await ReadModelWait.until(client) }
      if output.json {
        Terminal.say(json: .object(counts.json))
      } else {
        Terminal.say(counts.sentence)
      }
      if counts.failed > 0 || strict && counts.passed > 0 { throw ExitCode.refused }
    }
  }
}

/// What an import came to.
struct ImportCounts: Sendable {
  var read = 0
  var recorded = 0
  /// Those that were known already, so that nothing was recorded.
  var unchanged = 0
  var failed = 0
  /// Lines that are no events.
  var passed = 0
  /// The ids of what the events were about.
  var runs: Set<String> = []
  var jobs: Set<String> = []
  var datasets: Set<String> = []

  var json: JSONObject {
    [
      "read": .integer(Int64(read)), "recorded": .integer(Int64(recorded)), "unchanged": .integer(Int64(unchanged)),
      "failed": .integer(Int64(failed)), "passed_over": .integer(Int64(passed)), "runs": .integer(Int64(runs.count)),
      "jobs": .integer(Int64(jobs.count)), "datasets": .integer(Int64(datasets.count)),
    ]
  }

  var sentence: String {
    let about = [(runs.count, "runs"), (jobs.count, "jobs alone"), (datasets.count, "datasets alone")]
      .filter { $0.0 > 0 || $0.1 == "runs" }.map { "\($0.0) \($0.1)" }
    return "\(read) events read: \(recorded) recorded, \(unchanged) known already, \(failed) failed; "
      + about.joined(separator: ", ") + "." + (passed == 0 ? "" : " \(passed) passed over, which are no events.")
  }

  /// Counts what an event was about.
  mutating func note(_ id: String, of event: JSON?) {
    if event?["run"]?.isNull == false {
      runs.insert(id)
    } else if event?["job"]?.isNull == false {
      jobs.insert(id)
    } else {
      datasets.insert(id)
    }
  }
}

/// Sends events in their order, many of them on their way at once, and counts what comes of them.
struct Importer {
  var organization: String?
  private(set) var counts = ImportCounts()
  private let client: DaybookClient
  private let window: Int
  private let isSilent: Bool

  init(client: DaybookClient, window: Int, isSilent: Bool) {
    self.client = client
    self.window = window
    self.isSilent = isSilent
  }

  private struct Sent {
    let place: String
    let params: JSONObject
    let reply: DaybookClient.Reply
  }

  /// Imports one file.
  mutating func take(_ file: String) async throws {
    var source = try EventSource(path: file)
    try await take(&source, of: file)
  }

  /// Imports what a source holds; when it returns, all of it has been answered.
  mutating func take(_ source: inout EventSource, of file: String) async throws {
    var bar = ProgressBar(file == "-" ? "standard input" : file, isSilent: isSilent)
    var waiting: [Sent] = []
    var first = 0
    while let sourced = try source.next() {
      guard !sourced.isSomethingElse else {
        counts.passed += 1
        continue
      }
      counts.read += 1
      guard case .success(let event) = sourced.event else {
        if case .failure(let error) = sourced.event { fail(file, sourced.place, "\(error)", &bar) }
        continue
      }
      var params: JSONObject = ["event": event]
      if let organization { params["organization_id"] = .string(organization) }
      waiting.append(Sent(place: sourced.place, params: params, reply: client.send("openlineage.record", params)))
      if waiting.count - first >= window {
        try await settle(waiting[first], file, &bar)
        first += 1
        if first >= 1024 {
          waiting.removeFirst(first)
          first = 0
        }
      }
      bar.show(UInt64(counts.recorded + counts.unchanged), of: nil, "events")
    }
    for sent in waiting[first...] { try await settle(sent, file, &bar) }
    bar.end()
  }

  private mutating func settle(_ sent: Sent, _ file: String, _ bar: inout ProgressBar) async throws {
    do {
      count(try await answer(to: sent), of: sent.params["event"])
    } catch let error as ClientError {
      guard case .remote = error else { throw error }
      let failure = Failure(error)
      fail(file, sent.place, [failure.what, failure.place].compactMap { $0 }.joined(separator: " "), &bar)
    }
  }

  /// The answer; an event that an overloaded server refused is sent again until it is taken.
  private func answer(to sent: Sent) async throws -> JSON {
    do {
      return try await sent.reply.value
    } catch let error as ClientError where error.code == .overloaded {
      while true {
        try await Task.sleep(for: .milliseconds(100))
        do {
          return try await client.call("openlineage.record", sent.params)
        } catch let error as ClientError where error.code == .overloaded {
          continue
        }
      }
    }
  }

  private mutating func count(_ result: JSON, of event: JSON?) {
    if result["events"]?.arrayValue?.isEmpty == true { counts.unchanged += 1 } else { counts.recorded += 1 }
    if let id = result["id"]?.stringValue { counts.note(id, of: event) }
  }

  private mutating func fail(_ file: String, _ place: String, _ problem: String, _ bar: inout ProgressBar) {
    counts.failed += 1
    bar.end()
    Terminal.complain("\(file), \(place): \(Terminal.plain(problem))")
  }
}
