import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import OpenLineageTestKit
import TestBasics
import Testing

@Suite struct OpenLineageReportTests {
  static let organization = RealEventsTests.organization

  static func event(
    _ type: String?, at second: Int, run: String = "0192aaaa-0000-7000-8000-000000000001", facets: JSONObject = [:],
    job: JSONObject = ["namespace": "ns", "name": "job"], inputs: JSON = [], outputs: JSON = []
  ) -> JSONObject {
    var json: JSONObject = [
      "eventTime": .string("2024-01-01T00:00:\(second < 10 ? "0" : "")\(second)Z"), "producer": "test",
      "run": ["runId": .string(run), "facets": .object(facets)], "job": .object(job), "inputs": inputs,
      "outputs": outputs,
    ]
    if let type { json["eventType"] = .string(type) }
    return json
  }

  static func dataset(_ name: String, _ facets: JSONObject = [:]) -> JSON {
    ["namespace": "db", "name": .string(name), "facets": .object(facets)]
  }

  @Test func `a parent known only by its child is pending, and its own report completes it`() throws {
    let parent = "0192aaaa-0000-7000-8000-00000000000a"
    let child = Self.event(
      "START", at: 1, facets: ["parent": ["run": ["runId": .string(parent)], "job": ["namespace": "ns", "name": "p"]]])
    let own = Self.event("COMPLETE", at: 2, run: parent, job: ["namespace": "ns", "name": "p"])
    let target = try MemoryTarget(organization: Self.organization)
    let outcome = try target.record(child)
    let pending = try target.existing(Identifier(parent))
    #expect(pending.fields["status"] == "pending" && pending.fields["pipeline_id"] == nil)
    let fields = try target.existing(outcome.resource).fields
    #expect(fields["parent_run_id"] == .string(parent))
    #expect(fields["context"]?["parent_job"] == ["namespace": "ns", "name": "p"])
    try target.record(own)
    let completed = try target.existing(Identifier(parent))
    #expect(completed.fields["status"] == "success" && completed.fields["pipeline_id"] != nil)
    let other = try MemoryTarget(organization: Self.organization)
    for event in [own, child] { try other.record(event) }
    #expect(other.summary == target.summary)
  }

