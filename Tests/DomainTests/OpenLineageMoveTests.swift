import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Testing
import Vault

/// What reports have put into the wrong organization comes into the right one, as if it had been reported there.
@Suite struct OpenLineageMoveTests {
  private static let wrong = "01930000-0000-7000-8000-0000000000a1"
  private static let right = "01930000-0000-7000-8000-0000000000a2"

  private static func run(_ number: Int) -> String { "01990000-0000-7000-8000-00000000000\(number)" }

  private static func facet(_ content: JSONObject) -> JSON {
    .object(content.merging(["_producer": "https://p.example", "_schemaURL": "https://openlineage.io/spec/f.json"]))
  }

  /// One event of a run of a job in `airflow`.
  private static func event(
    _ type: String, _ minute: Int, job: String, run: String, namespace: String = "airflow",
    parent: (String, String)? = nil,
    runFacets: JSONObject = [:], jobFacets: JSONObject = [:], inputs: [JSON] = [], outputs: [JSON] = []
  ) -> JSON {
    var facets = runFacets
    if let parent {
      facets["parent"] = facet([
        "run": ["runId": .string(parent.1)], "job": ["namespace": .string(namespace), "name": .string(parent.0)],
      ])
    }
    return [
      "eventType": .string(type), "eventTime": .string("2026-11-20T10:\(minute < 10 ? "0" : "")\(minute):00Z"),
      "producer": "https://p.example", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
      "run": ["runId": .string(run), "facets": .object(facets)],
      "job": ["namespace": .string(namespace), "name": .string(job), "facets": .object(jobFacets)],
      "inputs": .array(inputs), "outputs": .array(outputs),
    ]
  }

  private static func dataset(_ name: String, _ facets: JSONObject = [:], output: JSONObject = [:]) -> JSON {
    var dataset: JSONObject = ["namespace": "db", "name": .string(name), "facets": .object(facets)]
    if !output.isEmpty { dataset["outputFacets"] = .object(output) }
    return .object(dataset)
  }

  /// A graph's run, tasks that failed and were tried again, columns of two jobs, a failed check, a parent that only its
  /// children name, a run id that is no UUID, symlinks, secrets, and jobs and datasets alone.
  private static let events: [JSON] = [
    event(
      "START", 0, job: "dag", run: run(1), jobFacets: ["jobType": facet(["jobType": "DAG", "processingType": "BATCH"])]),
    event(
      "START", 1, job: "dag.load", run: run(2), parent: ("dag", run(1)),
      runFacets: [
        "executionParameters": facet(["parameters": [["key": "db_password", "value": "p4ss-m4rk"]]]),
        "nominalTime": facet(["nominalStartTime": "2026-11-20T10:00:00Z"]),
      ],
      jobFacets: ["sql": facet(["query": "INSERT INTO b SELECT x FROM a"]), "mine": facet(["note": "kept apart"])]),
    event(
      "FAIL", 2, job: "dag.load", run: run(2), parent: ("dag", run(1)),
      runFacets: ["errorMessage": facet(["message": "boom", "stackTrace": "at load.py:7"])]),
    event("START", 3, job: "dag.load", run: run(2), parent: ("dag", run(1))),
    event(
      "COMPLETE", 4, job: "dag.load", run: run(2), parent: ("dag", run(1)), inputs: [dataset("a")],
      outputs: [
        dataset(
          "b",
          [
            "columnLineage": facet([
              "fields": ["y": ["inputFields": [["namespace": "db", "name": "a", "field": "x"]]]]
            ]), "schema": facet(["fields": [["name": "y", "type": "int"]]]),
            "dataQualityAssertions": facet([
              "assertions": [["assertion": "not_null", "column": "y", "success": false]]
            ]), "symlinks": facet(["identifiers": [["namespace": "s3", "name": "b.parquet", "type": "TABLE"]]]),
          ], output: ["outputStatistics": facet(["rowCount": 7, "size": 70])])
      ]),
    event(
      "COMPLETE", 5, job: "dag.copy", run: run(3), parent: ("dag", run(1)), inputs: [dataset("a")],
      outputs: [
        dataset(
          "b",
          [
            "columnLineage": facet([
              "fields": ["z": ["inputFields": [["namespace": "db", "name": "a", "field": "w"]]]]
            ])
          ])
      ]),
    event(
      "RUNNING", 6, job: "alone", run: "scheduled__2026-11-20", parent: ("never told", run(7)),
      inputs: [dataset("only read")]),
    event("START", 7, job: "dag.late", run: run(4), parent: ("dag", run(1))),
    event("COMPLETE", 8, job: "dag", run: run(1)),
    [
      "eventTime": "2026-11-20T10:09:00Z", "producer": "https://p.example",
      "job": ["namespace": "airflow", "name": "declared", "facets": ["documentation": facet(["description": "d"])]],
      "inputs": [dataset("b")], "outputs": [dataset("c")],
    ],
  ]

