import BasicTypes
import CanonicalJSON
import EventLog
import OpenLineage
import OpenLineageTestKit
import TestBasics
import Testing

@Suite(.needsSharedData)
struct RealEventsTests {
  static let organization = Identifier(high: 0x0192_0000_0000_7000, low: 0x8000_0000_0000_0001)

  static func loaded(_ events: [JSONObject], organization: Identifier? = organization) throws -> MemoryTarget {
    let target = try MemoryTarget(organization: organization)
    for event in events { try target.record(event) }
    return target
  }

  /// What the events in their own order come to.
  static let inOrder = Result { try loaded(allEvents()).summary }

  /// The id that an event's run has here.
  static func run(_ event: JSONObject) throws -> Identifier {
    let read = try OpenLineageEvent.parse(event)
    return OpenLineageReport<MemoryTarget>.runIdentifier(
      try #require(read.run).runID, namespace: try #require(read.job).namespace, organization: organization)
  }

  static func allEvents() throws -> [JSONObject] { try RealEvents.files.flatMap(RealEvents.read) }

  @Test(arguments: RealEvents.files) func `every file loads`(_ file: String) throws {
    let events = try RealEvents.read(file)
    let target = try Self.loaded(events)
    let distinct = Set(events.map(\.canonicalString)).count
    #expect(target.events.count { $0.event == "run.reported" } == distinct)
  }

  @Test func `the compatibility events make their 31 runs, and their parents`() throws {
    let events = try RealEvents.read("openlineage/compatibility_74_run_events.ndjson")
    #expect(events.count == 74)
    let target = try Self.loaded(events)
    let own = Set(try events.map(Self.run))
    #expect(own.count == 31)
    let runs = target.all("run")
    #expect(own.isSubset(of: Set(runs.map(\.id))))
    for run in runs where !own.contains(run.id) { #expect(run.fields["status"] == "pending") }
    let jobs = Set(events.compactMap { $0["job"].map { JSON.array([$0["namespace"] ?? nil, $0["name"] ?? nil]) } })
    #expect(target.all("pipeline").count == jobs.count)
  }

  @Test func `the four runs without START end well, with no start`() throws {
    let events = try RealEvents.read("openlineage/compatibility_74_run_events.ndjson")
    var types: [Identifier: Set<String>] = [:]
    for event in events {
      types[try Self.run(event), default: []]
        .insert(event["eventType"]?.stringValue ?? "")
    }
    let startless = types.filter { !$0.value.contains("START") }.keys
    #expect(startless.count == 4)
    let target = try Self.loaded(events)
    for run in startless {
      let fields = try target.existing(run).fields
      #expect(fields["status"] == "success")
      #expect(fields["started_at"] == nil && fields["duration_seconds"] == nil)
      #expect(fields["completed_at"] != nil)
    }
  }

  @Test func `the Marquez events make 13 runs, 13 jobs and their datasets`() throws {
    let target = try Self.loaded(try RealEvents.read("marquez/metadata_26_run_events.json"))
    #expect(target.all("run").count == 13)
    #expect(target.all("pipeline").count == 13)
    // One more is named by a column lineage alone.
    let datasets = Set(target.all("dataset").compactMap { $0.fields["name"]?.stringValue })
    #expect(datasets.count == 14 && datasets.contains("public.menu_item_id"))
    for run in target.all("run") { #expect(run.fields["status"] == "success") }
  }

  @Test(arguments: 1...20) func `any order, each once or twice, ends in the same states`(_ seed: Int) throws {
    let events = try Self.allEvents()
    let expected = try Self.inOrder.get()
    var generator = Seeded(seed: UInt64(seed))
    let shuffled = events.shuffled(using: &generator)
    #expect(try Self.loaded(shuffled).summary == expected, "seed \(seed)")
    let doubled = (events + events).shuffled(using: &generator)
    #expect(try Self.loaded(doubled).summary == expected, "seed \(seed), doubled")
  }

  @Test(arguments: 1...5) func `the administrator's import goes to one organization, in any order`(_ seed: Int) throws {
    let events = try Self.allEvents()
    let target = try Self.loaded(events, organization: nil)
    #expect(target.all("organization").map { $0.fields["slug"] } == ["openlineage"])
    #expect(Set(target.all("pipeline").compactMap { $0.fields["namespace"] }).count > 3)
    var generator = Seeded(seed: UInt64(seed))
    let other = try Self.loaded((events + events).shuffled(using: &generator), organization: nil)
    #expect(other.summary == target.summary)
  }

  @Test func `loading everything again records nothing`() throws {
    let events = try Self.allEvents()
    let target = try Self.loaded(events)
    let count = target.events.count
    for event in events { #expect(try target.record(event).isDuplicate) }
    #expect(target.events.count == count)
  }

  @Test func `the Spark events give column lineage on edges`() throws {
    let target = try Self.loaded(try RealEvents.read("openlineage/compatibility_74_run_events.ndjson"))
    let withColumns = target.all("lineage_edge").filter { $0.fields["columns"] != nil }
    #expect(!withColumns.isEmpty)
    for edge in withColumns {
      for entry in try #require(edge.fields["columns"]?.arrayValue) {
        #expect(entry["source"]?.stringValue != nil && entry["transformations"]?.arrayValue != nil)
      }
    }
    let targets = target.all("dataset").filter { $0.fields["column_lineage"] != nil }
    #expect(!targets.isEmpty)
  }

  @Test func `a time without zone is UTC, another zone is brought to UTC`() throws {
    let zoneless = try OpenLineageEvent.parse(
      try #require(try RealEvents.read("marquez/event_required_no_timezone.json").first))
    #expect(zoneless.time.text == "2020-12-28T19:51:01.641499Z")
    #expect(zoneless.report == .other)
    let unicode = try Self.loaded(try RealEvents.read("marquez/event_unicode.json"))
    #expect(unicode.all("run").first?.fields["completed_at"] == "2020-12-28T09:52:00.001000Z")
    #expect(unicode.all("pipeline").first?.fields["name"] == "myjob.buggy_task\u{1F577}")
  }

  @Test func `no facet gets lost`() throws {
    for event in try Self.allEvents() {
      let target = try Self.loaded([event])
      let kept = try #require(target.events.last { $0.event == "run.reported" }).data["facets"] ?? [:]
      for (name, facet) in event["run"]?["facets"]?.objectValue ?? [:] {
        if ["parent", "nominalTime", "processing_engine"].contains(name) { continue }
        #expect(kept["run"]?["facets"]?[name] == facet, "\(name)")
      }
      for (name, facet) in event["job"]?["facets"]?.objectValue ?? [:] {
        let known = ["documentation", "sourceCode", "sql", "ownership", "jobType", "sourceCodeLocation"]
        if known.contains(name) { continue }
        #expect(kept["job"]?["facets"]?[name] == facet, "\(name)")
      }
    }
  }
}