  @Test func `a run id that is no UUID becomes version 5 of organization, namespace and run id`() throws {
    // RFC 9562 appendix A.4.
    let dns = try #require(Identifier("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    #expect(
      Identifier.version5(namespace: dns, name: "www.example.com").text == "2ed6657d-e927-568b-95e1-2665a8aea6a2")
    let target = try MemoryTarget(organization: Self.organization)
    let outcome = try target.record(Self.event("START", at: 1, run: "scheduled__1"))
    #expect(outcome.resource == Identifier.version5(namespace: Self.organization, name: "ns\nscheduled__1"))
    let run = try target.existing(outcome.resource)
    #expect(run.fields["external_id"] == "scheduled__1")
  }

  @Test func `the report with the latest time decides a facet, and silence leaves it alone`() throws {
    let events = [
      Self.event("START", at: 1, outputs: [Self.dataset("t", ["schema": ["fields": [["name": "a"]]]])]),
      Self.event("RUNNING", at: 3, outputs: [Self.dataset("t", ["schema": ["fields": [["name": "b"]]]])]),
      Self.event("RUNNING", at: 2, outputs: [Self.dataset("t", ["schema": ["fields": [["name": "c"]]]])]),
      Self.event("COMPLETE", at: 4, outputs: [Self.dataset("t")]),
    ]
    for seed in 0..<24 {
      var generator = Seeded(seed: UInt64(seed))
      let target = try MemoryTarget(organization: Self.organization)
      for event in events.shuffled(using: &generator) { try target.record(event) }
      let dataset = try #require(target.all("dataset").first)
      #expect(dataset.fields["schema_fields"] == [["name": "b"]])
      #expect(dataset.fields["reported_at"] == "2024-01-01T00:00:03.000000Z")
    }
  }

  @Test func `two facets of one time are decided by their bytes, in any order`() throws {
    let events = ["x", "y"].map { text in
      Self.event("START", at: 1, job: ["namespace": "ns", "name": "j", "facets": ["sql": ["query": .string(text)]]])
    }
    for order in [events, events.reversed()] {
      let target = try MemoryTarget(organization: Self.organization)
      for event in order { try target.record(event) }
      #expect(target.all("pipeline").first?.fields["code"] == ["language": "sql", "source": "y"])
    }
  }

  @Test func `inputs and outputs of different reports of a run make edges`() throws {
    let events = [
      Self.event("START", at: 1, inputs: [Self.dataset("a"), Self.dataset("b")]),
      Self.event("COMPLETE", at: 5, outputs: [Self.dataset("c")]),
      Self.event("RUNNING", at: 3, inputs: [Self.dataset("a")]),
      Self.event(
        "COMPLETE", at: 4, run: "0192aaaa-0000-7000-8000-000000000002", job: ["namespace": "ns", "name": "other"],
        inputs: [Self.dataset("a")], outputs: [Self.dataset("c")]),
    ]
    var summaries: Set<String> = []
    for seed in 0..<30 {
      var generator = Seeded(seed: UInt64(seed))
      let target = try MemoryTarget(organization: Self.organization)
      for event in (events + events).shuffled(using: &generator) { try target.record(event) }
      #expect(target.all("lineage_edge").count == 2)
      for edge in target.all("lineage_edge") {
        #expect(edge.fields["run_id"] == "0192aaaa-0000-7000-8000-000000000001")
      }
      summaries.insert(target.summary)
    }
    #expect(summaries.count == 1)
  }

  @Test func `column lineage makes the datasets that only it names`() throws {
    let facet: JSON = [
      "fields": [
        "x": [
          "inputFields": [
            ["namespace": "db", "name": "hidden", "field": "k", "transformations": [["type": "DIRECT"]]],
            ["namespace": "db", "name": "hidden", "field": "k", "transformations": [["type": "DIRECT"]]],
          ]
        ]
      ], "dataset": [["namespace": "db", "name": "hidden", "field": "f"]],
    ]
    let target = try MemoryTarget(organization: Self.organization)
    try target.record(Self.event("COMPLETE", at: 1, outputs: [Self.dataset("c", ["columnLineage": facet])]))
    #expect(Set(target.all("dataset").compactMap { $0.fields["name"] }) == ["c", "hidden"])
    let edge = try #require(target.all("lineage_edge").first)
    #expect(
      edge.fields["columns"] == [
        ["source": "f", "transformations": []],
        ["source": "k", "target": "x", "transformations": [["type": "DIRECT"]]],
      ])
  }

  @Test func `known run facets become fields, the error's stack trace stays among the sealed facets`() throws {
    let facets: JSONObject = [
      "errorMessage": ["message": "broken", "programmingLanguage": "java", "stackTrace": "at X"],
      "nominalTime": ["nominalStartTime": "2024-01-01T02:00:00+02:00", "nominalEndTime": "2024-01-01T01:00:00"],
      "processing_engine": ["_producer": "p", "version": "3.3", "name": "spark"], "custom": ["a": 1],
    ]
    let target = try MemoryTarget(organization: Self.organization)
    let outcome = try target.record(Self.event("FAIL", at: 1, facets: facets))
    let fields = try target.existing(outcome.resource).fields
    #expect(fields["status"] == "failed" && fields["error_message"] == "broken")
    #expect(fields["nominal_start_at"] == "2024-01-01T00:00:00.000000Z")
    #expect(fields["nominal_end_at"] == "2024-01-01T01:00:00.000000Z")
    #expect(fields["context"]?["processing_engine"] == ["version": "3.3", "name": "spark"])
    let data = try #require(target.events.last { $0.event == "run.reported" }).data
    #expect(data["event_type"] == "FAIL" && data["event_time"] == "2024-01-01T00:00:01.000000Z")
    #expect(data["facets"]?["run"]?["facets"]?["custom"] == ["a": 1])
    #expect(data["facets"]?["run"]?["facets"]?["errorMessage"]?["stackTrace"] == "at X")
    #expect(data["facets"]?["run"]?["facets"]?["processing_engine"] == nil)
  }

  @Test func `a known facet of a wrong shape is kept whole and decides nothing`() throws {
    let target = try MemoryTarget(organization: Self.organization)
    try target.record(Self.event("START", at: 1, inputs: [Self.dataset("a", ["schema": ["fields": "none"]])]))
    #expect(target.all("dataset").first?.fields["schema_fields"] == nil)
    let data = try #require(target.events.last { $0.event == "run.reported" }).data
    #expect(data["facets"]?["inputs"] == [Self.dataset("a", ["schema": ["fields": "none"]])])
  }

  @Test func `events without a run change only jobs and datasets`() throws {
    let target = try MemoryTarget(organization: Self.organization)
    let job = try target.record([
      "eventTime": "2024-01-01T00:00:00Z", "job": ["namespace": "ns", "name": "j", "facets": ["custom": ["a": 1]]],
      "inputs": [Self.dataset("a")], "outputs": [Self.dataset("b")],
    ])
    #expect(job.resource == target.all("pipeline").first?.id)
    #expect(target.events.contains { $0.event == "pipeline.reported" && $0.data["facets"] != nil })
    let dataset = try target.record([
      "eventTime": "2024-01-01T00:00:00Z", "dataset": Self.dataset("c", ["documentation": ["description": "C"]]),
    ])
    #expect(try target.existing(dataset.resource).fields["description"] == "C")
    #expect(target.events.contains { $0.event == "dataset.reported" })
    #expect(target.all("run").isEmpty)
    #expect(target.all("lineage_edge").count == 1)
  }

  @Test func `a report of a deleted run is refused, and records nothing`() throws {
    let target = try MemoryTarget(organization: Self.organization)
    let run = try #require(try target.record(Self.event("START", at: 1)).resource)
    try target.delete(run)
    let count = target.events.count
    #expect(throws: ReportFailure.self) { try target.record(Self.event("COMPLETE", at: 3)) }
    #expect(target.events.count == count)
  }

  @Test func `a job deleted here comes back as a new pipeline when it is reported again`() throws {
    let target = try MemoryTarget(organization: Self.organization)
    try target.record(Self.event("START", at: 1))
    let old = try #require(target.all("pipeline").first).id
    try target.delete(old)
    try target.record(Self.event("COMPLETE", at: 2))
    let living = target.all("pipeline").filter { $0.deletedAt == nil }
    #expect(living.count == 1 && living.first?.id != old)
  }

  @Test func `job names far beyond a column's usual length load`() throws {
    let name = String(repeating: "n", count: 1200)
    let target = try MemoryTarget(organization: Self.organization)
    try target.record(Self.event("START", at: 1, job: ["namespace": .string(name), "name": .string(name)]))
    #expect(target.all("pipeline").first?.fields["name"] == .string(name))
  }

  @Test func `the one organization for all is found by its id, and another takes its place when it is deleted`() throws
  {
    let target = try MemoryTarget(organization: nil)
    _ = try target.create(
      type: "organization", id: nil, organization: nil, fields: ["name": "Theirs", "slug": "openlineage"],
      event: "created", data: [:])
    func place(_ run: String) throws -> ResourceState {
      try target.existing(try target.record(Self.event("START", at: 1, run: run)).organization)
    }
    let first = try place("one")
    #expect(first.fields["slug"]?.stringValue?.hasPrefix("openlineage-") == true && first.fields["namespace"] == nil)
    _ = try target.change(first, set: ["slug": "ours"], event: "edited", data: [:])
    #expect(try place("two").id == first.id)
    try target.delete(first.id)
    let second = try place("three")
    #expect(second.id != first.id && second.deletedAt == nil)
    #expect(try place("four").id == second.id)
  }

  @Test func `every fault of an event is told with its pointer`() {
    let json: JSONObject = [
      "eventType": "DONE", "eventTime": "yesterday", "run": ["facets": []],
      "job": ["namespace": 5, "facets": ["x": ["$sealed": "y"]]], "inputs": [[:], 5], "outputs": [:],
    ]
    do {
      _ = try OpenLineageEvent.parse(json, path: "/event")
      Issue.record("parsed")
    } catch {
      #expect(
        Set(error.problems.map(\.path)) == [
          "/event/eventType", "/event/eventTime", "/event/run/runId", "/event/run/facets", "/event/job/namespace",
          "/event/job/name", "/event/job/facets/x/$sealed", "/event/inputs/0/namespace", "/event/inputs/0/name",
          "/event/inputs/1", "/event/outputs",
        ])
    }
    #expect(throws: OpenLineageEvent.Malformed.self) {
      try OpenLineageEvent.parse(["eventTime": "2024-01-01T00:00:00Z"])
    }
    #expect(throws: OpenLineageEvent.Malformed.self) {
      try OpenLineageEvent.parse(["eventTime": "2024-01-01T00:00:00Z", "run": ["runId": "x"]])
    }
  }
}
