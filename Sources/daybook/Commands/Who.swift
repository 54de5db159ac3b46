import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook who`: who changed something, who ran it, and who may do what with it.
struct Who: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell who changed a pipeline, who ran it, and who may do what with it.",
    discussion: """
      With --type it tells the same of anything else: a credential, a dataset.

      EXAMPLES
        daybook who "daily load"
        daybook who "daily load" --since "last month"
        daybook who warehouse --type connection
      """)

  @Argument(help: "Its id, or its name where only one has it.", completion: Completions.pipelines)
  var name: String

  @Option(name: .long, help: "Its resource type.", completion: Completions.types) var type = "pipeline"
  @Option(name: .long, help: "Only what was done from then on: a date, yesterday, 30d …") var since: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  /// The most runs that are looked at.
  private static let mostRuns = 1000

  func run() async throws {
    let since = try since.map { try Moment.parameter($0, .since) }
    try await connection.withClient { client in
      let type = try await ServerTypes(client).type(type)
      let id = try await Lookup.resource(name, type: type, client)
      let changes = try await Self.changes(type, id, since, client)
      let runs = type == "pipeline" ? try await Self.runs(id, since, client) : []
      let access = try await Access.of(id, as: nil, client)
      if output.json {
        return Terminal.say(json: [
          "changed": .array(changes), "may": access.map(JSON.array) ?? .null, "ran": .array(runs),
        ])
      }
      let actors = (changes + runs).actors + (access ?? []).texts("principal")
      let names = await Names.of(actors: actors, [], client)
      var changed = Table(["CHANGED BY", .whole("TIMES"), .whole("LAST"), "WHAT LAST", .aside("WHY LAST")])
      for change in changes {
        changed.add([
          names.who(change), change.cell("count"), change.when("at"), change.cell("event"),
          change.cell("reason"),
        ])
      }
      changed.show(orElse: "Nobody has changed it.")
      if type == "pipeline" {
        Terminal.say("")
        var ran = Table(["RUN BY", .whole("TIMES"), .whole("FAILED"), .whole("LAST"), .status("LAST STATUS")])
        for run in runs {
          ran.add([
            names.actor(run.cell("actor")), run.cell("count"), run.cell("failed"), run.when("at"), run.cell("status"),
          ])
        }
        ran.show(orElse: "Nobody has run it.")
      }
      Terminal.say("")
      guard let access else { return Terminal.say(Access.isNotForYou) }
      Access.table(access, names).show(orElse: "Nobody may do anything with it.")
    }
  }

  /// Who changed it: how often, when last, and what that was; the latest first.
  private static func changes(
    _ type: String, _ id: String, _ since: JSON?, _ client: DaybookClient
  ) async throws -> [JSON] {
    var tally = Tally()
    let events = try await Pages.all("\(type).history", ["id": .string(id), "order": "-position"], limit: nil, client)
    for event in events {
      if let first = since?.stringValue, event.cell("at") < first { break }
      tally.add(
        event.cell("actor"), onBehalfOf: event["on_behalf_of"]?.stringValue,
        ["at": event["at"] ?? .null, "event": event["event"] ?? .null, "reason": event["reason"] ?? .null])
    }
    return tally.entries
  }

  /// Who ran it, or what did; the latest first.
  private static func runs(_ id: String, _ since: JSON?, _ client: DaybookClient) async throws -> [JSON] {
    var conditions: JSONObject = ["pipeline_id": .string(id)]
    if let since { conditions["created_at"] = ["gte": since] }
    var tally = Tally()
    let items: [JSON]
    do {
      items = try await Pages.all(
        "run.list", ["where": .object(conditions), "order": "-created_at"], limit: mostRuns, client)
    } catch ClientError.remote(let refusal) where refusal.code == .forbidden {
      Terminal.complain("Its runs are not shown. \(refusal.message)")
      return []
    }
    for run in items {
      let person = run["triggered_by"]?.stringValue.map { "user:\($0)" }
      let trigger = run.cell("trigger_type")
      tally.add(
        person ?? (trigger == "manual" ? "somebody" : "a \(trigger) trigger"),
        [
          "at": (run["started_at"]?.isNull ?? true ? run["created_at"] : run["started_at"]) ?? .null,
          "status": run["status"] ?? .null,
        ],
        hasFailed: ["failed", "timeout"].contains(run.cell("status")))
    }
    return tally.entries
  }

  /// How often each did something, and the first entry of each.
  private struct Tally {
    private var order: [String] = []
    private var all = JSONObject()

    mutating func add(_ actor: String, onBehalfOf person: String? = nil, _ entry: JSONObject, hasFailed: Bool = false) {
      let name = person.map { "\($0) by \(actor)" } ?? actor
      var own = all[name]?.objectValue ?? entry.merging(["actor": .string(actor), "count": 0, "failed": 0])
      if let person { own["on_behalf_of"] = .string(person) }
      if !all.contains(name) { order.append(name) }
      own["count"] = .integer((own["count"]?.integerValue ?? 0) + 1)
      if hasFailed { own["failed"] = .integer((own["failed"]?.integerValue ?? 0) + 1) }
      all[name] = .object(own)
    }

    var entries: [JSON] { order.compactMap { all[$0] } }
  }
}