  private static let staying = event(
    "COMPLETE", 10, job: "model", run: run(8), namespace: "dbt", inputs: [dataset("b")], outputs: [dataset("d")])

  private func book(_ events: [JSON], into organizations: [String]) async throws -> TestDomain {
    let book = try TestDomain()
    book.clock.withLockedValue { $0 = Timestamp("2026-11-30T12:00:00Z") }
    for (id, slug) in [(Self.wrong, "wrong"), (Self.right, "right")] {
      try await book.organization(slug, ["id": .string(id)])
    }
    for organization in organizations {
      for event in events {
        try await book.call("openlineage.record", ["event": event, "organization_id": .string(organization)])
      }
    }
    return book
  }

  private static let order: JSONObject = [
    "from": .string(wrong), "organization_id": .string(right), "namespace": "airflow",
  ]

  /// Moves piece by piece until nothing is left, and adds up what was moved.
  private func moveAll(_ book: TestDomain, limit: Int, _ more: JSONObject = [:]) async throws -> [String: Int64] {
    var sums: [String: Int64] = [:]
    for _ in 0..<100 {
      let answer = try await book.call(
        "openlineage.move", Self.order.merging(["limit": .integer(Int64(limit))]).merging(more))
      for (name, count) in answer["moved"]?.objectValue ?? [:] { sums[name, default: 0] += count.integerValue ?? 0 }
      try book.checkIndexes()
      if answer["left"] == false { return sums }
    }
    Issue.record("It has no end.")
    return sums
  }

  /// What lives in an organization, by type and id, without what tells when and how often something was written. What
  /// people were told stays with them: nobody is told twice.
  private func contents(_ book: TestDomain, _ organization: String) throws -> [String: JSONObject] {
    let owner = try #require(Identifier(organization))
    return try book.log.read { snapshot in
      var all: [String: JSONObject] = [:]
      for link in try snapshot.referrers(of: owner, limit: .max) {
        guard let state = try snapshot.state(link.id), !state.isDeleted, state.organization == owner,
          state.type != "notification"
        else { continue }
        let item = try book.item(state.id.text)
        all["\(state.type) \(state.id.text)"] = item.filter {
          !["created_at", "number", "updated_at", "version", "version_number"].contains($0.key)
        }
      }
      return all
    }
  }

