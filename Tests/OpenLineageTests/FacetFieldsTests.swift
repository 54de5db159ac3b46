import BasicTypes
import CanonicalJSON
import EventLog
import OpenLineage
import OpenLineageTestKit
import TestBasics
import Testing

/// Which facets become which fields, in whatever order reports come.
@Suite struct FacetFieldsTests {
  private static let organization = OpenLineageReportTests.organization

  private static func event(
    _ type: String?, at second: Int, run: Int = 1, facets: JSONObject = [:], job: JSONObject = [:], inputs: JSON = [],
    outputs: JSON = []
  ) -> JSONObject {
    OpenLineageReportTests.event(
      type, at: second, run: "0192dddd-0000-7000-8000-00000000000\(run)", facets: facets,
      job: ["namespace": "ns", "name": "job", "facets": .object(job)], inputs: inputs, outputs: outputs)
  }

  /// What events come to in every order that is tried, each once or twice; all of them must be one.
  private func settled(
    _ events: [JSONObject], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> MemoryTarget {
    let target = try MemoryTarget(organization: Self.organization)
    for event in events { try target.record(event) }
    for seed in 0..<24 {
      var generator = Seeded(seed: UInt64(seed))
      let other = try MemoryTarget(organization: Self.organization)
      for event in (seed % 2 == 0 ? events : events + events).shuffled(using: &generator) { try other.record(event) }
      #expect(other.summary == target.summary, "seed \(seed)", sourceLocation: sourceLocation)
    }
    return target
  }

  private func only(_ type: String, _ target: MemoryTarget) throws -> JSONObject {
    let all = target.all(type)
    #expect(all.count == 1)
    return try #require(all.first).fields
  }

  @Test func `nothing is told of a run and a job that no report has said`() throws {
    let target = try settled([Self.event("COMPLETE", at: 1)])
    let run = try only("run", target)
    for field in ["trigger_type", "params", "rows_processed", "data_size_bytes", "tags", "task_states"] {
      #expect(run[field] == nil, "\(field)")
    }
    #expect(try only("pipeline", target)["kind"] == nil)
  }

  @Test func `Airflow's facets say which DAG's run and which try it was, and how it came about`() throws {
    func airflow(_ number: Int64, _ conf: JSON) -> JSONObject {
      [
        "airflow": [
          "dag": ["dag_id": "sales", "owner": "ann@example.com", "timetable_summary": "0 2 * * *"],
          "dagRun": ["dag_id": "sales", "run_id": "scheduled__1", "run_type": "scheduled", "conf": conf],
          "taskInstance": [
            "try_number": .integer(number), "map_index": 2, "rendered_map_index": "c.csv", "log_url": "http://a/log",
          ],
        ], "executionParameters": ["parameters": [["key": "day", "value": "2026-11-27"], ["value": "no key"]]],
      ]
    }
    let target = try settled([
      Self.event("START", at: 1, facets: airflow(1, [:])), Self.event("FAIL", at: 2, facets: airflow(1, [:])),
      Self.event("COMPLETE", at: 3, facets: airflow(2, ["full": true])),
    ])
    let run = try only("run", target)
    #expect(run["dag_id"] == "sales" && run["dag_run_id"] == "scheduled__1" && run["trigger_type"] == "scheduled")
    #expect(run["params"] == ["day": "2026-11-27", "full": true])
    #expect(
      run["context"] == [
        "log_url": "http://a/log", "map_index": 2, "rendered_map_index": "c.csv", "run_type": "scheduled",
        "try_number": 2,
      ])
    // The task's job has no schedule of its own.
    #expect(try only("pipeline", target)["schedule"] == nil)
    // Who owns the DAG stays among what is sealed.
    let kept = try #require(target.events.last { $0.event == "run.reported" }).data["facets"]
    #expect(kept?["run"]?["facets"]?["airflow"]?["dag"]?["owner"] == "ann@example.com")
  }

