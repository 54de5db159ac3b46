import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

@Suite struct ReactionTests {
  private func pipeline(_ book: TestDomain, _ organization: String, owner: String? = nil) async throws -> String {
    var params: JSONObject = ["name": "loads", "organization_id": .string(organization)]
    if let owner { params["owner_id"] = .string(owner) }
    return try await book.make("pipeline", params)
  }

  private func failedRun(_ book: TestDomain, _ pipeline: String, status: String = "failed") async throws -> JSONObject {
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(pipeline), "trigger_type": "scheduled"])
    return try await book.call("run.finish", ["id": .string(run), "status": .string(status)])
  }

  @Test(arguments: ["failed", "timeout"])
  func `the owner of a pipeline is told that it failed`(_ status: String) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let result = try await failedRun(book, try await pipeline(book, acme, owner: ann.id), status: status)
    #expect(result.eventNames == ["run.finished", "notification.notified"])
    let told = try #require(try book.notifications(in: acme).first)
    #expect(told["type"] == "pipeline_failed" && told["user_id"] == .string(ann.id) && told["is_read"] == false)
    #expect(told["title"] == (status == "failed" ? "loads failed" : "loads ran out of time"))
    #expect(told["resource_type"] == "run" && told["resource_id"] == result["id"])
    #expect(result["position"]?.integerValue == Int64(book.log.head.position), "the answer's position covers it all")
    #expect(result["version"] == .integer(try book.state(try #require(result["id"]?.stringValue)).version))
  }

  @Test func `without an owner who can be told, the maker is, and without one everybody`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let bob = try await book.member("bob", of: acme)
    let made = try await book.make("pipeline", ["name": "p"], as: bob.principal)
    _ = try await failedRun(book, made)
    #expect(try book.notifications(in: acme).last?["user_id"] == .string(bob.id))
    _ = try await failedRun(book, try await pipeline(book, acme))
    #expect(try book.notifications(in: acme).last?["user_id"] == JSON.null)
    let owned = try await pipeline(book, acme, owner: ann.id)
    try await book.call("user.deactivate", ["id": .string(ann.id)])
    _ = try await failedRun(book, owned)
    #expect(try book.notifications(in: acme).last?["user_id"] == JSON.null, "nobody reads a deactivated user's")
  }

  @Test func `who has switched notifications off gets none`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let made = try await pipeline(book, acme, owner: ann.id)
    try await book.make(
      "user_preferences",
      ["user_id": .string(ann.id), "organization_id": .string(acme), "notifications_enabled": false])
    #expect(try await failedRun(book, made).eventNames == ["run.finished"])
    #expect(try book.notifications(in: acme).isEmpty)
  }

  @Test func `success is told to the person who started the run by hand, and to nobody else`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let made = try await pipeline(book, acme)
    func finish(_ trigger: String, as principal: Principal) async throws -> [String] {
      let run = try await book.make(
        by: "run.start", ["pipeline_id": .string(made), "trigger_type": .string(trigger)], as: principal)
      return try await book.call("run.finish", ["id": .string(run), "status": "success"]).eventNames
    }
    #expect(try await finish("manual", as: ann.principal) == ["run.finished", "notification.notified"])
    #expect(try book.notifications(in: acme).last?["type"] == "pipeline_success")
    #expect(try book.notifications(in: acme).last?["user_id"] == .string(ann.id))
    #expect(try await finish("scheduled", as: ann.principal) == ["run.finished"])
    #expect(try await finish("manual", as: TestDomain.administrator) == ["run.finished"])
  }

  @Test func `a report that is late or told twice notifies nobody twice`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let made = try await pipeline(book, acme)
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(made)])
    func finish(_ status: String, _ at: String) async throws -> [String] {
      try await book.call("run.finish", ["id": .string(run), "status": .string(status), "at": .string(at)]).eventNames
    }
    #expect(try await finish("failed", "2100-01-02T00:00:00Z") == ["run.finished", "notification.notified"])
    #expect(try await finish("failed", "2100-01-02T00:00:00Z") == [])
    #expect(try await !finish("failed", "2100-01-03T00:00:00Z").contains("notification.notified"))
    #expect(try await !finish("timeout", "2100-01-01T00:00:00Z").contains("notification.notified"))
  }

  @Test func `reported runs are told and measured like others, once`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    try await book.make(
      "alert_rule",
      [
        "name": "fails", "metric": "run_failed", "operator": "eq", "threshold": 1, "severity": "high",
        "organization_id": .string(acme),
      ])
    func report(_ type: String, _ time: String) async throws -> [String] {
      try await book.call(
        "openlineage.record",
        [
          "event": [
            "eventType": .string(type), "eventTime": .string(time), "producer": "https://example.org/p",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": ["runId": "0197ee00-0000-7000-8000-000000000001"], "job": ["namespace": "ns", "name": "job"],
          ]
        ], as: ann.principal
      ).eventNames
    }
    #expect(try await !report("START", "2026-01-01T00:00:00Z").contains("notification.notified"))
    let failed = try await report("FAIL", "2026-01-01T00:05:00Z")
    #expect(failed.filter { $0 == "notification.notified" }.count == 2, "the run's and the alert's")
    #expect(failed.contains("alert.raised"))
    #expect(try await !report("RUNNING", "2026-01-01T00:04:00Z").contains("notification.notified"))
    #expect(try await report("FAIL", "2026-01-01T00:05:00Z") == [])
    let success = try await report("COMPLETE", "2026-01-01T00:06:00Z")
    #expect(success.contains("alert.resolved"))
    #expect(!success.contains("notification.notified"), "whose key reports it has started nothing by hand")
  }

  @Test func `a dry run says what would follow, and a refused batch takes it back`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let made = try await pipeline(book, acme)
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(made)])
    let before = book.log.head.position
    let finish: JSONObject = ["id": .string(run), "status": "failed"]
    let dry = try await book.call("run.finish", finish.merging(["dry_run": true]))
    #expect(dry.eventNames == ["run.finished", "notification.notified"])
    #expect(book.log.head.position == before)
    _ = try await book.refusal(
      "batch.apply",
      [
        "commands": [
          ["method": "run.finish", "params": .object(finish)],
          ["method": "pipeline.edit", "params": ["id": .string(run), "name": "x"]],
        ]
      ])
    let batch = try await book.call(
      "batch.apply", ["commands": [["method": "run.finish", "params": .object(finish)]]])
    #expect(
      batch["results"]?.arrayValue?.first?.objectValue?.eventNames == ["run.finished", "notification.notified"])
    try book.checkIndexes()
  }

  @Test func `a repeated command answers the same events and causes nothing more`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(try await pipeline(book, acme))])
    let params: JSONObject = ["id": .string(run), "status": "failed", "command_id": "c1"]
    let first = try await book.call("run.finish", params)
    let again = try await book.call("run.finish", params)
    #expect(again["replayed"] == true && again.eventNames == first.eventNames && first.eventNames.count == 2)
    #expect(try book.notifications(in: acme).count == 1)
  }

  @Test func `links staged by earlier commands of a batch are seen by type`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let made = try await pipeline(book, acme)
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(made)])
    let result = try await book.call(
      "batch.apply",
      [
        "commands": [
          [
            "method": "alert_rule.create",
            "params": [
              "name": "r", "metric": "rows_error", "operator": "gt", "threshold": 1, "severity": "low",
              "organization_id": .string(acme),
            ],
          ],
          ["method": "run.measure", "params": ["id": .string(run), "node_id": "n", "rows_error": 5]],
        ]
      ])
    #expect(result["results"]?.arrayValue?.last?.objectValue?.eventNames.contains("alert.raised") == true)
    try book.checkIndexes()
  }
}
