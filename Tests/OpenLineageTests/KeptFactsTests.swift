import BasicTypes
import CanonicalJSON
import EventLog
import OpenLineage
import OpenLineageTestKit
import TestBasics
import Testing

/// What a report says is in a field, or among the facets that are kept with it.
@Suite struct KeptFactsTests {
  private func kept(_ target: MemoryTarget) throws -> JSON {
    try #require(target.events.last { $0.event == "run.reported" }).data["facets"] ?? [:]
  }

  @Test func `members of known facets that become no field are kept`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    let job: JSONObject = [
      "namespace": "ns", "name": "j",
      "facets": ["documentation": ["_producer": "p", "description": "# T", "contentType": "text/markdown"]],
    ]
    let facets: JSONObject = [
      "lifecycleStateChange": [
        "lifecycleStateChange": "RENAME", "previousIdentifier": ["namespace": "wh", "name": "old"],
      ],
      "schema": ["fields": [["name": "a"]], "vendorKey": "x", "empty": nil],
    ]
    let run: JSONObject = [
      "parent": [
        "run": ["runId": "r", "facets": ["deep": 1]], "job": ["namespace": "ns", "name": "p"],
      ],
      "nominalTime": ["nominalStartTime": "2024-01-01T00:00:00Z", "nominalEndTime": "None"],
    ]
    try target.record(
      OpenLineageReportTests.event(
        "COMPLETE", at: 1, facets: run, job: job, outputs: [OpenLineageReportTests.dataset("new", facets)]))
    let kept = try kept(target)
    #expect(kept["job"]?["facets"]?["documentation"] == ["_producer": "p", "contentType": "text/markdown"])
    let output = try #require(kept["outputs"]?.arrayValue?.first)
    #expect(
      output["facets"] == [
        "schema": ["vendorKey": "x", "empty": nil]
      ])
    let renamed = try #require(target.all("dataset").first { $0.fields["name"] == "new" })
    #expect(renamed.fields["renamed_from"] == ["namespace": "wh", "name": "old"])
    #expect(output["name"] == "new")
    #expect(kept["run"]?["facets"]?["parent"]?["run"]?["facets"] == ["deep": 1])
    #expect(kept["run"]?["facets"]?["nominalTime"] == ["nominalEndTime": "None"])
    let fields = try #require(target.all("run").first { $0.fields["nominal_start_at"] != nil }).fields
    #expect(fields["nominal_start_at"] == "2024-01-01T00:00:00.000000Z" && fields["nominal_end_at"] == nil)
  }

  @Test func `known facets that are fields altogether are not kept twice`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    let facets: JSONObject = [
      "schema": ["_producer": "p", "_schemaURL": "s", "fields": [["name": "a"]]],
      "dataSource": ["_producer": "p", "name": "n", "uri": "u"],
    ]
    let parent: JSON = ["_producer": "p", "run": ["runId": "r"], "job": ["namespace": "ns", "name": "p"]]
    try target.record(
      OpenLineageReportTests.event(
        "COMPLETE", at: 1, facets: ["parent": parent], outputs: [OpenLineageReportTests.dataset("t", facets)]))
    #expect(try kept(target) == [:])
  }

  @Test func `what a later report has overtaken is kept with the earlier one`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    func event(_ second: Int, _ column: String) -> JSONObject {
      OpenLineageReportTests.event(
        "RUNNING", at: second,
        outputs: [OpenLineageReportTests.dataset("t", ["schema": ["fields": [["name": .string(column)]]]])])
    }
    try target.record(event(2, "late"))
    #expect(try kept(target) == [:])
    try target.record(event(1, "early"))
    #expect(target.all("dataset").first?.fields["schema_fields"] == [["name": "late"]])
    #expect(try kept(target)["outputs"]?.arrayValue?.first?["facets"] == ["schema": ["fields": [["name": "early"]]]])
    // What says nothing else than the later one is there already.
    try target.record(event(0, "late"))
    #expect(try kept(target) == [:])
  }

  @Test func `of two facets of one name, the one that was not read is kept`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    let output: JSON = [
      "namespace": "db", "name": "t", "facets": ["documentation": ["description": "one"]],
      "outputFacets": ["documentation": ["description": "two"]],
    ]
    try target.record(OpenLineageReportTests.event("COMPLETE", at: 1, outputs: [output]))
    #expect(target.all("dataset").first?.fields["description"] == "two")
    #expect(
      try kept(target)["outputs"]?.arrayValue?.first?["facets"] == ["documentation": ["description": "one"]])
  }

  @Test func `what an event without a run says of its datasets is kept at each of them`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    let own: JSONObject = ["own": ["answer": 42]]
    try target.record([
      "eventTime": "2024-01-01T00:00:00Z", "job": ["namespace": "ns", "name": "j"],
      "inputs": [OpenLineageReportTests.dataset("in", own)], "outputs": [OpenLineageReportTests.dataset("out")],
    ])
    let facts = target.events.filter { $0.event == "dataset.reported" }
    #expect(facts.count == 1)
    #expect(facts.first?.data["facets"] == ["inputs": [OpenLineageReportTests.dataset("in", own)]])
    #expect(target.events.contains { $0.event == "pipeline.reported" })
  }

  @Test func `tags of jobs and datasets are tags, and those that people added stay`() throws {
    func tags(_ tags: JSON) -> JSONObject { ["tags": ["tags": tags]] }
    func event(_ second: Int, _ tag: String) -> JSONObject {
      OpenLineageReportTests.event(
        "COMPLETE", at: second,
        job: [
          "namespace": "ns", "name": "j",
          "facets": .object(
            tags([
              ["key": "team", "value": .string(tag), "source": "CONFIG"], ["key": "gold", "value": "true"],
              ["key": .string(String(repeating: "k", count: 2001))], ["value": "no key"], 5,
            ])),
        ],
        outputs: [
          OpenLineageReportTests.dataset(
            "t", tags([["key": "pii", "value": "true", "field": "email"], ["key": "layer", "value": "mart"]]))
        ])
    }
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    try target.record(event(1, "crm"))
    let pipeline = try #require(target.all("pipeline").first)
    #expect(pipeline.fields["tags"] == ["gold", "team:crm"])
    let dataset = try #require(target.all("dataset").first).fields
    #expect(dataset["tags"] == ["layer:mart"] && dataset["column_tags"] == ["email": ["pii"]])
    // Where a tag comes from is told by the facet.
    #expect(try kept(target)["job"]?["facets"]?["tags"]?["tags"]?.arrayValue?.first?["source"] == "CONFIG")
    _ = try target.change(pipeline, set: ["tags": ["gold", "team:crm", "mine"]], event: "edited", data: [:])
    try target.record(event(3, "sales"))
    #expect(try target.existing(pipeline.id).fields["tags"] == ["mine", "gold", "team:sales"])
    try target.record(event(2, "overtaken"))
    #expect(try target.existing(pipeline.id).fields["tags"] == ["mine", "gold", "team:sales"])
    try target.record(OpenLineageReportTests.event("COMPLETE", at: 4, job: ["namespace": "ns", "name": "j"]))
    #expect(try target.existing(pipeline.id).fields["tags"] == ["mine", "gold", "team:sales"])
  }

  @Test(.needsSharedData) func `every value of every real event is in a field or in a fact`() throws {
    for event in try RealEventsTests.allEvents() {
      let target = try RealEventsTests.loaded([event])
      var found: Set<JSON> = []
      for state in target.all("run") + target.all("dataset") + target.all("pipeline") + target.all("lineage_edge") {
        collect(.object(state.fields), into: &found)
      }
      for recorded in target.events { collect(.object(recorded.data), into: &found) }
      var told: Set<JSON> = []
      collect(.object(event.filter { $0.key != "eventTime" }), into: &told)
      let lost = told.subtracting(found).filter { value in
        // Ids and times in their normal form.
        guard let text = value.stringValue else { return true }
        if let time = Timestamp(text, assumingUTC: true), found.contains(.string(time.text)) { return false }
        return !target.all("run").contains { $0.id == Identifier(text) }
      }
      #expect(lost.isEmpty, "\(lost) of \(event["run"]?["runId"] ?? .null)")
    }
  }

  /// The strings and numbers of a value, but for those that say who sent a facet.
  private func collect(_ value: JSON, into found: inout Set<JSON>) {
    switch value {
    case .object(let object):
      for (key, value) in object where key != "_producer" && key != "_schemaURL" { collect(value, into: &found) }
    case .array(let elements): for element in elements { collect(element, into: &found) }
    case .null, .bool: break
    default: found.insert(value)
    }
  }

  // MARK: - Columns

  @Test func `how columns are made is told in the older form too`() throws {
    let facet: JSON = [
      "fields": [
        "c": [
          "inputFields": [
            ["namespace": "db", "name": "s", "field": "a"],
            [
              "namespace": "db", "name": "s", "field": "b",
              "transformations": [["type": "DIRECT", "subtype": "IDENTITY"]],
            ],
          ], "transformationType": "MASKED", "transformationDescription": "sha2(a)",
        ]
      ]
    ]
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    try target.record(
      OpenLineageReportTests.event(
        "COMPLETE", at: 1, outputs: [OpenLineageReportTests.dataset("t", ["columnLineage": facet])]))
    let older: JSON = ["type": "MASKED", "description": "sha2(a)", "masking": true]
    let own: JSON = ["type": "DIRECT", "subtype": "IDENTITY"]
    #expect(
      target.all("lineage_edge").first?.fields["columns"] == [
        ["source": "a", "target": "c", "transformations": [older]],
        ["source": "b", "target": "c", "transformations": [own]],
      ])
  }

  @Test func `a column lineage of the whole dataset alone is one`() throws {
    let facet: JSON = ["dataset": [["namespace": "db", "name": "s", "field": "k"]]]
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    try target.record(
      OpenLineageReportTests.event(
        "COMPLETE", at: 1, outputs: [OpenLineageReportTests.dataset("t", ["columnLineage": facet])]))
    #expect(target.all("dataset").compactMap { $0.fields["column_lineage"] } == [facet])
    #expect(target.all("lineage_edge").first?.fields["columns"] == [["source": "k", "transformations": []]])
  }

  // MARK: - Names

  @Test func `datasets know who names them among their symlinks, in any order`() throws {
    let link: JSONObject = ["symlinks": ["identifiers": [["namespace": "hive", "name": "db.t", "type": "TABLE"]]]]
    let events = [
      OpenLineageReportTests.event("COMPLETE", at: 1, outputs: [OpenLineageReportTests.dataset("path", link)]),
      OpenLineageReportTests.event(
        "COMPLETE", at: 2, run: "r2", inputs: [["namespace": "hive", "name": "db.t"]],
        outputs: [OpenLineageReportTests.dataset("mart")]),
      OpenLineageReportTests.event(
        "COMPLETE", at: 3, run: "r3", outputs: [OpenLineageReportTests.dataset("path2", link)]),
    ]
    var summaries: Set<String> = []
    for seed in 0..<6 {
      var generator = Seeded(seed: UInt64(seed))
      let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
      for event in (events + events).shuffled(using: &generator) { try target.record(event) }
      summaries.insert(target.summary)
      let named = try #require(target.all("dataset").first { $0.fields["name"] == "db.t" })
      let paths = target.all("dataset").filter { $0.fields["symlinks"] != nil }.map { JSON.string($0.id.text) }
      #expect(paths.count == 2 && named.fields["alias_ids"] == .array(paths))
    }
    #expect(summaries.count == 1)
  }

  // MARK: - Size and time

  @Test func `what column lineage and symlinks name counts as what an event shows`() throws {
    func event(_ facets: JSONObject) -> JSONObject {
      OpenLineageReportTests.event("COMPLETE", at: 1, outputs: [OpenLineageReportTests.dataset("t", facets)])
    }
    let many = 0..<2001
    let inputs = JSON.array(many.map { ["namespace": "db", "name": .string("s\($0)"), "field": "a"] })
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    #expect(throws: ReportFailure.tooManyPairs(limit: 2000)) {
      try target.record(event(["columnLineage": ["fields": ["x": ["inputFields": inputs]]]]))
    }
    #expect(throws: OpenLineageEvent.Malformed.self) { try target.record(event(["symlinks": ["identifiers": inputs]])) }
    #expect(target.events.isEmpty)
  }

  @Test func `a run that goes on for long may come to more pairs than one event may show`() throws {
    func event(_ second: Int, _ inputs: Range<Int>, _ outputs: [String]) -> JSONObject {
      OpenLineageReportTests.event(
        "RUNNING", at: second, inputs: .array(inputs.map { OpenLineageReportTests.dataset("in\($0)") }),
        outputs: .array(outputs.map { OpenLineageReportTests.dataset($0) }))
    }
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    try target.record(event(1, 0..<1500, ["out"]))
    try target.record(event(2, 1500..<3000, ["out"]))
    #expect(target.all("lineage_edge").count == 3000)
    try target.record(event(3, 0..<1, ["out"]))
    let times = target.all("lineage_edge").compactMap { $0.fields["reported_at"] }
    #expect(times.count { $0 == "2024-01-01T00:00:03.000000Z" } == 1 && times.count == 3000)
    // Another output would be made from all of them at once.
    #expect(throws: ReportFailure.tooManyPairs(limit: 2000)) { try target.record(event(4, 0..<1, ["other"])) }
  }

  @Test func `a clock that is ahead decides nothing that comes later`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    target.receivedAt = try #require(Timestamp("2024-01-01T00:00:10Z"))
    func event(_ type: String, _ time: String, _ text: String) -> JSONObject {
      var event = OpenLineageReportTests.event(
        type, at: 0,
        job: [
          "namespace": "ns", "name": "j",
          "facets": ["documentation": ["description": .string(text)], "tags": ["tags": [["key": .string(text)]]]],
        ], inputs: [OpenLineageReportTests.dataset("a")], outputs: [OpenLineageReportTests.dataset("b")])
      event["eventTime"] = .string(time)
      return event
    }
    try target.record(event("FAIL", "9999-12-31T23:59:59Z", "ahead"))
    let run = try #require(target.all("run").first)
    #expect(run.fields["completed_at"] == "2024-01-01T00:00:10.000000Z")
    #expect(target.events.last { $0.event == "run.reported" }?.data["event_time"] == "9999-12-31T23:59:59.000000Z")
    target.receivedAt = try #require(Timestamp("2024-01-01T00:00:20Z"))
    try target.record(event("COMPLETE", "2024-01-01T00:00:15Z", "right"))
    #expect(target.all("pipeline").first?.fields["description"] == "right")
    #expect(target.all("pipeline").first?.fields["tags"] == ["right"])
    #expect(target.all("run").first?.fields["status"] == "success")
    #expect(target.all("lineage_edge").first?.fields["reported_at"] == "2024-01-01T00:00:15.000000Z")
  }

  @Test func `what a clock has frozen before is decided again`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    func event(_ type: String, _ time: String, _ text: String) -> JSONObject {
      var event = OpenLineageReportTests.event(
        type, at: 0,
        job: ["namespace": "ns", "name": "j", "facets": ["documentation": ["description": .string(text)]]],
        inputs: [OpenLineageReportTests.dataset("a")], outputs: [OpenLineageReportTests.dataset("b")])
      event["eventTime"] = .string(time)
      return event
    }
    // Recorded when nothing held such a time back.
    try target.record(event("FAIL", "9999-12-31T23:59:59Z", "ahead"))
    target.receivedAt = try #require(Timestamp("2024-01-01T00:00:20Z"))
    try target.record(event("COMPLETE", "2024-01-01T00:00:15Z", "right"))
    #expect(target.all("pipeline").first?.fields["description"] == "right")
    let run = try #require(target.all("run").first).fields
    #expect(run["status"] == "success" && run["completed_at"] == "2024-01-01T00:00:15.000000Z")
    #expect(target.all("lineage_edge").first?.fields["reported_at"] == "2024-01-01T00:00:15.000000Z")
  }
}
