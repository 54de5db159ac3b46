import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Records
import Refusals
import Testing

@Suite struct PipelineTests {
  @Test func `a version is made only where content differs, and a rollback makes a new one`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "pipeline",
      ["name": "one", "config": ["a": 1, "b": 2], "organization_id": .string(acme), "description": "first"])
    try await book.call("pipeline.edit", ["id": .string(id), "name": "two"])
    try await book.call("pipeline.publish", ["id": .string(id)])
    try await book.call("pipeline.edit", ["id": .string(id), "config": ["b": 2, "a": 1]])
    try await book.call("pipeline.edit", ["id": .string(id), "config": ["c": 3], "description": nil])
    #expect(try book.item(id)["version_number"] == 3)
    let result = try await book.call("pipeline.rollback", ["id": .string(id), "to_version": 1, "reason": "it broke"])
    #expect(result.eventNames == ["pipeline.rolled_back"])
    let item = try book.item(id)
    #expect(item["version_number"] == 4)
    #expect(item["name"] == "one")
    #expect(item["config"] == ["a": 1, "b": 2])
    #expect(item["description"] == "first")
    #expect(item["status"] == "active", "a rollback leaves the lifecycle alone")
    let record = try #require(try book.records(of: id).last)
    #expect(record.body.data == ["rolled_back_to": 1])
    #expect(try book.view.reason(record.body.reason, resource: record.header.resource) == "it broke")
    try await book.call("pipeline.rollback", ["id": .string(id), "to_version": 3])
    #expect(try book.item(id)["description"] == JSON.null)
    #expect(try book.item(id)["version_number"] == 5)
    #expect(try await book.refusal("pipeline.rollback", ["id": .string(id), "to_version": 6]).paths == ["/to_version"])
    #expect(try await book.refusal("pipeline.rollback", ["id": .string(id), "to_version": 0]).paths == ["/to_version"])
  }

  @Test func `a rollback to content that is there records nothing`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "one", "organization_id": .string(acme)])
    try await book.call("pipeline.edit", ["id": .string(id), "name": "two"])
    try await book.call("pipeline.edit", ["id": .string(id), "name": "one"])
    let head = book.log.head.position
    // Version 1 has the content of version 3, which is the present one.
    for version: Int64 in [1, 3] {
      let result = try await book.call(
        "pipeline.rollback", ["id": .string(id), "to_version": .integer(version), "reason": "again"])
      #expect(result["events"] == [])
      #expect(result["version"] == 3)
    }
    #expect(book.log.head.position == head)
    #expect(try book.item(id)["version_number"] == 3)
    let missing = try await book.refusal("pipeline.rollback", ["id": .string(id), "to_version": 4])
    #expect(missing.paths == ["/to_version"])
    let stale = try await book.refusal(
      "pipeline.rollback", ["id": .string(id), "to_version": 3, "expected_version": 2])
    #expect(stale.reason == "version")
  }

  @Test func `a DAG says how it stands to its scheduler, and an edit after a sync makes it modified`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "pipeline", ["name": "one", "kind": "dag", "organization_id": .string(acme)])
    func status() throws -> JSON? { try book.item(id)["sync_status"] }
    #expect(try status() == "pending")
    #expect(try book.item(id)["last_synced_at"] == JSON.null)
    try await book.call("pipeline.edit", ["id": .string(id), "name": "two"])
    #expect(try status() == "pending", "what was never synced is pending still")
    let synced = try await book.call("pipeline.mark_synced", ["id": .string(id)])
    #expect(synced.eventNames == ["pipeline.marked_synced"])
    #expect(try status() == "synced")
    let at = try #require(try book.item(id)["last_synced_at"])
    #expect(try book.item(id)["updated_at"] == at)
    #expect(try book.item(id)["version_number"] == 2, "a sync makes no version")
    // Neither the lifecycle nor an edit that changes nothing is new content.
    try await book.call("pipeline.publish", ["id": .string(id)])
    try await book.call("pipeline.edit", ["id": .string(id), "name": "two"])
    #expect(try status() == "synced")
    try await book.call("pipeline.edit", ["id": .string(id), "name": "three"])
    #expect(try status() == "modified")
    #expect(try book.item(id)["last_synced_at"] == at)
    let failed = try await book.call("pipeline.mark_sync_failed", ["id": .string(id), "error": "no such host"])
    #expect(failed.eventNames == ["pipeline.marked_sync_failed"])
    #expect(try status() == "error")
    #expect(try book.records(of: id).last?.body.data == ["error": "no such host"])
    #expect(try await book.call("pipeline.mark_sync_failed", ["id": .string(id)])["events"] == [])
    let again = try await book.call("pipeline.mark_sync_failed", ["id": .string(id), "error": "still none"])
    #expect(again.eventNames == ["pipeline.marked_sync_failed"], "another failure is a fact of its own")
    try await book.call("pipeline.rollback", ["id": .string(id), "to_version": 1])
    #expect(try status() == "modified")
    #expect(try book.item(id)["last_synced_at"] == at)
  }

  @Test(arguments: ["flow", "page"])
  func `only a DAG is synced`(_ kind: String) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "pipeline", ["name": "one", "kind": .string(kind), "organization_id": .string(acme)])
    #expect(try book.item(id)["sync_status"] == JSON.null)
    for method in ["pipeline.mark_synced", "pipeline.mark_sync_failed"] {
      let error = try await book.refusal(method, ["id": .string(id)])
      #expect(error.code == .conflict && error.reason == "state")
    }
    let set = try await book.refusal("pipeline.edit", ["id": .string(id), "sync_status": "synced"])
    #expect(set.paths == ["/sync_status"])
  }

  @Test func `a rollback reaches across many versions`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "n0", "organization_id": .string(acme)])
    for number in 1...150 {
      try await book.call("pipeline.edit", ["id": .string(id), "name": .string("n\(number)")])
    }
    for wanted: Int64 in [1, 64, 87, 88, 150] {
      try await book.call("pipeline.rollback", ["id": .string(id), "to_version": .integer(wanted)])
      #expect(try book.item(id)["name"] == .string("n\(wanted - 1)"))
    }
  }

  @Test func `a version can be named`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let result = try await book.call(
      "pipeline.name_version", ["id": .string(id), "version_number": 1, "name": "good one"])
    #expect(result.eventNames == ["pipeline.version_named"])
    #expect(try book.records(of: id).last?.body.data == ["version_number": 1, "name": "good one"])
    let error = try await book.refusal("pipeline.name_version", ["id": .string(id), "version_number": 2, "name": "x"])
    #expect(error.paths == ["/version_number"])
  }

  @Test func `steps get ids that stay, and their order and dependencies are checked`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func step(_ name: String, _ order: Int64, _ dependencies: [String] = []) -> JSON {
      [
        "name": .string(name), "order_index": .integer(order), "step_type": "extract",
        "dependencies": .array(dependencies.map(JSON.string)),
      ]
    }
    let steps: JSON = [step("a", 0), step("b", 1, ["a"])]
    let id = try await book.make("pipeline", ["name": "p", "steps": steps, "organization_id": .string(acme)])
    let stored = try #require(try book.item(id)["steps"]?.arrayValue)
    #expect(stored.allSatisfy { $0["id"]?.stringValue.flatMap { Identifier($0) } != nil })
    #expect(stored[0]["is_parallel"] == false)
    #expect(try await book.call("pipeline.edit", ["id": .string(id), "steps": steps])["events"] == [])
    let wrong: [(JSON, String)] = [
      ([step("a", 0), step("b", 0)], "/steps/1/order_index"), ([step("a", 0, ["x"])], "/steps/0/dependencies/0"),
      ([step("a", 0, ["a"])], "/steps/0/dependencies/0"), ([step("a", 0, ["b"]), step("b", 1, ["a"])], "/steps"),
      ([step("a", 0), step("a", 1), step("c", 2, ["a"])], "/steps/2/dependencies/0"),
    ]
    for (steps, path) in wrong {
      let error = try await book.refusal("pipeline.edit", ["id": .string(id), "steps": steps])
      #expect(error.paths == [path])
      let made = try await book.refusal(
        "pipeline.create", ["name": "p", "steps": steps, "organization_id": .string(acme)])
      #expect(made.paths == [path])
    }
  }

  @Test func `edges lead to nodes, and a DAG has no circle`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func edge(_ from: String, _ to: String) -> JSON { ["source": .string(from), "target": .string(to)] }
    let nodes: JSON = [["id": "a", "type": "source"], ["id": "b", "type": "sink"]]
    let circle: JSON = [edge("a", "b"), edge("b", "a")]
    func params(_ kind: String, _ nodes: JSON, _ edges: JSON) -> JSONObject {
      ["name": "p", "kind": .string(kind), "nodes": nodes, "edges": edges, "organization_id": .string(acme)]
    }
    try await book.call("pipeline.create", params("flow", nodes, circle))
    #expect(try await book.refusal("pipeline.create", params("dag", nodes, circle)).paths == ["/edges"])
    #expect(
      try await book.refusal("pipeline.create", params("flow", [["id": "a"], ["id": "a"]], [])).paths == ["/nodes/1/id"]
    )
    #expect(
      try await book.refusal("pipeline.create", params("page", nodes, [edge("a", "c")])).paths == ["/edges/0/target"])
    let dag = try await book.make("pipeline", params("dag", nodes, [edge("a", "b")]))
    #expect(try await book.refusal("pipeline.edit", ["id": .string(dag), "edges": circle]).paths == ["/edges"])
    #expect(
      try await book.refusal("pipeline.edit", ["id": .string(dag), "nodes": [["id": "a"]]]).paths == ["/edges/0/target"]
    )
  }

  @Test(arguments: [
    "0 2 * * *", "*/15 0-23/2 1,15 jan-mar MON-fri", "@daily", "@hourly", "@yearly", "59 23 31 12 7",
  ])
  func `a schedule in a known form is taken`(_ line: String) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    try await book.call(
      "pipeline.create", ["name": "p", "schedule": .string(line), "organization_id": .string(acme)])
    try await book.call(
      "pipeline.create",
      [
        "name": "p", "organization_id": .string(acme),
        "schedule": ["interval": .string(line), "start_date": "2024-01-01", "catchup": false],
      ])
  }

  @Test(arguments: [
    "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * foo *", "* * * * 8", "5-1 * * * *",
    "*/0 * * * *", "1//2 * * * *", "@sometimes", "* * * * * *", "1,,2 * * * *", "-1 * * * *",
  ])
  func `a schedule in another form is refused, and says why`(_ line: String) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let error = try await book.refusal(
      "pipeline.create", ["name": "p", "schedule": .string(line), "organization_id": .string(acme)])
    #expect(error.paths == ["/schedule"])
    let object = try await book.refusal(
      "pipeline.create",
      ["name": "p", "schedule": ["interval": .string(line), "when": 1], "organization_id": .string(acme)])
    #expect(object.paths == ["/schedule/interval", "/schedule/when"])
  }
}
