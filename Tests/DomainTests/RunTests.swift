import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing
import Vault

@Suite struct RunTests {
  @Test func `a run is pinned to the version it runs`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    try await book.call("pipeline.edit", ["id": .string(pipeline), "name": "q"])
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(pipeline), "trigger_type": "api"])
    try await book.call("pipeline.edit", ["id": .string(pipeline), "name": "r"])
    let item = try book.item(run)
    #expect(item["pipeline_version"] == 2)
    #expect(item["status"] == "running")
    #expect(item["started_at"] == item["created_at"])
    #expect(item["organization_id"] == .string(acme), "the organization is the pipeline's")
    let pending = try await book.make("run", ["pipeline_id": .string(pipeline)])
    #expect(try book.item(pending)["status"] == "pending")
    #expect(try book.item(pending)["pipeline_version"] == 3)
  }

  @Test func `a run begins and finishes with its duration`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let run = try await book.make("run", ["code": "1", "organization_id": .string(acme)])
    try await book.call("run.begin", ["id": .string(run), "at": "2026-01-01T00:00:00Z"])
    #expect(try await book.call("run.begin", ["id": .string(run)])["events"] == [])
    try await book.call(
      "run.finish",
      [
        "id": .string(run), "status": "completed", "at": "2026-01-01T00:01:30Z", "rows_processed": 7,
        "metrics": ["a": 1],
      ])
    let item = try book.item(run)
    #expect(item["status"] == "success")
    #expect(item["duration_seconds"] == 90)
    #expect(item["rows_processed"] == 7)
    let again = try await book.call("run.finish", ["id": .string(run), "status": "success", "rows_processed": 7])
    #expect(again["events"] == [])
  }

  @Test func `the latest end decides, and what came with a losing end is not taken`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let run = try await book.make(by: "run.start", ["code": "1", "organization_id": .string(acme)])
    let later = Timestamp.now.adding(seconds: 100).text
    let earlier = Timestamp.now.adding(seconds: 50).text
    try await book.call(
      "run.finish", ["id": .string(run), "status": "failed", "at": .string(later), "error_message": "boom"])
    let lost = try await book.call(
      "run.finish", ["id": .string(run), "status": "success", "at": .string(earlier), "error_message": "fine"])
    #expect(lost["events"] == [])
    #expect(try book.item(run)["error_message"] == "boom")
    #expect(try book.item(run)["status"] == "failed")
  }

  @Test func `a preview is kept sealed, with the time when it expires`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme", platform: "etl_builder")
    let run = try await book.make(
      by: "run.start", ["code": "1", "organization_id": .string(acme), "trigger_type": "manual"])
    let rows: JSON = [["name": "plain-name", "n": 1]]
    let result = try await book.call(
      "run.preview",
      [
        "id": .string(run), "node_id": "n1", "sample_data": rows, "schema_info": ["plain-column": "text"],
        "row_count": 10, "column_count": 2,
      ])
    #expect(result.eventNames == ["run.previewed"])
    let record = try #require(try book.records(of: run).last)
    let data = record.body.data
    #expect(Set(data.keys) == ["node_id", "sample_data", "schema_info", "row_count", "column_count", "expires_at"])
    #expect(data["row_count"] == 10 && data["column_count"] == 2)
    #expect(data["expires_at"] == .string(record.header.at.adding(seconds: 86_400).text))
    for (member, value) in [("sample_data", rows), ("schema_info", ["plain-column": "text"] as JSON)] {
      let token = try #require(data[member])
      guard
        case .value(let opened) = try book.vault.open(
          token, resourceID: record.header.resource, field: "data/\(member)")
      else {
        Issue.record("\(member) can't be opened")
        continue
      }
      #expect(opened == value)
      let month = record.header.at.month
      #expect(
        book.vault.owner(of: token)
          == .expiring(organization: Identifier(acme), retentionClass: "previews", month: month))
    }
    let text = try book.everything()
    #expect(!text.contains("plain-name") && !text.contains("plain-column"))
    try await book.call(
      "run.preview",
      [
        "id": .string(run), "node_id": "n1", "sample_data": [], "schema_info": [:],
        "expires_at": "2030-01-01T01:00:00+01:00",
      ])
    #expect(try book.records(of: run).last?.body.data["expires_at"] == "2030-01-01T00:00:00.000000Z")
    // Where neither a policy nor the platform's document says until when, it is kept.
    let other = try await book.organization("other")
    let kept = try await book.make(by: "run.start", ["code": "1", "organization_id": .string(other)])
    try await book.call("run.preview", ["id": .string(kept), "node_id": "n1", "sample_data": []])
    #expect(try book.records(of: kept).last?.body.data["expires_at"] == nil)
    let error = try await book.refusal("run.preview", ["id": .string(run), "row_count": -1])
    #expect(Set(error.paths) == ["/node_id", "/sample_data", "/row_count"])
  }

  @Test func `what has ended cannot be cancelled or begun now`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let run = try await book.make(by: "run.start", ["code": "1", "organization_id": .string(acme)])
    try await book.call("run.cancel", ["id": .string(run)])
    #expect(try book.item(run)["status"] == "cancelled")
    #expect(try await book.call("run.cancel", ["id": .string(run)])["events"] == [])
    #expect(try await book.refusal("run.begin", ["id": .string(run)]).reason == "state")
    let other = try await book.make(by: "run.start", ["code": "1", "organization_id": .string(acme)])
    try await book.call("run.finish", ["id": .string(other), "status": "success"])
    let error = try await book.refusal("run.cancel", ["id": .string(other)])
    #expect(error.data == ["reason": "state", "from": "success", "allowed": ["pending", "running"]])
  }

  @Test func `a measurement is a fact of the run`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let run = try await book.make(by: "run.start", ["code": "1", "organization_id": .string(acme)])
    let result = try await book.call("run.measure", ["id": .string(run), "node_id": "n", "rows_input": 5])
    #expect(result.eventNames == ["run.measured"])
    #expect(result["version"] == 2)
    let data = try #require(try book.records(of: run).last?.body.data)
    #expect(data["rows_input"] == 5)
    #expect(data["rows_output"] == 0)
    #expect(data["at"]?.stringValue.flatMap { Timestamp($0) } != nil)
    #expect(
      try await book.refusal("run.measure", ["id": .string(run), "rows_input": -1]).paths == [
        "/rows_input", "/node_id",
      ])
  }

  @Test func `a task run belongs to its run's organization and step`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let step: JSON = ["name": "a", "order_index": 0, "step_type": "load"]
    let pipeline = try await book.make(
      "pipeline", ["name": "p", "steps": [step], "organization_id": .string(acme)])
    let stepID = try #require(try book.item(pipeline)["steps"]?.arrayValue?.first?["id"])
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(pipeline)])
    try await book.call("pipeline.edit", ["id": .string(pipeline), "steps": []])
    let task = try await book.make(by: "task_run.start", ["run_id": .string(run), "step_id": stepID])
    #expect(try book.item(task)["organization_id"] == .string(acme))
    let wrong: JSONObject = ["run_id": .string(run), "step_id": .string(run)]
    #expect(try await book.refusal("task_run.create", wrong).paths == ["/step_id"])
    #expect(try await book.refusal("task_run.retry", ["id": .string(task)]).reason == "state")
    try await book.call("task_run.finish", ["id": .string(task), "status": "failed", "error_message": "x"])
    try await book.call("task_run.retry", ["id": .string(task)])
    let item = try book.item(task)
    #expect(item["status"] == "pending")
    #expect(item["retry_count"] == 1)
    #expect(item["completed_at"] == JSON.null && item["error_message"] == JSON.null)
    try await book.call("task_run.begin", ["id": .string(task)])
    try await book.call("task_run.finish", ["id": .string(task), "status": "success", "output_data": [1]])
    #expect(try book.item(task)["status"] == "success")
    try await book.call("task_run.log", ["id": .string(task), "lines": [["message": "m"]]])
    try await book.call("task_run.measure", ["id": .string(task), "node_id": "n"])
    #expect(try await book.refusal("task_run.create", ["name": "x"]).paths == ["/run_id", "/organization_id"])
    try book.checkIndexes()
  }
}
