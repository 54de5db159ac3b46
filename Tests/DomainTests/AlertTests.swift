import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import Testing

/// A pipeline under an alert rule with a policy of two levels, and a clock that the test owns.
private struct Watch {
  let book: TestDomain
  let organization: String
  let ann: (id: String, principal: Principal)
  let bob: (id: String, principal: Principal)
  let policy: String
  let rule: String
  let pipeline: String
  let start: Timestamp

  init() async throws {
    book = try TestDomain()
    start = Timestamp.now
    book.clock.withLockedValue { [start] in $0 = start }
    organization = try await book.organization("acme")
    ann = try await book.member("ann", of: organization)
    bob = try await book.member("bob", of: organization)
    policy = try await book.make(
      "escalation_policy",
      [
        "name": "two levels", "organization_id": .string(organization),
        "levels": [
          ["after_minutes": 10, "severity": "high", "notify_user_ids": [.string(ann.id)], "channels": ["email"]],
          ["after_minutes": 20, "severity": "critical", "notify_user_ids": [.string(ann.id), .string(bob.id)]],
        ],
      ])
    rule = try await book.make(
      "alert_rule",
      [
        "name": "too many errors", "metric": "rows_error", "threshold": 10, "operator": "gt", "severity": "medium",
        "cooldown_minutes": 30, "escalation_policy_id": .string(policy), "owner_id": .string(ann.id),
        "organization_id": .string(organization),
      ])
    pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
  }

  /// Sets the clock to so many minutes after the beginning.
  func minute(_ minutes: Int64) {
    book.clock.withLockedValue { $0 = start.adding(seconds: minutes * 60) }
  }

  func at(_ minutes: Int64) -> JSON { .string(start.adding(seconds: minutes * 60).text) }

  func run() async throws -> String {
    try await book.make(by: "run.start", ["pipeline_id": .string(pipeline)])
  }

  @discardableResult
  func measure(_ run: String, errors: Int64, node: String = "n1") async throws -> JSONObject {
    try await book.call(
      "run.measure", ["id": .string(run), "node_id": .string(node), "rows_error": .integer(errors)])
  }

  func openAlert() throws -> String? { try book.item(rule)["open_alert_id"]?.stringValue }

  @discardableResult
  func escalateDue(_ alert: String) async throws -> JSONObject {
    try await book.call("alert.escalate_due", ["id": .string(alert)], as: .server)
  }
}

extension TestDomain {
  /// The living notifications of an organization, oldest first.
  func notifications(in organization: String) throws -> [JSONObject] {
    let id = try #require(Identifier(organization))
    let links = try log.read { try $0.referrers(of: id, type: "notification", limit: .max) }
    let items = try links.map { try item($0.id.text) }
    return items.sorted { ($0["number"]?.integerValue ?? 0) < ($1["number"]?.integerValue ?? 0) }
  }
}

