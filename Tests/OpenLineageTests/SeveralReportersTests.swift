import BasicTypes
import CanonicalJSON
import EventLog
import OpenLineage
import OpenLineageTestKit
import TestBasics
import Testing

/// What several organizations, schedulers and jobs report of the same names stays apart.
@Suite struct SeveralReportersTests {
  private static let run = "0192bbbb-0000-4000-8000-000000000001"

  private static func report(
    _ type: String, at second: Int, by namespace: String, run: String = run, writing dataset: String,
    facets: JSONObject = [:]
  ) -> JSONObject {
    OpenLineageReportTests.event(
      type, at: second, run: run, facets: facets, job: ["namespace": .string(namespace), "name": "dag"],
      outputs: [["namespace": "pg", "name": .string(dataset)]])
  }

  /// The one resource of a type that has these values.
  private func only(
    _ type: String, _ target: MemoryTarget, _ values: JSONObject, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> JSONObject {
    let found = target.all(type).filter { state in values.allSatisfy { state.fields[$0.key] == $0.value } }
    #expect(found.count == 1, "\(type) \(values)", sourceLocation: sourceLocation)
    return try #require(found.first, sourceLocation: sourceLocation).fields
  }

  /// A log of before there was one organization for all, which has one for each of these job namespaces.
  private static func target(former namespaces: [String]) throws -> MemoryTarget {
    let target = try MemoryTarget(organization: nil)
    for namespace in namespaces {
      _ = try target.create(
        type: "organization", id: nil, organization: nil,
        fields: ["name": .string(namespace), "slug": .string(namespace), "namespace": .string(namespace)],
        event: "created", data: [:])
    }
    return target
  }

  @Test(arguments: [["prod", "dev"], ["dev", "prod"]])
  func `one run id of two namespaces is a run each in the one organization for all`(_ order: [String]) throws {
    let target = try MemoryTarget(organization: nil)
    let events = [
      "prod": Self.report("COMPLETE", at: 1, by: "prod", writing: "t"),
      "dev": Self.report("FAIL", at: 2, by: "dev", writing: "t"),
    ]
    for namespace in order { try target.record(try #require(events[namespace])) }
    #expect(target.all("organization").map { $0.fields["slug"] } == ["openlineage"])
    #expect(target.all("dataset").count == 1)
    #expect(target.all("run").count == 2)
    for (namespace, status) in [("prod", "success"), ("dev", "failed")] {
      let pipeline = try #require(target.all("pipeline").first { $0.fields["namespace"] == .string(namespace) })
      let run = try only("run", target, ["pipeline_id": .string(pipeline.id.text)])
      #expect(run["status"] == .string(status))
    }
    for namespace in order { #expect(try target.record(try #require(events[namespace])).isDuplicate) }
  }

  @Test func `what went to the wrong organization can be told again to the right one, and goes on there`() throws {
    let target = try Self.target(former: ["prod"])
    let events = [
      Self.report("START", at: 1, by: "prod", writing: "t"), Self.report("RUNNING", at: 2, by: "prod", writing: "t"),
    ]
    let wrong = try events.map { try target.record($0).organization }[0]
    let right = try target.create(
      type: "organization", id: nil, organization: nil, fields: ["name": "acme", "slug": "acme"], event: "created",
      data: [:]
    ).id
    target.ownOrganization = right
    for event in events { #expect(try !target.record(event).isDuplicate) }
    for type in ["run", "pipeline", "dataset"] {
      #expect(target.all(type).count { $0.organization == right } == 1, "\(type)")
    }
    target.ownOrganization = nil
    target.namespaceRules = NamespaceRules([
      .init(kind: .job, match: .exact, namespace: "prod", organization: right)
    ])
    // While the run lives where its job has put it, it goes on there.
    #expect(try target.record(Self.report("RUNNING", at: 3, by: "prod", writing: "t")).organization == wrong)
    for state in target.all("run") + target.all("pipeline") + target.all("dataset") where state.organization == wrong {
      try target.delete(state.id)
    }
    try target.delete(wrong)
    let outcome = try target.record(Self.report("COMPLETE", at: 4, by: "prod", writing: "t"))
    #expect(outcome.organization == right)
    #expect(try target.existing(outcome.resource).fields["status"] == "success")
    #expect(try target.existing(outcome.resource).fields["started_at"] == "2024-01-01T00:00:01.000000Z")
  }

  @Test func `rules send namespaces to organizations, the exact one first and then the longest beginning`() throws {
    let target = try Self.target(former: ["old"])
    func organization(_ slug: String) throws -> Identifier {
      try target.create(
        type: "organization", id: nil, organization: nil, fields: ["name": .string(slug), "slug": .string(slug)],
        event: "created", data: [:]
      ).id
    }
    let (acme, beta, gone) = (try organization("acme"), try organization("beta"), try organization("gone"))
    target.namespaceRules = NamespaceRules([
      .init(kind: .job, match: .prefix, namespace: "air", organization: beta),
      .init(kind: .job, match: .prefix, namespace: "airflow_", organization: acme),
      .init(kind: .job, match: .exact, namespace: "airflow_dev", organization: beta),
      .init(kind: .job, match: .exact, namespace: "left", organization: gone),
      .init(kind: .dataset, match: .exact, namespace: "pg", organization: acme),
    ])
    try target.delete(gone)
    var runs = 0
    func place(_ namespace: String) throws -> Identifier {
      runs += 1
      return try target.record(Self.report("START", at: 1, by: namespace, run: "run \(runs)", writing: "t"))
        .organization
    }
    #expect(try place("airflow_prod") == acme)
    #expect(try place("airflow_dev") == beta)
    #expect(try place("airtable") == beta)
    let common = try place("dbt")
    #expect(try target.existing(common).fields["slug"] == "openlineage")
    // What a rule's organization was deleted for goes where no rule would send it.
    #expect(try place("left") == common)
    #expect(try target.existing(try place("old")).fields["namespace"] == "old")
    let dataset: JSONObject = ["eventTime": "2024-01-01T00:00:00Z", "dataset": ["namespace": "pg", "name": "t"]]
    #expect(try target.record(dataset).organization == acme)
    target.defaultOrganization = "warehouse"
    #expect(try target.existing(try place("new")).fields["slug"] == "warehouse")
    #expect(try place("newer") == place("newest"))
  }

  @Test(arguments: [["prod", "dev"], ["dev", "prod"]])
  func `one run id of two namespaces is a run in each organization`(_ order: [String]) throws {
    let target = try Self.target(former: ["prod", "dev"])
    let events = [
      "prod": Self.report("COMPLETE", at: 1, by: "prod", writing: "p"),
      "dev": Self.report("FAIL", at: 2, by: "dev", writing: "d"),
    ]
    for namespace in order { try target.record(try #require(events[namespace])) }
    for (namespace, status, dataset) in [("prod", "success", "p"), ("dev", "failed", "d")] {
      let organization = try only("organization", target, ["namespace": .string(namespace)])
      let owner = try #require(
        target.all("organization").first { $0.fields["namespace"] == organization["namespace"] }
      ).id
      let within: JSONObject = ["organization_id": .string(owner.text)]
      #expect(try only("run", target, within)["status"] == .string(status))
      #expect(try only("pipeline", target, within)["namespace"] == .string(namespace))
      #expect(try only("dataset", target, within)["name"] == .string(dataset))
    }
    // Each again is known, and a later report goes to its own run.
    for namespace in order { #expect(try target.record(try #require(events[namespace])).isDuplicate) }
    try target.record(Self.report("COMPLETE", at: 5, by: "dev", writing: "d"))
    #expect(target.all("run").map { $0.fields["status"] } == ["success", "success"])
  }

  @Test func `the same run id under two keys is a run in each organization`() throws {
    let target = try MemoryTarget(organization: Identifier(high: 0x7000, low: 1 << 63))
    let first = try target.record(Self.report("COMPLETE", at: 1, by: "ns", writing: "t")).resource
    #expect(first == Identifier(Self.run))
    let other = Identifier(high: 0x7000, low: 1 << 63 | 1)
    target.ownOrganization = other
    let second = try target.existing(try target.record(Self.report("FAIL", at: 2, by: "ns", writing: "t")).resource)
    #expect(second.id == Identifier.version5(namespace: other, name: "ns\n\(Self.run)"))
    #expect(second.organization == other && second.fields["external_id"] == .string(Self.run))
    #expect(try target.existing(first).fields["status"] == "success")
  }

  @Test func `nobody keeps a run out by taking the id that follows from its name`() throws {
    let own = Identifier(high: 0x7000, low: 1 << 63)
    let taken = Identifier.version5(namespace: own, name: "ns\nscheduled__1")
    let target = try MemoryTarget(organization: Identifier(high: 0x7000, low: 1 << 63 | 1))
    #expect(try target.record(Self.report("FAIL", at: 1, by: "other", run: taken.text, writing: "t")).resource == taken)
    target.ownOrganization = own
    let started = Self.report("START", at: 2, by: "ns", run: "scheduled__1", writing: "t")
    let run = try target.existing(try target.record(started).resource)
    #expect(run.id.version == 8 && run.organization == own && run.fields["external_id"] == "scheduled__1")
    let ended = Self.report("COMPLETE", at: 3, by: "ns", run: "scheduled__1", writing: "t")
    #expect(try target.record(ended).resource == run.id)
    #expect(try target.existing(run.id).fields["status"] == "success")
    #expect(try target.existing(taken).fields["status"] == "failed")
  }

  @Test(arguments: [false, true])
  func `a child whose parent is another namespace's is recorded, and names it`(_ isParentFirst: Bool) throws {
    let target = try Self.target(former: ["airflow", "spark"])
    let parent = "0192bbbb-0000-4000-8000-00000000000a"
    let own = Self.report("COMPLETE", at: 3, by: "airflow", run: parent, writing: "a")
    let facet: JSON = [
      "_producer": "p", "run": ["runId": .string(parent)], "job": ["namespace": "airflow", "name": "dag.task"],
    ]
    let child = Self.report("COMPLETE", at: 2, by: "spark", writing: "t", facets: ["parent": facet])
    if isParentFirst { try target.record(own) }
    let run = try target.existing(try target.record(child).resource)
    #expect(run.fields["status"] == "success" && run.fields["parent_run_id"] == nil)
    #expect(run.fields["context"]?["parent_job"] == ["namespace": "airflow", "name": "dag.task"])
    #expect(run.fields["context"]?["parent_run_id"] == .string(parent))
    let known = try target.existing(Identifier(parent))
    #expect(known.fields["status"] == (isParentFirst ? "success" : "pending"))
    #expect(known.organization != run.organization)
    if !isParentFirst { try target.record(own) }
    #expect(try target.existing(Identifier(parent)).fields["status"] == "success")
  }

  @Test func `a later parent of the same organization takes the place of another's, in any order`() throws {
    func child(_ namespace: String, at second: Int) -> JSONObject {
      let facet: JSON = [
        "run": ["runId": "0192bbbb-0000-4000-8000-00000000000b"],
        "job": ["namespace": .string(namespace), "name": "p"],
      ]
      return Self.report("RUNNING", at: second, by: "spark", writing: "t", facets: ["parentRun": facet])
    }
    let events = [child("airflow", at: 1), child("spark", at: 2)]
    for order in [events, events.reversed()] {
      let target = try Self.target(former: ["airflow", "spark"])
      for event in order { try target.record(event) }
      let run = try target.existing(Identifier(Self.run))
      let parent = try #require(run.fields["parent_run_id"]?.stringValue.flatMap { Identifier($0) })
      #expect(try target.existing(parent).organization == run.organization)
      #expect(run.fields["context"] == ["parent_job": ["namespace": "spark", "name": "p"]])
    }
  }

  // MARK: - Columns of several jobs

  private static func columns(_ fields: JSONObject) -> JSONObject {
    ["columnLineage": ["fields": .object(fields.mapValues { ["inputFields": [$0]] })]]
  }

  private static func source(_ field: String, of dataset: String = "src") -> JSON {
    ["namespace": "db", "name": .string(dataset), "field": .string(field), "transformations": [["type": "DIRECT"]]]
  }

  private static func entry(_ source: String, _ target: String) -> JSON {
    ["source": .string(source), "target": .string(target), "transformations": [["type": "DIRECT"]]]
  }

  private static func job(
    _ name: String, at second: Int, run: Int, _ columns: JSONObject, inputs: [String] = ["src"]
  ) -> JSONObject {
    OpenLineageReportTests.event(
      "COMPLETE", at: second, run: "0192cccc-0000-4000-8000-00000000000\(run)",
      job: ["namespace": "ns", "name": .string(name)],
      inputs: .array(inputs.map { OpenLineageReportTests.dataset($0) }),
      outputs: [OpenLineageReportTests.dataset("dst", Self.columns(columns))])
  }

  @Test func `two jobs' columns of one pair stand side by side, and a job's later report replaces only its own`() throws
  {
    let events = [
      Self.job("A", at: 1, run: 1, ["x": Self.source("a")]), Self.job("B", at: 2, run: 2, ["y": Self.source("b")]),
      Self.job("A", at: 3, run: 3, ["z": Self.source("c")]),
    ]
    var summaries: Set<String> = []
    for seed in 0..<12 {
      var generator = Seeded(seed: UInt64(seed))
      let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
      for event in (events + events).shuffled(using: &generator) { try target.record(event) }
      summaries.insert(target.summary)
      let edge = try only("lineage_edge", target, [:])
      let (a, b) = (try pipeline("A", target), try pipeline("B", target))
      #expect(edge["columns"] == [Self.entry("b", "y"), Self.entry("c", "z")])
      #expect(edge["columns_by_job"] == [a: [Self.entry("c", "z")], b: [Self.entry("b", "y")]])
      #expect(edge["pipeline_id"] == .string(a) && edge["reported_at"] == "2024-01-01T00:00:03.000000Z")
    }
    #expect(summaries.count == 1)
  }

  private func pipeline(_ name: String, _ target: MemoryTarget) throws -> String {
    try #require(target.all("pipeline").first { $0.fields["name"] == .string(name) }).id.text
  }

  @Test func `columns that one job alone reports are kept once`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    try target.record(Self.job("A", at: 1, run: 1, ["x": Self.source("a")]))
    try target.record(Self.job("A", at: 2, run: 2, ["y": Self.source("b")]))
    let edge = try only("lineage_edge", target, [:])
    #expect(edge["columns"] == [Self.entry("b", "y")] && edge["columns_by_job"] == nil)
  }

  @Test func `an input that a job's later column lineage passes over has no columns any more`() throws {
    let events = [
      Self.job("A", at: 1, run: 1, ["x": Self.source("a")], inputs: ["src", "other"]),
      Self.job("A", at: 2, run: 2, ["x": Self.source("a", of: "other")], inputs: ["src", "other"]),
    ]
    for order in [events, events.reversed()] {
      let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
      for event in order { try target.record(event) }
      let edges = target.all("lineage_edge").compactMap { $0.fields["columns"] }
      #expect(Set(edges) == [[], [Self.entry("a", "x")]])
    }
  }

  @Test func `one dataset twice among an event's outputs has the columns of both`() throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    let outputs: JSON = [
      OpenLineageReportTests.dataset("dst", Self.columns(["x": Self.source("a")])),
      OpenLineageReportTests.dataset("dst", Self.columns(["y": Self.source("b")])),
    ]
    try target.record(
      OpenLineageReportTests.event("COMPLETE", at: 1, inputs: [OpenLineageReportTests.dataset("src")], outputs: outputs)
    )
    #expect(try only("lineage_edge", target, [:])["columns"] == [Self.entry("a", "x"), Self.entry("b", "y")])
  }

  @Test(arguments: ["A", "B"])
  func `columns of before they were kept by job are those of the job that reported the edge`(_ next: String) throws {
    let target = try MemoryTarget(organization: OpenLineageReportTests.organization)
    try target.record(Self.job("A", at: 1, run: 1, ["x": Self.source("a")]))
    let state = try #require(target.all("lineage_edge").first)
    let (a, time) = (try pipeline("A", target), JSON.string("2024-01-01T00:00:01.000000Z"))
    _ = try target.change(
      state, set: ["reported_at": .null, "reported_fields": ["columns": time, "run_id": time]], event: "edited",
      data: [:])
    try target.record(Self.job(next, at: 2, run: 2, ["y": Self.source("b")]))
    let edge = try only("lineage_edge", target, [:])
    if next == "A" {
      #expect(edge["columns"] == [Self.entry("b", "y")] && edge["columns_by_job"] == nil)
    } else {
      #expect(edge["columns"] == [Self.entry("a", "x"), Self.entry("b", "y")])
      #expect(edge["columns_by_job"]?[a] == [Self.entry("a", "x")])
    }
    #expect(edge["reported_fields"]?["columns"] == nil)
  }
}