  @Test(arguments: [1, 2, 3, 200])
  func `what was moved is what the same events make where they belong`(limit: Int) async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    let sums = try await moveAll(book, limit: limit)
    #expect(sums["runs"] == 6 && sums["pipelines"] == 6 && sums["alerts"] == 1, "\(sums)")
    #expect(try contents(book, Self.wrong) == [:])
    let told = try await self.book(Self.events, into: [Self.wrong, Self.right])
    let (moved, wanted) = (try contents(book, Self.right), try contents(told, Self.right))
    #expect(Set(moved.keys) == Set(wanted.keys))
    for (name, fields) in wanted {
      let own = moved[name] ?? [:]
      for key in Set(fields.keys).union(own.keys).sorted() {
        #expect(own[key] == fields[key], "\(name) \(key)")
      }
    }
    let head = book.log.head.position
    #expect(try await moveAll(book, limit: limit) == [:])
    #expect(book.log.head.position == head)
  }

  @Test func `a report that comes after the move finds the run, and facets and logs came along`() async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    try await book.call("openlineage.map", ["namespace": "airflow", "organization_id": .string(Self.right)])
    _ = try await moveAll(book, limit: 2)
    let ended = try await book.call(
      "openlineage.record", ["event": Self.event("COMPLETE", 30, job: "dag.late", run: Self.run(4))])
    #expect(ended["organization_id"] == .string(Self.right))
    let id = try #require(ended["id"]?.stringValue)
    let run = try book.item(id)
    #expect(run["external_id"] == .string(Self.run(4)) && run["status"] == "success")
    #expect(run["started_at"] == "2026-11-20T10:07:00.000000Z" && run["duration_seconds"] == 1380)
    #expect(ended.eventNames.filter { $0.hasSuffix("created") }.isEmpty, "\(ended.eventNames)")
    // The copy of the run that failed has what was logged, and its reports with their facets.
    let loads = try contents(book, Self.right).filter { $0.value["external_id"] == .string(Self.run(2)) }
    let load = try #require(loads.keys.first?.split(separator: " ").last.map(String.init))
    let records = try book.records(of: load)
    #expect(records.map(\.header.event).filter { $0 == "run.reported" }.count == 4)
    let log = try #require(records.first { $0.header.event == "run.logged" })
    #expect(Vault.isSealed(log.body.data["lines"] ?? .null) && log.body.data["count"] == 1)
    let opened = try book.vault.openFully(
      log.body.data["lines"] ?? .null, resourceID: try #require(Identifier(load)), field: "data/lines")
    #expect(opened == .value([["at": "2026-11-20T10:02:00.000000Z", "level": "ERROR", "message": "at load.py:7"]]))
    // The secret is readable in its new place, and nowhere in the clear.
    let shown = try await book.call("run.reveal", ["id": .string(load), "reason": "test"])
    #expect(shown["data"]?["params"]?["db_password"] == "p4ss-m4rk")
    #expect(try !book.everything().contains("p4ss-m4rk"))
    // Where it was, a report is told that its run has gone.
    let late = try await book.refusal(
      "openlineage.record",
      ["event": Self.event("COMPLETE", 31, job: "dag", run: Self.run(1)), "organization_id": .string(Self.wrong)])
    #expect(late.code == .gone)
    try book.checkIndexes()
  }

  @Test func `another namespace stays, with the datasets and the edges that are its own`() async throws {
    let before = try await self.book([Self.staying], into: [Self.wrong])
    let book = try await book([Self.staying] + Self.events, into: [Self.wrong])
    _ = try await moveAll(book, limit: 3)
    let (left, wanted) = (try contents(book, Self.wrong), try contents(before, Self.wrong))
    // Beside its own what its dataset is also called, by which another report may know it.
    let alias = try #require(left.first { $0.value["name"] == "b.parquet" }?.key)
    #expect(Set(left.keys) == Set(wanted.keys).union([alias]))
    #expect(try await moveAll(book, limit: 3, ["namespace": "air", "match": "exact"]) == [:])
    let rest = try await moveAll(book, limit: 1, ["namespace": "d", "match": "prefix"])
    #expect(rest["runs"] == 1 && rest["pipelines"] == 1, "\(rest)")
    #expect(try contents(book, Self.wrong) == [:])
    let told = try await self.book([Self.staying] + Self.events, into: [Self.wrong, Self.right])
    #expect(try contents(book, Self.right) == contents(told, Self.right))
  }

  @Test func `what is there already is completed, not overwritten`() async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    // A rule came first, and with it the end of a run that had begun in the wrong place.
    let end = Self.event("COMPLETE", 20, job: "dag.late", run: Self.run(4), outputs: [Self.dataset("b")])
    let early = try await book.call("openlineage.record", ["event": end, "organization_id": .string(Self.right)])
    let run = try #require(early["id"]?.stringValue)
    #expect(try book.item(run)["started_at"] == .null)
    _ = try await moveAll(book, limit: 2)
    let item = try book.item(run)
    #expect(item["started_at"] == "2026-11-20T10:07:00.000000Z" && item["status"] == "success")
    #expect(item["parent_run_id"]?.stringValue != nil && item["duration_seconds"] == 780)
    #expect(try contents(book, Self.wrong) == [:])
  }

  @Test func `datasets alone are moved by their own namespace`() async throws {
    let alone: JSON = [
      "eventTime": "2026-11-20T10:00:00Z", "producer": "https://p.example",
      "dataset": Self.dataset("z", ["documentation": Self.facet(["description": "d"]), "mine": Self.facet(["x": 1])]),
    ]
    let book = try await book([alone, Self.staying], into: [Self.wrong])
    let sums = try await moveAll(book, limit: 1, ["namespace": "db", "kind": "dataset"])
    #expect(sums == ["datasets": 3, "datasets_deleted": 1])
    let moved = try contents(book, Self.right)
    #expect(moved.count == 3 && moved.values.contains { $0["description"] == "d" })
    #expect(try contents(book, Self.wrong).keys.filter { $0.hasPrefix("dataset ") }.count == 2)
    #expect(try await moveAll(book, limit: 1, ["namespace": "db", "kind": "dataset"]) == [:])
  }

  @Test func `what people have made stays, and so does the pipeline that it is of`() async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    let pipeline = try #require(
      try contents(book, Self.wrong).first { $0.value["name"] == "dag.load" && $0.value["namespace"] == "airflow" })
    let id = JSON.string(String(pipeline.key.split(separator: " ")[1]))
    let own = try await book.make("run", ["pipeline_id": id])
    let rule = try await book.make(
      "alert_rule",
      [
        "organization_id": .string(Self.wrong), "name": "r", "metric": "rows_processed", "threshold": 1,
        "operator": "lt", "severity": "low", "pipeline_id": id,
      ])
    let sums = try await moveAll(book, limit: 5)
    #expect(sums["runs"] == 6 && sums["pipelines"] == 5)
    #expect(
      Set(try contents(book, Self.wrong).keys) == ["run \(own)", "alert_rule \(rule)", pipeline.key])
  }

  @Test(arguments: [1, 200])
  func `runs that are each other's parents are moved, and none is lost`(limit: Int) async throws {
    let events = [
      Self.event("START", 1, job: "a", run: Self.run(1), parent: ("b", Self.run(2))),
      Self.event("START", 2, job: "b", run: Self.run(2), parent: ("c", Self.run(3))),
      Self.event("START", 3, job: "c", run: Self.run(3), parent: ("a", Self.run(1))),
    ]
    let book = try await book(events, into: [Self.wrong])
    let sums = try await moveAll(book, limit: limit)
    #expect(sums["runs"] == 3 && sums["pipelines"] == 3, "\(sums)")
    #expect(try contents(book, Self.wrong) == [:])
    #expect(try contents(book, Self.right).keys.filter { $0.hasPrefix("run ") }.count == 3)
  }

  @Test func `children of which a call can't tell all keep their parent`() async throws {
    func id(_ number: Int) -> String {
      "01990000-0000-7000-8000-0000000" + String(repeating: "0", count: 5 - "\(number)".count) + "\(number)"
    }
    let parent = Self.event("START", 1, job: "z", run: Self.run(1))
    let children = (10000..<10620).map { Self.event("START", 2, job: "a", run: id($0), parent: ("z", Self.run(1))) }
    let book = try await book([parent] + children, into: [Self.wrong])
    var calls = 0
    while calls < 100 {
      calls += 1
      let answer = try await book.call(
        "openlineage.move", Self.order.merging(["limit": .integer(min(500, 5 + Int64(calls / 3) * 100))]))
      if answer["left"] == false { break }
    }
    #expect(calls < 100)
    #expect(try contents(book, Self.wrong) == [:])
    let runs = try contents(book, Self.right).filter { $0.key.hasPrefix("run ") }
    let top = try #require(runs.first { $0.value["external_id"] == .string(Self.run(1)) }?.value["id"])
    #expect(runs.count == 621 && runs.values.filter { $0["parent_run_id"] == top }.count == 620)
  }

  @Test func `tasks, what leads from one to the other, and alerts about them come along`() async throws {
    let book = try await book([Self.event("START", 1, job: "a", run: Self.run(1))], into: [Self.wrong])
    let run = JSON.string(Self.run(1))
    let there: JSONObject = ["organization_id": .string(Self.wrong)]
    let tasks = [
      try await book.make("task_run", there.merging(["run_id": run, "name": "z"])),
      try await book.make("task_run", there.merging(["run_id": run, "name": "a"])),
    ]
    try await book.make(
      "lineage_edge", there.merging(["source_id": .string(tasks[0]), "target_id": .string(tasks[1])]))
    try await book.make(
      by: "alert.raise",
      there.merging(["run_id": run, "task_run_id": .string(tasks[1]), "severity": "high", "message": "It is late."]))
    let sums = try await moveAll(book, limit: 200)
    #expect(sums["task_runs"] == 2 && sums["alerts"] == 1, "\(sums)")
    #expect(try contents(book, Self.wrong) == [:])
    let moved = try contents(book, Self.right)
    let names = try Dictionary(
      uniqueKeysWithValues: moved.filter { $0.key.hasPrefix("task_run ") }.map {
        (try #require($0.value["name"]?.stringValue), $0.value["id"] ?? .null)
      })
    let edge = try #require(moved.first { $0.key.hasPrefix("lineage_edge ") }?.value)
    #expect(edge["source_id"] == names["z"] && edge["target_id"] == names["a"])
    let alert = try #require(moved.first { $0.key.hasPrefix("alert ") }?.value)
    #expect(alert["task_run_id"] == names["a"] && alert["message"] == "It is late.")
  }

  @Test(arguments: [false, true])
  func `an edge that a job of each has shown is in both, whoever showed it last`(staysLast: Bool) async throws {
    let (x, y) = (Self.dataset("x"), Self.dataset("y"))
    let going = Self.event("COMPLETE", staysLast ? 1 : 3, job: "g", run: Self.run(1), inputs: [x], outputs: [y])
    let staying = Self.event(
      "COMPLETE", 2, job: "s", run: Self.run(2), namespace: "dbt", inputs: [x], outputs: [y])
    let book = try await book([going, staying], into: [Self.wrong])
    _ = try await moveAll(book, limit: 1)
    let (left, moved) = (try contents(book, Self.wrong), try contents(book, Self.right))
    let kept = try #require(left.first { $0.key.hasPrefix("lineage_edge ") }?.value)
    let copied = try #require(moved.first { $0.key.hasPrefix("lineage_edge ") }?.value)
    #expect(kept["run_id"] == (staysLast ? .string(Self.run(2)) : .null))
    #expect(moved["run \(copied["run_id"]?.stringValue ?? "")"]?["external_id"] == .string(Self.run(1)))
    _ = try await moveAll(book, limit: 1, ["namespace": "dbt"])
    #expect(try contents(book, Self.wrong) == [:])
    #expect(try contents(book, Self.right).keys.filter { $0.hasPrefix("lineage_edge ") }.count == 1)
  }

  @Test func `what was told of a dataset after it was copied comes with the last job that names it`() async throws {
    func told(_ minute: Int, _ job: String, _ run: String, _ namespace: String, _ column: String) -> JSON {
      Self.event(
        "COMPLETE", minute, job: job, run: run, namespace: namespace,
        outputs: [Self.dataset("x", ["schema": Self.facet(["fields": [["name": .string(column), "type": "int"]]])])])
    }
    let book = try await book([told(1, "g", Self.run(1), "airflow", "old")], into: [Self.wrong])
    try await book.call(
      "openlineage.record",
      ["event": told(2, "s", Self.run(2), "dbt", "older"), "organization_id": .string(Self.wrong)])
    _ = try await moveAll(book, limit: 1)
    try await book.call(
      "openlineage.record",
      ["event": told(3, "s", Self.run(3), "dbt", "new"), "organization_id": .string(Self.wrong)])
    func columns(_ organization: String) throws -> JSON? {
      try contents(book, organization).first { $0.key.hasPrefix("dataset ") }?.value["schema_fields"]
    }
    #expect(try columns(Self.right)?.canonicalString.contains("older") == true)
    _ = try await moveAll(book, limit: 1, ["namespace": "dbt"])
    #expect(try columns(Self.right)?.canonicalString.contains("new") == true)
    #expect(try contents(book, Self.wrong) == [:])
  }

  @Test func `log lines that the new organization keeps no more stay behind`() async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    try await book.make(
      "retention_policy",
      ["organization_id": .string(Self.right), "class": "logs", "keep_hours": 168])
    book.clock.withLockedValue { $0 = Timestamp("2026-12-30T12:00:00Z") }
    _ = try await moveAll(book, limit: 200)
    let loads = try contents(book, Self.right).filter { $0.value["external_id"] == .string(Self.run(2)) }
    let load = try #require(loads.keys.first?.split(separator: " ").last.map(String.init))
    let names = try book.records(of: load).map(\.header.event)
    #expect(names.contains("run.reported") && !names.contains("run.logged"), "\(names)")
  }

  @Test func `people who are gone stop nothing`() async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    let person = try await book.member("ann", of: Self.wrong)
    let pipeline = try #require(try contents(book, Self.wrong).first { $0.value["name"] == "dag" }?.key)
    let id = JSON.string(String(pipeline.split(separator: " ")[1]))
    try await book.call("pipeline.edit", ["id": id, "owner_id": .string(person.id)])
    let officer = try await book.member("officer", of: Self.wrong, platformRole: "officer").principal
    try await book.call("subject.erase", ["id": .string(person.id), "reason": "asked"], as: officer)
    _ = try await moveAll(book, limit: 200)
    #expect(try contents(book, Self.wrong).keys.filter { $0.hasPrefix("pipeline ") || $0.hasPrefix("run ") } == [])
    #expect(try contents(book, Self.right).first { $0.value["name"] == "dag" }?.value["owner_id"] == .null)
  }

  @Test func `a hold keeps it, only administrators move, and nothing is moved into itself`() async throws {
    let book = try await book(Self.events, into: [Self.wrong])
    let before = try contents(book, Self.wrong)
    let owner = try await book.member("o", of: Self.right, role: "owner").principal
    #expect(try await book.refusal("openlineage.move", Self.order, as: owner).code == .forbidden)
    // Who knows nothing of the other organization learns nothing of it.
    let stranger = try await book.member("p", of: Self.wrong, role: "owner").principal
    #expect(try await book.refusal("openlineage.move", Self.order, as: stranger).code == .notFound)
    let itself = try await book.refusal(
      "openlineage.move", Self.order.merging(["organization_id": .string(Self.wrong)]))
    #expect(itself.paths == ["/organization_id"])
    let unknown = try await book.refusal("openlineage.move", Self.order.merging(["from": .string(Self.run(9))]))
    #expect(unknown.code == .notFound || unknown.code == .invalidParams)
    let dry = try await book.call("openlineage.move", Self.order.merging(["dry_run": true]))
    #expect(dry["moved"]?["runs"] == 6 && dry["left"] == true)
    #expect(Set(try contents(book, Self.wrong).keys).isSuperset(of: before.keys))
    for held in [Self.run(2), Self.wrong] {
      let hold = try await book.make(
        by: "legal_hold.place", ["held_id": .string(held), "name": "case", "matter": "1", "reason": "a court asked"])
      let refused = try await book.refusal("openlineage.move", Self.order)
      #expect(refused.code == .held)
      try await book.call("legal_hold.release", ["id": .string(hold), "reason": "over"])
    }
    _ = try await moveAll(book, limit: 200)
    #expect(try contents(book, Self.wrong).keys.filter { $0.hasPrefix("run ") || $0.hasPrefix("pipeline ") } == [])
  }
}