@Suite struct AlertTests {
  @Test func `a rule fires on a measurement, in the same command`() async throws {
    let watch = try await Watch()
    let run = try await watch.run()
    #expect(try await watch.measure(run, errors: 10).eventNames == ["run.measured"], "10 is not more than 10")
    let result = try await watch.measure(run, errors: 11)
    #expect(
      result.eventNames == ["run.measured", "alert.raised", "alert_rule.fired", "notification.notified"])
    let id = try #require(try watch.openAlert())
    let alert = try watch.book.item(id)
    #expect(alert["status"] == "active" && alert["severity"] == "medium" && alert["level"] == "warning")
    #expect(alert["metric"] == "rows_error" && alert["metric_value"] == 11 && alert["alert_type"] == "data_quality")
    #expect(alert["run_id"] == .string(run) && alert["rule_id"] == .string(watch.rule))
    #expect(alert["context"] == ["pipeline_id": .string(watch.pipeline), "node_id": "n1"])
    #expect(alert["message"] == "rows_error is 11, more than 10 (too many errors)")
    #expect(alert["next_escalation_at"] == watch.at(10))
    #expect(try watch.book.item(watch.rule)["last_fired_at"] == watch.at(0))
    let told = try #require(try watch.book.notifications(in: watch.organization).last)
    #expect(told["type"] == "alert" && told["user_id"] == .string(watch.ann.id))
    #expect(told["resource_type"] == "alert" && told["resource_id"] == .string(id))
  }

  @Test func `what an event causes is the server's, and names the event`() async throws {
    let watch = try await Watch()
    let run = try await watch.run()
    let result = try await watch.book.call(
      "run.measure",
      ["id": .string(run), "node_id": "n", "rows_error": 99, "reason": "because", "correlation_id": "c-1"],
      as: watch.ann.principal, from: Origin(ip: "192.0.2.1", userAgent: nil))
    let events = try #require(result["events"]?.arrayValue)
    let alert = try #require(try watch.openAlert())
    let raised = try #require(try watch.book.records(of: alert).first)
    #expect(raised.header.actor == "server" && raised.body.correlation == "c-1")
    #expect(raised.header.causation?.text == events[0]["id"]?.stringValue)
    #expect(raised.body.reason == nil && raised.body.origin == nil)
    let notification = try #require(try watch.book.notifications(in: watch.organization).last?["id"]?.stringValue)
    let told = try #require(try watch.book.records(of: notification).first)
    #expect(told.header.causation == raised.header.id && told.header.actor == "server")
    #expect(told.body.set["created_by"] == .string(CommandEngine.systemUser.text))
  }

  @Test func `an alert escalates twice by its policy, and not before its time`() async throws {
    let watch = try await Watch()
    try await watch.measure(try await watch.run(), errors: 50)
    let id = try #require(try watch.openAlert())
    watch.minute(9)
    #expect(try await watch.escalateDue(id).eventNames == [])
    watch.minute(10)
    #expect(try await watch.escalateDue(id).eventNames == ["alert.escalated_by_policy", "notification.notified"])
    #expect(try await watch.escalateDue(id).eventNames == [], "the next level is due later")
    var alert = try watch.book.item(id)
    #expect(alert["escalation_level"] == 1 && alert["severity"] == "high" && alert["level"] == "error")
    #expect(alert["last_escalated_at"] == watch.at(10) && alert["next_escalation_at"] == watch.at(30))
    watch.minute(31)
    #expect(
      try await watch.escalateDue(id).eventNames
        == ["alert.escalated_by_policy", "notification.notified", "notification.notified"])
    alert = try watch.book.item(id)
    #expect(alert["escalation_level"] == 2 && alert["severity"] == "critical" && alert["level"] == "critical")
    #expect(alert["next_escalation_at"] == JSON.null)
    #expect(
      alert["notifications_sent"] == [
        ["level": 1, "at": watch.at(10), "channels": ["email"], "user_ids": [.string(watch.ann.id)]],
        ["level": 2, "at": watch.at(31), "channels": [], "user_ids": [.string(watch.ann.id), .string(watch.bob.id)]],
      ])
    watch.minute(1000)
    #expect(try await watch.escalateDue(id).eventNames == [])
    let told = try watch.book.notifications(in: watch.organization).filter { $0["type"] == "alert" }
    #expect(
      told.map { $0["user_id"]?.stringValue } == [watch.ann.id, watch.ann.id, watch.ann.id, watch.bob.id])
  }

  @Test func `an alert resolves itself, and its rule cools down before it fires again`() async throws {
    let watch = try await Watch()
    let run = try await watch.run()
    try await watch.measure(run, errors: 50)
    let first = try #require(try watch.openAlert())
    #expect(try await watch.measure(run, errors: 60).eventNames == ["run.measured"], "one alert is open already")
    watch.minute(5)
    let ended = try await watch.measure(run, errors: 3)
    #expect(ended.eventNames == ["run.measured", "alert.resolved", "alert_rule.cleared"])
    let alert = try watch.book.item(first)
    #expect(alert["status"] == "resolved" && alert["resolution_type"] == "auto")
    #expect(alert["resolved_at"] == watch.at(5) && alert["resolved_by"] == JSON.null)
    #expect(alert["next_escalation_at"] == JSON.null)
    #expect(try watch.openAlert() == nil)
    watch.minute(29)
    #expect(try await watch.measure(run, errors: 50).eventNames == ["run.measured"], "it cools down for 30 minutes")
    watch.minute(30)
    #expect(try await watch.measure(run, errors: 50).eventNames.contains("alert.raised"))
    #expect(try watch.openAlert() != first)
    try watch.book.checkIndexes()
  }

  @Test func `the good values of one node end no other node's alert`() async throws {
    let watch = try await Watch()
    let run = try await watch.run()
    try await watch.measure(run, errors: 50, node: "n1")
    #expect(try await watch.measure(run, errors: 0, node: "n2").eventNames == ["run.measured"])
    #expect(try await watch.measure(run, errors: 0, node: "n1").eventNames.contains("alert.resolved"))
  }

  @Test(arguments: ["run", "task_run"])
  func `no rule is asked about a counter that the measurement never gave`(_ type: String) async throws {
    let watch = try await Watch()
    let low = try await watch.book.make(
      "alert_rule",
      [
        "name": "nothing comes out", "metric": "rows_output", "threshold": 1, "operator": "lt", "severity": "high",
        "organization_id": .string(watch.organization),
      ])
    let run = try await watch.run()
    let id =
      type == "run" ? run : try await watch.book.make(by: "task_run.start", ["run_id": .string(run), "name": "t"])
    func measure(_ params: JSONObject) async throws -> [String] {
      try await watch.book.call("\(type).measure", params.merging(["id": .string(id), "node_id": "n"])).eventNames
    }
    #expect(try await measure(["rows_error": 3]) == ["\(type).measured"])
    #expect(try await measure(["rows_output": .null]) == ["\(type).measured"])
    let stored = try #require(try watch.book.records(of: id).last).body.data
    #expect(stored["rows_output"] == 0 && stored["rows_input"] == 0, "what is stored keeps its defaults")
    #expect(try watch.book.item(low)["open_alert_id"] == JSON.null)
    #expect(try await measure(["rows_output": 0]).contains("alert.raised"))
    #expect(try await measure(["rows_error": 3]) == ["\(type).measured"], "what says nothing ends nothing")
    #expect(try await measure(["rows_output": 1]).contains("alert.resolved"))
  }

  @Test(arguments: ["alert.create", "alert.raise"])
  func `an alert raised by hand becomes its rule's open one, where there is none`(_ method: String) async throws {
    let watch = try await Watch()
    func raise() async throws -> JSONObject {
      try await watch.book.call(
        method,
        ["message": "seen", "rule_id": .string(watch.rule), "organization_id": .string(watch.organization)],
        as: watch.bob.principal)
    }
    let raised = try await raise()
    let id = try #require(raised["id"]?.stringValue)
    #expect(raised.eventNames.prefix(2).last == "alert_rule.fired")
    #expect(try watch.openAlert() == id && watch.book.item(watch.rule)["last_fired_at"] == watch.at(0))
    #expect(try watch.book.records(of: watch.rule).last?.header.actor == "server")
    watch.minute(1)
    #expect(try await !raise().eventNames.contains("alert_rule.fired"), "one is open already")
    #expect(try watch.openAlert() == id && watch.book.item(watch.rule)["last_fired_at"] == watch.at(0))
    let run = try await watch.run()
    #expect(try await watch.measure(run, errors: 50).eventNames == ["run.measured"], "it is open")
    #expect(
      try await watch.measure(run, errors: 1).eventNames == ["run.measured", "alert.resolved", "alert_rule.cleared"])
    #expect(try watch.book.item(id)["resolution_type"] == "auto")
    try watch.book.checkIndexes()
  }

  @Test func `a level at which nobody is there tells the owner of the rule, and without one everybody`() async throws {
    let watch = try await Watch()
    try await watch.book.call(
      "escalation_policy.edit",
      [
        "id": .string(watch.policy),
        "levels": [["after_minutes": 10], ["after_minutes": 20, "notify_user_ids": [.string(watch.bob.id)]]],
      ])
    try await watch.measure(try await watch.run(), errors: 50)
    let id = try #require(try watch.openAlert())
    func told() throws -> [String?] {
      try watch.book.notifications(in: watch.organization).dropFirst().map { $0["user_id"]?.stringValue }
    }
    watch.minute(10)
    try await watch.escalateDue(id)
    #expect(try told() == [watch.ann.id])
    try await watch.book.call("alert_rule.edit", ["id": .string(watch.rule), "owner_id": .null])
    try await watch.book.call("user.deactivate", ["id": .string(watch.bob.id)])
    watch.minute(30)
    try await watch.escalateDue(id)
    #expect(try told() == [watch.ann.id, nil])
    let sent = try #require(try watch.book.item(id)["notifications_sent"]?.arrayValue)
    #expect(sent.map { $0["user_ids"] } == [[.string(watch.ann.id)], []])
    #expect(sent.map { $0["everybody"] } == [nil, true])
    // Who is there and wants none gets none, and nobody stands in.
    try await watch.book.call("user.reactivate", ["id": .string(watch.bob.id)])
    try await watch.book.make(
      "user_preferences",
      [
        "user_id": .string(watch.bob.id), "organization_id": .string(watch.organization),
        "notifications_enabled": false,
      ])
    #expect(try await watch.book.call("alert.escalate", ["id": .string(id)]).eventNames == ["alert.escalated"])
  }

  @Test(arguments: ["alert.resolve", "alert.close", "alert.delete"])
  func `a rule whose alert a person ends may fire again`(_ method: String) async throws {
    let watch = try await Watch()
    let run = try await watch.run()
    try await watch.measure(run, errors: 50)
    let id = try #require(try watch.openAlert())
    #expect(try await watch.book.call(method, ["id": .string(id)]).eventNames.last == "alert_rule.cleared")
    #expect(try watch.openAlert() == nil)
    watch.minute(30)
    #expect(try await watch.measure(run, errors: 50).eventNames.contains("alert.raised"))
  }

  @Test func `an acknowledged alert escalates by hand alone`() async throws {
    let watch = try await Watch()
    try await watch.measure(try await watch.run(), errors: 50)
    let id = try #require(try watch.openAlert())
    try await watch.book.call("alert.acknowledge", ["id": .string(id)], as: watch.bob.principal)
    var alert = try watch.book.item(id)
    #expect(alert["acknowledged_by"] == .string(watch.bob.id) && alert["next_escalation_at"] == JSON.null)
    watch.minute(60)
    #expect(try await watch.escalateDue(id).eventNames == [])
    let result = try await watch.book.call("alert.escalate", ["id": .string(id)], as: watch.bob.principal)
    #expect(result.eventNames == ["alert.escalated", "notification.notified"])
    alert = try watch.book.item(id)
    #expect(alert["escalation_level"] == 1 && alert["severity"] == "high" && alert["next_escalation_at"] == JSON.null)
    #expect(try watch.book.records(of: id).last?.header.actor == watch.bob.principal.actor)
  }

  @Test func `the end of a run is measured: failure, duration, rows and its own metrics`() async throws {
    let watch = try await Watch()
    func rule(_ metric: String, _ condition: String, _ threshold: Double) async throws -> String {
      try await watch.book.make(
        "alert_rule",
        [
          "name": .string(metric), "metric": .string(metric), "operator": .string(condition),
          "threshold": try #require(JSON(finite: threshold)), "severity": "critical", "cooldown_minutes": 0,
          "pipeline_id": .string(watch.pipeline), "organization_id": .string(watch.organization),
        ])
    }
    let rules = [
      try await rule("run_failed", "gte", 1), try await rule("run_duration_seconds", "gt", 100),
      try await rule("rows_processed", "lt", 5), try await rule("freshness", "eq", 7.5),
    ]
    let run = try await watch.run()
    watch.minute(2)
    let failed = try await watch.book.call(
      "run.finish",
      ["id": .string(run), "status": "failed", "rows_processed": 4, "metrics": ["freshness": 7.5, "note": "x"]])
    #expect(failed.eventNames.filter { $0 == "alert.raised" }.count == 4)
    for rule in rules { #expect(try watch.book.item(rule)["open_alert_id"] != JSON.null) }
    let kinds = try rules.map {
      try watch.book.item(try #require(try watch.book.item($0)["open_alert_id"]?.stringValue))["alert_type"]
    }
    #expect(kinds == ["pipeline_failed", "performance_degradation", "data_quality", "performance_degradation"])
    let good = try await watch.run()
    let success = try await watch.book.call(
      "run.finish",
      ["id": .string(good), "status": "success", "rows_processed": 9, "metrics": ["freshness": 1]])
    #expect(success.eventNames.filter { $0 == "alert.resolved" }.count == 4)
  }

  @Test func `a cancelled run, another pipeline and an inactive rule measure nothing`() async throws {
    let watch = try await Watch()
    let other = try await watch.book.make(
      "pipeline", ["name": "other", "organization_id": .string(watch.organization)])
    try await watch.book.call("alert_rule.edit", ["id": .string(watch.rule), "pipeline_id": .string(other)])
    #expect(try await watch.measure(try await watch.run(), errors: 50).eventNames == ["run.measured"])
    try await watch.book.call(
      "alert_rule.edit", ["id": .string(watch.rule), "pipeline_id": .null, "is_active": false])
    #expect(try await watch.measure(try await watch.run(), errors: 50).eventNames == ["run.measured"])
    try await watch.book.call(
      "alert_rule.edit", ["id": .string(watch.rule), "metric": "run_failed", "operator": "lte", "is_active": true])
    let run = try await watch.run()
    #expect(try await watch.book.call("run.cancel", ["id": .string(run)]).eventNames == ["run.cancelled"])
  }

  @Test(arguments: [
    ("gt", 10.0, false), ("gt", 10.5, true), ("gte", 10, true), ("gte", 9, false), ("lt", 10, false),
    ("lt", 9.9, true), ("lte", 10, true), ("lte", 11, false), ("eq", 10, true), ("eq", 10.1, false),
  ])
  func `each operator compares as it says`(_ condition: String, _ value: Double, _ fires: Bool) async throws {
    let watch = try await Watch()
    try await watch.book.call("alert_rule.edit", ["id": .string(watch.rule), "operator": .string(condition)])
    let result = try await watch.book.call(
      "alert_rule.evaluate",
      [
        "organization_id": .string(watch.organization), "metric": "rows_error",
        "value": try #require(JSON(finite: value)),
      ])
    #expect(result["results"]?.arrayValue?.first?["outcome"] == (fires ? "fired" : "quiet"))
    #expect(result.eventNames.isEmpty != fires)
  }

  @Test func `a value given by hand is answered with what each rule made of it`() async throws {
    let watch = try await Watch()
    let outsider = try await watch.book.organization("other")
    func evaluate(_ value: Int64) async throws -> JSONObject {
      try await watch.book.call(
        "alert_rule.evaluate",
        ["metric": "rows_error", "value": .integer(value), "context": ["batch": "b7"]], as: watch.ann.principal)
    }
    let fired = try await evaluate(11)
    #expect(
      fired.eventNames
        == ["alert_rule.evaluated", "alert.raised", "alert_rule.fired", "notification.notified"])
    let alert = try #require(try watch.openAlert())
    #expect(
      fired["results"] == [["rule_id": .string(watch.rule), "outcome": "fired", "alert_id": .string(alert)]])
    #expect(try watch.book.item(alert)["context"] == ["batch": "b7"])
    let evaluated = try #require(
      try watch.book.records(of: watch.rule).first { $0.header.event == "alert_rule.evaluated" })
    #expect(evaluated.header.actor == watch.ann.principal.actor && evaluated.body.data["value"] == 11)
    #expect(try watch.book.records(of: alert).first?.header.causation == evaluated.header.id)
    #expect(try await evaluate(12)["results"]?.arrayValue?.first?["outcome"] == "open")
    let resolved = try await evaluate(1)
    #expect(resolved.eventNames == ["alert_rule.evaluated", "alert.resolved", "alert_rule.cleared"])
    let cooling = try await evaluate(12)
    #expect(cooling["results"]?.arrayValue?.first?["outcome"] == "cooling_down" && cooling.eventNames.isEmpty)
    let nothing = try await watch.book.call(
      "alert_rule.evaluate", ["organization_id": .string(outsider), "metric": "rows_error", "value": 99])
    #expect(nothing["results"] == [] && nothing.eventNames.isEmpty)
    #expect(
      try await watch.book.refusal(
        "alert_rule.evaluate",
        ["organization_id": .string(outsider), "metric": "rows_error", "value": 99], as: watch.ann.principal
      ).paths == ["/organization_id"])
  }

  @Test func `an alert raised by hand tells everybody, one that is only created nobody`() async throws {
    let watch = try await Watch()
    let raised = try await watch.book.call(
      "alert.raise", ["message": "look", "organization_id": .string(watch.organization)])
    #expect(raised.eventNames == ["alert.raised", "notification.notified"])
    #expect(try watch.book.notifications(in: watch.organization).last?["user_id"] == JSON.null)
    let created = try await watch.book.call(
      "alert.create",
      ["message": "noted", "rule_id": .string(watch.rule), "organization_id": .string(watch.organization)])
    #expect(created.eventNames == ["alert.created", "alert_rule.fired"])
    let id = try #require(created["id"]?.stringValue)
    #expect(try watch.book.item(id)["next_escalation_at"] == watch.at(10))
    #expect(
      try await watch.book.refusal("alert_rule.delete", ["id": .string(watch.rule)]).reason == "reference",
      "a rule stays while its alerts do")
  }

  @Test(arguments: ["etl_builder", "django_etl", "data_aggregator", "mecapy", "etlab"])
  func `what a rule raises keeps the rules of every platform`(_ platform: String) async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme", platform: platform)
    try await book.make(
      "alert_rule",
      [
        "name": "r", "metric": "lag", "threshold": 1, "operator": "gt", "severity": "critical",
        "organization_id": .string(organization),
      ])
    func evaluate(_ value: Int64) async throws -> [String] {
      try await book.call(
        "alert_rule.evaluate",
        ["organization_id": .string(organization), "metric": "lag", "value": .integer(value)]
      ).eventNames
    }
    #expect(try await evaluate(2).suffix(3) == ["alert.raised", "alert_rule.fired", "notification.notified"])
    #expect(try await evaluate(1).suffix(2) == ["alert.resolved", "alert_rule.cleared"])
  }

  @Test func `a policy names people who are there, and at least one level`() async throws {
    let watch = try await Watch()
    let stranger = try await watch.book.member("eve", of: try await watch.book.organization("other"))
    func refused(_ levels: JSON) async throws -> [String] {
      try await watch.book.refusal(
        "escalation_policy.edit", ["id": .string(watch.policy), "levels": levels], as: watch.ann.principal
      ).paths
    }
    #expect(try await refused([]) == ["/levels"])
    #expect(
      try await refused([["after_minutes": 1, "notify_user_ids": ["ann"]]]) == ["/levels/0/notify_user_ids/0"])
    #expect(
      try await refused([["after_minutes": 1, "notify_user_ids": [.string(stranger.id)]]])
        == ["/levels/0/notify_user_ids/0"])
    #expect(try await refused([["after_minutes": 0]]).first == "/levels/0/after_minutes")
  }

  @Test func `only the server gives the commands of the clock`() async throws {
    let watch = try await Watch()
    try await watch.measure(try await watch.run(), errors: 50)
    let id = try #require(try watch.openAlert())
    #expect(try await watch.book.refusal("alert.escalate_due", ["id": .string(id)]).code == .methodNotFound)
  }
}