  @Test(
    arguments: [
      ("manual", "manual"), ("backfill", "manual"), ("operator_triggered", "api"), ("asset_triggered", "scheduled"),
      ("novel", nil),
    ] as [(String, String?)])
  func `the way in which a run came about has one of our words, beside the producer's`(_ told: String, _ word: String?)
    throws
  {
    let target = try settled([
      Self.event("COMPLETE", at: 1, facets: ["airflowDagRun": ["dagRun": ["run_type": .string(told)]]])
    ])
    let run = try only("run", target)
    #expect(run["trigger_type"] == word.map { .string($0) })
    #expect(run["context"] == ["run_type": .string(told)])
  }

  @Test func `a DAG's own events give its graph, its schedule and the states of its tasks`() throws {
    let dag: JSONObject = ["dag": ["timetable_summary": "0 2 * * *", "timetable": ["timezone": "UTC"]]]
    let job: JSONObject = [
      "jobType": ["jobType": "DAG", "integration": "AIRFLOW", "processingType": "BATCH"],
      "airflow": [
        "tasks": [
          "load": ["operator": "a.B", "ui_label": "Load", "downstream_task_ids": []],
          "extract": ["operator": "a.A", "downstream_task_ids": ["load", "unknown"]],
        ]
      ],
    ]
    let states: JSON = [
      "tasksState": ["extract": "success", "load": "upstream_failed", "odd": "no word of ours"],
      "tasksDuration": ["extract": 0.5],
    ]
    let target = try settled([
      Self.event("START", at: 1, facets: ["airflowDagRun": .object(dag)], job: job),
      Self.event("FAIL", at: 2, facets: ["airflowDagRun": .object(dag), "airflowState": states], job: job),
    ])
    let pipeline = try only("pipeline", target)
    #expect(pipeline["kind"] == "dag" && pipeline["schedule"] == "0 2 * * *" && pipeline["is_scheduled"] == true)
    #expect(
      pipeline["tasks"] == [
        ["id": "extract", "type": "a.A", "name": "extract"], ["id": "load", "type": "a.B", "name": "Load"],
      ])
    #expect(pipeline["edges"] == [["source": "extract", "target": "load"]])
    #expect(
      try only("run", target)["task_states"] == [
        "extract": ["state": "success", "duration": 0.5], "load": ["state": "upstream_failed"],
      ])
    let none: JSONObject = ["dag": ["timetable_summary": "None"]]
    try target.record(Self.event("START", at: 3, facets: ["airflowDagRun": .object(none)], job: job))
    #expect(try only("pipeline", target)["schedule"] == nil)
  }

  @Test func `a run has tags, and how much it wrote to all its outputs together`() throws {
    func output(_ name: String, _ rows: Int64, _ size: Int64?) -> JSON {
      var statistics: JSONObject = ["rowCount": .integer(rows)]
      if let size { statistics["size"] = .integer(size) }
      return [
        "namespace": "db", "name": .string(name), "outputFacets": ["outputStatistics": .object(statistics)],
      ]
    }
    let tags: JSONObject = ["tags": ["tags": [["key": "env", "value": "prod"]]]]
    let target = try settled([
      Self.event("START", at: 1, facets: tags, outputs: [output("a", 1, 1), output("b", 5, nil)]),
      Self.event("RUNNING", at: 2, outputs: [output("a", 10, 3), output("c", -1, nil)]),
      Self.event("COMPLETE", at: 3, outputs: [["namespace": "db", "name": "a"]]),
    ])
    let run = try only("run", target)
    #expect(run["rows_processed"] == 15 && run["data_size_bytes"] == 3 && run["tags"] == ["env:prod"])
  }

  @Test func `a stack trace is a line of the run's log`() throws {
    let facets: JSONObject = ["errorMessage": ["message": "boom", "stackTrace": "at X\nat Y"]]
    let target = try MemoryTarget(organization: Self.organization)
    for event in [Self.event("FAIL", at: 1, facets: facets), Self.event("FAIL", at: 1, facets: facets)] {
      try target.record(event)
    }
    let logged = target.events.filter { $0.event == "run.logged" }
    #expect(
      logged.map(\.data) == [
        [
          "lines": [["at": "2024-01-01T00:00:01.000000Z", "level": "ERROR", "message": "at X\nat Y"]], "count": 1,
          "levels": ["ERROR": 1],
        ]
      ])
  }

  @Test func `checks stand at the dataset, each with its own time, and one that failed is an alert`() throws {
    func checked(_ assertions: JSON) -> JSON {
      [
        [
          "namespace": "db", "name": "t",
          "inputFacets": ["dataQualityAssertions": ["assertions": assertions]],
        ]
      ]
    }
    let failed: JSON = [
      "assertion": "not_null", "column": "id", "success": false, "severity": "error", "expected": "0", "actual": "1",
    ]
    let passed: JSON = ["assertion": "not_null", "column": "id", "success": true]
    let target = try settled([
      Self.event("FAIL", at: 1, run: 1, inputs: checked([failed])),
      Self.event("COMPLETE", at: 2, run: 2, inputs: checked([passed, ["assertion": "unique", "success": true]])),
      Self.event(
        "FAIL", at: 3, run: 3,
        facets: ["testRun": ["tests": [["name": "fresh", "status": "fail", "severity": "warn"], ["name": "odd"]]]],
        inputs: [["namespace": "db", "name": "t"]]),
    ])
    #expect(
      try only("dataset", target)["statistics"]?["assertions"] == [
        ["assertion": "not_null", "column": "id", "success": true, "reported_at": "2024-01-01T00:00:02.000000Z"],
        ["assertion": "unique", "success": true, "reported_at": "2024-01-01T00:00:02.000000Z"],
        ["name": "fresh", "severity": "warn", "success": false, "reported_at": "2024-01-01T00:00:03.000000Z"],
      ])
    let alerts = target.all("alert").sorted {
      ($0.fields["level"]?.stringValue ?? "") < ($1.fields["level"]?.stringValue ?? "")
    }
    #expect(alerts.map { $0.fields["level"] } == ["error", "warning"])
    #expect(alerts.map { $0.fields["alert_type"] } == ["data_quality", "data_quality"])
    #expect(alerts.first?.fields["message"] == "The check not_null of id fails on t (db).")
    #expect(alerts.first?.fields["run_id"] == "0192dddd-0000-7000-8000-000000000001")
    #expect(alerts.first?.fields["context"]?["column"] == "id")
  }

  // MARK: - Tries

  @Test func `a success shows no earlier try's error or duration`() throws {
    let error: JSONObject = ["errorMessage": ["message": "first try failed"]]
    let target = try settled([
      Self.event("START", at: 0), Self.event("FAIL", at: 5, facets: error), Self.event("START", at: 50),
      Self.event("RUNNING", at: 51), Self.event("COMPLETE", at: 59),
    ])
    let run = try only("run", target)
    #expect(run["status"] == "success" && run["error_message"] == nil && run["duration_seconds"] == 9)
    #expect(run["started_at"] == "2024-01-01T00:00:50.000000Z")
  }

  @Test func `a second failure shows its own try, and one end that two tell is one try`() throws {
    let failed = try only(
      "run",
      try settled([
        Self.event("START", at: 0), Self.event("FAIL", at: 5), Self.event("START", at: 10),
        Self.event("FAIL", at: 14, facets: ["errorMessage": ["message": "again"]]),
      ]))
    #expect(failed["duration_seconds"] == 4 && failed["error_message"] == "again")
    let twice = try only(
      "run",
      try settled([
        Self.event("START", at: 2), Self.event("COMPLETE", at: 5), Self.event("COMPLETE", at: 6),
      ]))
    #expect(twice["duration_seconds"] == 4 && twice["started_at"] == "2024-01-01T00:00:02.000000Z")
  }

  @Test func `how long a try took whose start was lost isn't told`() throws {
    let run = try only(
      "run",
      try settled([Self.event("START", at: 0), Self.event("FAIL", at: 5), Self.event("COMPLETE", at: 59)]))
    #expect(run["status"] == "success" && run["started_at"] == nil && run["duration_seconds"] == nil)
  }

  // MARK: - The lineage facet

  private static func source(_ name: String, _ field: String? = nil) -> JSON {
    var json: JSONObject = ["type": "DATASET", "namespace": "db", "name": .string(name)]
    if let field { json["field"] = .string(field) }
    return .object(json)
  }

  /// The pairs of datasets' names between which there is an edge.
  private func edges(_ target: MemoryTarget) throws -> Set<String> {
    func name(_ value: JSON?) throws -> String {
      try target.existing(value?.stringValue.flatMap { Identifier($0) }).fields["name"]?.stringValue ?? ""
    }
    return Set(
      try target.all("lineage_edge").map {
        "\(try name($0.fields["source_id"])) > \(try name($0.fields["target_id"]))"
      })
  }

  @Test(arguments: [true, false])
  func `a job's lineage facet decides the edges instead of each input with each output`(_ hasRun: Bool) throws {
    let facet: JSON = [
      "entries": [
        [
          "type": "DATASET", "namespace": "db", "name": "out_a", "inputs": [Self.source("in_a")],
          "fields": ["x": ["inputs": [Self.source("in_a", "y")]]],
        ],
        ["type": "DATASET", "namespace": "db", "name": "out_b", "inputs": [Self.source("in_b")]],
        ["type": "JOB", "inputs": [Self.source("in_b")]],
      ]
    ]
    var event = Self.event(
      "COMPLETE", at: 1, job: ["lineage": facet],
      inputs: ["in_a", "in_b"].map { OpenLineageReportTests.dataset($0) }.json,
      outputs: ["out_a", "out_b"].map { OpenLineageReportTests.dataset($0) }.json)
    if !hasRun { (event["run"], event["eventType"]) = (nil, nil) }
    let target = try settled([event])
    #expect(try edges(target) == ["in_a > out_a", "in_b > out_b"])
    let columns = target.all("lineage_edge").compactMap { $0.fields["columns"] }
    #expect(columns == [[["source": "y", "target": "x", "transformations": []]]])
    if hasRun { #expect(try only("run", target)["input_dataset_ids"]?.arrayValue?.count == 2) }
  }

  @Test func `a dataset's lineage facet decides its own edges and leaves the other outputs'`() throws {
    let told = OpenLineageReportTests.dataset("told", ["lineage": ["inputs": [Self.source("a")], "fields": [:]]])
    let target = try settled([
      Self.event("START", at: 1, inputs: ["a", "b"].map { OpenLineageReportTests.dataset($0) }.json),
      Self.event("COMPLETE", at: 2, outputs: [told, OpenLineageReportTests.dataset("listed")]),
    ])
    #expect(try edges(target) == ["a > told", "a > listed", "b > listed"])
    let nothing = try settled([
      Self.event(
        "COMPLETE", at: 1, inputs: [OpenLineageReportTests.dataset("a")],
        outputs: [OpenLineageReportTests.dataset("t", ["lineage": ["inputs": []]])])
    ])
    #expect(try edges(nothing) == [])
  }

  @Test func `the pairs of a lineage facet count, and more than one report may show are refused`() throws {
    let inputs = (0..<2001).map { Self.source("in\($0)") }
    let event = Self.event(
      "COMPLETE", at: 1,
      job: ["lineage": ["entries": [["type": "DATASET", "namespace": "db", "name": "t", "inputs": .array(inputs)]]]])
    let target = try MemoryTarget(organization: Self.organization)
    #expect(throws: ReportFailure.tooManyPairs(limit: 2000)) { try target.record(event) }
    #expect(target.events.isEmpty)
  }
}

extension [JSON] {
  fileprivate var json: JSON { .array(self) }
}
