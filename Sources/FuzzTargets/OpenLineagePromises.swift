import BasicTypes
import CanonicalJSON
import Catalog
import OpenLineage
import OpenLineageTestKit

/// What must hold of every OpenLineage event, and of several in any order: an input has one a line.
enum OpenLineagePromises {
  static func target(repository: String) throws -> FuzzTarget {
    let files = RepositoryFiles(root: repository)
    let catalog = try Catalog.load(folder: "\(repository)/schema")
    let nightly = try files.bytes("tools/demo-data/nightly.ndjson").split(separator: UInt8(ascii: "\n"))
    let pairs = zip(nightly, nightly.dropFirst()).map { Array($0) + [UInt8(ascii: "\n")] + $1 }
    return FuzzTarget(
      .openlineage, seeds: nightly.map { Array($0) } + pairs + made.map { Array($0.utf8) }, words: words,
      maximumLength: 8192
    ) { try check($0, catalog) }
  }

  /// At most so many lines of an input are read.
  private static let most = 4

  private static let made = [
    #"{"eventTime":"2024-01-01T00:00:01","job":{"name":"j","namespace":"n"}}"#,
    #"{"dataset":{"name":"d","namespace":"n","facets":{"schema":{"fields":[]}}},"eventTime":"2024-01-01T00:00:01Z"}"#,
    family,
  ]

