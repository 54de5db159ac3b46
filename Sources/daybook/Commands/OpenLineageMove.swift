import ArgumentParser
import CanonicalJSON
import DaybookClient

extension OpenLineageCommand {
  /// `daybook openlineage move`: what is in the wrong organization comes into the right one.
  struct Move: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Move what events have put into the wrong organization.",
      discussion: """
        Say first by daybook openlineage map where the events go from now on. Then
        the jobs of a namespace, their runs and what belongs to them are copied into
        the right organization and deleted in the wrong one, some at a time; other
        commands go on meanwhile. It may be stopped, and given again, at any time.
        It ends when it finds nothing more: as long as events still go to the wrong
        organization it doesn't. Datasets are copied with the runs that name them,
        and deleted where nothing refers to them any more.

        EXAMPLES
          daybook openlineage map airflow_ --prefix --organization acme
          daybook openlineage move airflow_ --prefix --from openlineage --to acme
          daybook openlineage move postgres://warehouse:5432 --datasets \\
            --from openlineage --to acme
        """)

    @OptionGroup var rule: RuleOptions
    @Option(
      name: .long, help: "The organization that it is in, by id, slug or name.", completion: Completions.organizations)
    var from: String
    @Option(name: .long, help: "The organization that it comes into.", completion: Completions.organizations)
    var to: String
    @Option(name: .long, help: "Why; kept in each event.") var reason: String?
    @Flag(name: .long, help: "Only show what would be moved first.") var dryRun = false
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      try await connection.withClient { client in
        var params = rule.params
        params["from"] = .string(try await Lookup.organization(from, client))
        params["organization_id"] = .string(try await Lookup.organization(to, client))
        if let reason { params["reason"] = .string(reason) }
        var sums = Sums()
        if dryRun {
          sums.add(try await client.call("openlineage.move", params.merging(["dry_run": true])))
        } else {
          var bar = ProgressBar("moving", isSilent: output.json)
          repeat {
            sums.add(try await client.call("openlineage.move", params))
            bar.show(UInt64(clamping: sums.total), of: nil)
          } while sums.isLeft
          bar.end()
        }
        if output.json { return Terminal.say(json: .object(sums.json(isDryRun: dryRun))) }
        Terminal.say(sums.sentence(isDryRun: dryRun))
        if let kept = sums.keptSentence(datasets: rule.datasets) { Terminal.say(kept) }
      }
    }
  }

  /// What the pieces of a move came to.
  private struct Sums {
    private var moved: [String: Int64] = [:]
    private var kept: Int64 = 0
    private var leftOut: Int64 = 0
    private(set) var isLeft = false

    var total: Int64 { moved.values.reduce(0, +) }

    mutating func add(_ answer: JSON) {
      for (name, count) in answer["moved"]?.objectValue ?? [:] { moved[name, default: 0] += count.integerValue ?? 0 }
      kept = answer["kept"]?.integerValue ?? 0
      leftOut += answer["left_out"]?.integerValue ?? 0
      isLeft = answer["left"] == true
    }

    func json(isDryRun: Bool) -> JSONObject {
      var json: JSONObject = [
        "moved": .object(JSONObject(members: moved.map { (key: $0.key, value: .integer($0.value)) })),
        "kept": .integer(kept), "left_out": .integer(leftOut), "left": .bool(isLeft),
      ]
      if isDryRun { json["dry_run"] = true }
      return json
    }

    func sentence(isDryRun: Bool) -> String {
      guard !moved.isEmpty else { return "There is nothing to move." }
      let words = [
        "pipelines": "pipelines", "runs": "runs", "task_runs": "task runs", "alerts": "alerts",
        "lineage_edges": "lineage edges", "datasets": "datasets copied", "datasets_deleted": "datasets deleted",
      ]
      let order = ["pipelines", "runs", "task_runs", "alerts", "lineage_edges", "datasets", "datasets_deleted"]
      let names = order + moved.keys.filter { !order.contains($0) }.sorted()
      let counts = names.compactMap { name in moved[name].map { "\($0) \(words[name] ?? name)" } }.joined(
        separator: ", ")
      if isDryRun { return "The first piece would be: \(counts)\(isLeft ? "; more may follow" : "")." }
      return "Moved: \(counts)."
        + (leftOut == 0 ? "" : " Not copied: \(leftOut) old records, or what has lost what it needs.")
    }

    func keptSentence(datasets: Bool) -> String? {
      if kept == 0 { return nil }
      return datasets
        ? "\(kept) datasets stay as well, since runs or edges name them."
        : "\(kept) pipelines or runs stay: people have made something of them, or too much belongs to one run."
    }
  }
}