  /// A parent, its child, and a later report of the child.
  private static let family = #"""
    {"eventTime":"2024-01-01T00:00:01Z","eventType":"START","job":{"name":"p","namespace":"n"},"run":{"runId":"up"}}
    {"eventTime":"2024-01-01T00:00:02Z","eventType":"START","job":{"name":"c","namespace":"n","facets":{"sql":\#
    {"query":"select 1","dialect":"x"},"tags":{"tags":[{"key":"k","value":"v"}]}}},"run":{"runId":"down","facets":\#
    {"parent":{"run":{"runId":"up"},"job":{"namespace":"n","name":"p"}}}},"inputs":[{"namespace":"n","name":"d"}]}
    {"eventTime":"2024-01-01T00:00:03Z","eventType":"FAIL","job":{"name":"c","namespace":"n"},"run":{"runId":"down",\#
    "facets":{"errorMessage":{"message":"no"},"nominalTime":{"nominalStartTime":"2024-01-01T00:00:00Z"}}},\#
    "outputs":[{"namespace":"n","name":"e","facets":{"symlinks":{"identifiers":[{"namespace":"n","name":"f"}]},\#
    "columnLineage":{"fields":{"x":{"inputFields":[{"namespace":"n","name":"d","field":"y"}]}}}}}]}
    """#

  private static let words =
    [
      "eventTime", "eventType", "START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER", "producer", "schemaURL",
      "run",
      "runId", "facets", "job", "namespace", "name", "inputs", "outputs", "dataset", "inputFacets", "outputFacets",
      "parent", "parentRun", "nominalTime", "nominalStartTime", "nominalEndTime", "errorMessage", "message",
      "processing_engine", "documentation", "description", "sourceCode", "language", "sql", "query", "ownership",
      "owners",
      "jobType", "sourceCodeLocation", "tags", "key", "value", "schema", "fields", "columnLineage", "inputFields",
      "field",
      "transformations", "transformationType", "MASKED", "dataSource", "symlinks", "identifiers",
      "lifecycleStateChange",
      "datasetVersion", "dataQualityMetrics", "_deleted", "_producer", "true", "null", "2024-01-01T00:00:01Z",
      "0192aaaa-0000-7000-8000-000000000001", "e\u{301}", "\u{E9}",
    ].map { "\"\($0)\"" } + ["\n", "{}", "[]", ",", ":"]

  static func check(_ input: [UInt8], _ catalog: Catalog) throws -> Bool {
    let lines = input.split(separator: UInt8(ascii: "\n")).prefix(most)
    let events = try lines.compactMap { try event($0) }
    // A producer may choose, as the id of a run, the one that follows from another name: the first one has it then.
    // And a run that two jobs report has edges that name either of them.
    guard !events.isEmpty, !events.contains(where: choosesDerivedIdentifier), hasOneJobEach(events) else {
      return false
    }
    let wholeTarget = target(catalog)
    guard try record(events, in: wholeTarget) else { return false }
    // Each event again and in another order.
    let other = target(catalog)
    guard try record(Array((events + events).reversed()), in: other) else {
      throw BrokenPromise(description: "what is taken in one order is taken in any")
    }
    let differences = JSONDifference.compare(try JSON.parse(wholeTarget.summary), try JSON.parse(other.summary))
    try promise(
      "any order, each event any number of times, ends in the same states: \(differences)", differences.isEmpty)
    let count = other.events.count
    _ = try record(events, in: other)
    try promise("a repeated event records nothing", other.events.count == count)
    return events.count == lines.count
  }

  /// The event of a line, checked by itself; nil where it is none.
  private static func event(_ line: ArraySlice<UInt8>) throws -> JSONObject? {
    // What isn't JSON is the JSON parser's own matter.
    guard case .object(let json)? = try? JSON.parse(line) else { return nil }
    let event: OpenLineageEvent
    do throws(OpenLineageEvent.Malformed) {
      event = try OpenLineageEvent.parse(json, path: "/event")
    } catch {
      try promise("what is refused has a fault", !error.problems.isEmpty)
      for problem in error.problems {
        try promise("a fault has its place", JSONPointer(problem.path)?.tokens.first == "event")
      }
      return nil
    }
    try promise("an event is kept as it was sent", event.json == json)
    // What was printed by this process parses.
    let parsed = (try? JSON.parse(json.canonicalBytes)).flatMap(\.objectValue)
    let again = parsed.flatMap { try? OpenLineageEvent.parse($0) }
    try promise("however it is written, it has one digest", again?.digest == event.digest)
    let datasets = event.inputs + event.outputs + [event.dataset].compactMap(\.self)
    let ofJob = [event.job?.namespace, event.job?.name].compactMap(\.self)
    let names = datasets.flatMap { [$0.namespace, $0.name] } + ofJob
    try promise(
      "every name fits an index entry", names.allSatisfy { $0.utf8.count <= OpenLineageEvent.maximumNameBytes })
    try promise(
      "no more datasets than may be named",
      max(event.inputs.count, event.outputs.count) <= OpenLineageEvent.maximumDatasets)
    return json
  }

  private static func choosesDerivedIdentifier(_ event: JSONObject) -> Bool {
    let facets = event["run"]?["facets"]
    return [event["run"], facets?["parent"]?["run"], facets?["parentRun"]?["run"]].contains { run in
      run?["runId"]?.stringValue.flatMap { Identifier($0) }?.version == 5
    }
  }

  /// The id of an event's run; a UUID as it is kept, whichever letters it was sent in.
  private static func runID(_ event: JSONObject) -> JSON? {
    event["run"]?["runId"]?.stringValue.map { .string(Identifier($0)?.text ?? $0) }
  }

  /// Whether no run is reported by several jobs.
  private static func hasOneJobEach(_ events: [JSONObject]) -> Bool {
    events.allSatisfy { event in
      events.allSatisfy { other in
        guard let run = runID(event), run == runID(other) else { return true }
        return event["job"]?["namespace"] == other["job"]?["namespace"]
          && event["job"]?["name"] == other["job"]?["name"]
      }
    }
  }

  private static func target(_ catalog: Catalog) -> MemoryTarget {
    MemoryTarget(catalog: catalog, organization: Identifier(high: 0x0192_0000_0000_7000, low: 0x8000_0000_0000_0001))
  }

  /// Whether all of the events were taken in.
  private static func record(_ events: [JSONObject], in target: MemoryTarget) throws -> Bool {
    do {
      for event in events { try target.record(event) }
      return true
    } catch is MemoryTarget.Refused {
      return false
    } catch is ReportFailure {
      return false
    } catch let misuse as MemoryTarget.Misuse {
      throw BrokenPromise(description: misuse.description)
    }
  }
}
