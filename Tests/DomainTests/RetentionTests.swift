import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import TestBasics
import Testing
import Vault

/// What is due goes, what is not stays, and every removal is told.
@Suite struct RetentionTests {
  private let start = "2026-01-15T10:00:00.000000Z"

  private func at(_ book: TestDomain, _ time: String) throws {
    let time = try #require(Timestamp(time))
    book.clock.withLockedValue { $0 = time }
  }

  /// Policies for all organizations, of the periods that ETL Builder's document has.
  private func keep(_ book: TestDomain, _ classes: String...) async throws {
    let hours: [String: Int64] = ["previews": 24, "logs": 720, "facets": 2160, "runs": 2160]
    for name in classes {
      try await book.make(
        "retention_policy", ["class": .string(name), "keep_hours": .integer(try #require(hours[name]))])
    }
  }

  /// A run of ad hoc code with log lines.
  private func loggedRun(_ book: TestDomain, _ organization: String, lines: Int = 1) async throws -> String {
    let run = try await book.make(
      "run", ["organization_id": .string(organization), "code": "1", "language": "sql"])
    let line: JSON = ["message": "somebody@example.org did it"]
    try await book.call("run.log", ["id": .string(run), "lines": .array(Array(repeating: line, count: lines))])
    return run
  }

  private func lines(_ book: TestDomain, of run: String) throws -> Opened {
    let record = try #require(try book.records(of: run).first { $0.header.event == "run.logged" })
    let token = try #require(record.body.data["lines"])
    return try book.vault.open(token, resourceID: record.header.resource, field: "data/lines")
  }

  /// What a sweep tells about one class, without what the test does not ask for.
  private func told(_ result: JSONObject, _ name: String) -> JSON? {
    result["swept"]?.arrayValue?.first { $0["class"]?.stringValue == name }
  }

  private func isErased(_ opened: Opened) -> Bool { opened == .erased }

  @Test func `log lines go after thirty days, and their key with the whole month`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs")
    let other = try await book.organization("other")
    let run = try await loggedRun(book, acme, lines: 3)
    try at(book, "2026-02-14T23:59:59Z")
    #expect(try await book.call("retention.sweep", ["organization_id": .string(acme)]).eventNames == [])
    try at(book, "2026-02-15T00:00:00Z")
    let first = try await book.call("retention.sweep", ["organization_id": .string(acme)])
    #expect(first.eventNames == ["retention.swept"])
    #expect(told(first, "logs")?["rows"] == 3)
    #expect(told(first, "logs")?["months"] == nil)
    #expect(told(first, "logs")?["before"] == "2026-01-16T00:00:00.000000Z")
    #expect(try !isErased(lines(book, of: run)), "a key goes with its whole month")
    #expect(try await book.call("retention.sweep", ["organization_id": .string(acme)]).eventNames == [])
    try at(book, "2026-03-02T23:59:59Z")
    #expect(try await book.call("retention.sweep", ["organization_id": .string(other)]).eventNames == [])
    #expect(try await book.call("retention.sweep", [:]).eventNames == [])
    try at(book, "2026-03-03T00:00:00Z")
    let second = try await book.call("retention.sweep", ["class": "logs"])
    #expect(told(second, "logs")?["months"] == ["2026-01"])
    #expect(told(second, "logs")?["rows"] == 0)
    #expect(told(second, "logs")?["organization_id"] == .string(acme))
    #expect(try isErased(lines(book, of: run)))
    #expect(try await book.call("retention.sweep", [:]).eventNames == [])
    try book.checkIndexes()
  }

  @Test func `a dry run says what would go and by which policy, and records nothing`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs")
    let run = try await loggedRun(book, acme)
    try at(book, "2026-06-01T00:00:00Z")
    let head = book.log.head.position
    let dry = try await book.call("retention.sweep", ["dry_run": true])
    #expect(book.log.head.position == head)
    #expect(try !isErased(lines(book, of: run)))
    #expect(told(dry, "logs")?["months"] == ["2026-01"])
    let classes = try #require(dry["policies"]?.arrayValue?.first?["classes"]?.arrayValue)
    let hours = Dictionary(
      uniqueKeysWithValues: classes.map { ($0["class"]?.stringValue ?? "", $0["keep_hours"]?.integerValue ?? 0) })
    #expect(
      hours == [
        "previews": 0, "logs": 720, "system_logs": 0, "facets": 0, "sessions": 2160, "runs": 0, "audit": 0,
      ], "what neither a policy nor a document says is kept")
    #expect(Set(classes.compactMap { $0["source"]?.stringValue }) == ["global", "default", "kept"])
    let swept = try await book.call("retention.sweep", [:])
    #expect(swept["swept"] == dry["swept"], "it does what the dry run said")
    #expect(try isErased(lines(book, of: run)))
  }

  @Test func `an organization's own policy goes before a global one, and that before the default`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let runs = [try await loggedRun(book, acme), try await loggedRun(book, other)]
    try await book.call("retention_policy.create", ["class": "logs", "keep_hours": 48])
    let own = try await book.make(
      "retention_policy", ["class": "logs", "keep_hours": 8760, "organization_id": .string(acme)])
    #expect(try await book.refusal("retention_policy.create", ["class": "logs", "keep_hours": 1]).reason == "unique")
    let double = try await book.refusal(
      "retention_policy.create", ["class": "logs", "keep_hours": 1, "organization_id": .string(acme)])
    #expect(double.reason == "unique")
    try book.checkIndexes()
    try at(book, "2026-02-03T00:00:00Z")
    let swept = try await book.call("retention.sweep", [:])
    #expect(swept["swept"]?.arrayValue?.map { $0["organization_id"] } == [.string(other)])
    #expect(try isErased(lines(book, of: runs[1])))
    #expect(try !isErased(lines(book, of: runs[0])))
    try await book.call("retention_policy.edit", ["id": .string(own), "is_active": false])
    let next = try await book.call("retention.sweep", [:])
    #expect(next["swept"]?.arrayValue?.map { $0["organization_id"] } == [.string(acme)])
    #expect(try isErased(lines(book, of: runs[0])))
  }

  @Test func `the audit trail is archived and never deleted`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    #expect(
      try await book.refusal(
        "retention_policy.create", ["class": "audit", "keep_hours": 24, "action": "delete"]
      ).paths == ["/action"])
    #expect(
      try await book.refusal("retention_policy.create", ["class": "logs", "keep_hours": 24, "action": "archive"]).paths
        == ["/action"])
    let policy = try await book.make(
      "retention_policy", ["class": "audit", "keep_hours": 2400, "organization_id": .string(acme)])
    #expect(try book.item(policy)["action"] == "archive")
    #expect(
      try await book.refusal("retention_policy.edit", ["id": .string(policy), "action": "delete"]).paths == ["/action"])
    let head = book.log.head.position
    try at(book, "2026-08-01T00:00:00Z")
    let swept = try await book.call("retention.sweep", ["class": "audit", "organization_id": .string(acme)])
    let entry = try #require(told(swept, "audit"))
    #expect(entry["action"] == "archive" && entry["from"] == 1 && entry["through"] == .integer(Int64(head)))
    #expect(entry["rows"] == 2, "the organization and its policy")
    #expect(entry["tree_size"] == .integer(Int64(head)))
    #expect(entry["root"]?.stringValue?.utf8.count == 44)
    #expect(try await book.call("retention.sweep", ["organization_id": .string(acme)]).eventNames == [])
  }

  @Test func `finished runs go after ninety days with what depends on them`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "runs")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    func run(_ end: String?) async throws -> String {
      let run = try await book.make(by: "run.start", ["pipeline_id": .string(pipeline)])
      if let end { try await book.call("run.finish", ["id": .string(run), "status": .string(end)]) }
      return run
    }
    let old = [try await run("success"), try await run("failed"), try await run("timeout")]
    let task = try await book.make("task_run", ["run_id": .string(old[0])])
    let running = try await run(nil)
    let held = try await run("success")
    let hold = try await book.make(by: "legal_hold.place", ["held_id": .string(held), "name": "h", "reason": "r"])
    try at(book, "2026-01-17T10:00:00Z")
    let late = try await run("success")
    try at(book, "2026-04-16T00:00:00Z")
    let swept = try await book.call("retention.sweep", ["class": "runs"])
    #expect(told(swept, "runs")?["runs"] == 3)
    #expect(told(swept, "runs")?["resources"] == 4)
    #expect(swept.eventNames.filter { $0 == "run.deleted" }.count == 3)
    for id in old + [task] { #expect(try book.state(id).isDeleted) }
    for id in [running, held, late] { #expect(try !book.state(id).isDeleted) }
    let cause = try #require(swept["events"]?.arrayValue?.first { $0["event"] == "retention.swept" }?["id"])
    for id in old {
      #expect(try book.records(of: id).last?.header.causation?.text == cause.stringValue)
    }
    #expect(try await book.call("retention.sweep", ["class": "runs"]).eventNames == [])
    try await book.call("legal_hold.release", ["id": .string(hold), "reason": "over"])
    try at(book, "2026-04-18T00:00:00Z")
    #expect(told(try await book.call("retention.sweep", ["class": "runs"]), "runs")?["runs"] == 2)
    #expect(try book.state(held).isDeleted && book.state(late).isDeleted)
    #expect(try !book.state(running).isDeleted)
    try book.checkIndexes()
  }

  @Test func `a hold keeps the payloads that share a key with what it holds`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs")
    let run = try await loggedRun(book, acme)
    let hold = try await book.make(by: "legal_hold.place", ["held_id": .string(run), "name": "h", "reason": "r"])
    try at(book, "2026-06-01T00:00:00Z")
    let kept = try await book.call("retention.sweep", ["class": "logs"])
    #expect(kept.eventNames == [])
    #expect(kept["held"] == [["class": "logs", "hold_id": .string(hold), "organization_id": .string(acme)]])
    #expect(try !isErased(lines(book, of: run)))
    try await book.call("legal_hold.release", ["id": .string(hold), "reason": "over"])
    #expect(try await book.call("retention.sweep", ["class": "logs"]).eventNames == ["retention.swept"])
    #expect(try isErased(lines(book, of: run)))
  }

  @Test func `a preview is kept until it expires, and its key until the last one of the month`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "previews")
    let run = try await loggedRun(book, acme)
    let preview: JSONObject = ["id": .string(run), "node_id": "n", "sample_data": [["a": 1]]]
    try await book.call("run.preview", preview)
    try await book.call("run.preview", preview.merging(["expires_at": "2026-02-20T00:00:00Z"]))
    try at(book, "2026-01-16T09:59:59Z")
    #expect(try await book.call("retention.sweep", ["class": "previews"]).eventNames == [])
    try at(book, "2026-01-16T11:00:00Z")
    #expect(told(try await book.call("retention.sweep", ["class": "previews"]), "previews")?["rows"] == 1)
    try at(book, "2026-02-19T00:00:00Z")
    #expect(try await book.call("retention.sweep", ["class": "previews"]).eventNames == [], "one still is kept")
    try at(book, "2026-02-20T01:00:00Z")
    let last = try #require(told(try await book.call("retention.sweep", ["class": "previews"]), "previews"))
    #expect(last["rows"] == 1 && last["months"] == ["2026-01"])
    #expect(book.vault.expiringKeys().allSatisfy { $0.retentionClass != "previews" })
  }

  @Test func `what a crash left is destroyed at the next start`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    let run = try await loggedRun(book, acme)
    try at(book, "2026-06-01T00:00:00Z")
    // The event is durable, its key still there: as after a crash between the two, or with an older key store.
    let swept = try #require(Identifier(acme)).text
    _ = try await book.log.commit { transaction in
      var draft = EventDraft(
        event: "retention.swept", type: "retention",
        resource: Identifier.version5(namespace: .urlNamespace, name: "daybook:retention:logs:\(swept)"),
        actor: "server")
      draft.organization = Identifier(swept)
      draft.set = ["class": "logs", "keys_through": "2026-01", "number": 1]
      try transaction.append(draft)
    }
    #expect(try !isErased(lines(book, of: run)))
    #expect(try book.engine.destroySweptKeys() == 1)
    #expect(try isErased(lines(book, of: run)))
    #expect(try book.engine.destroySweptKeys() == 0)
  }

  @Test func `only somebody who administers sweeps, and only administrators sweep everything`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs")
    let other = try await book.organization("other")
    let member = try await book.member("member", of: acme)
    let owner = try await book.member("owner", of: acme, role: "owner")
    _ = try await loggedRun(book, acme)
    _ = try await loggedRun(book, other)
    try at(book, "2026-06-01T00:00:00Z")
    #expect(try await book.refusal("retention.sweep", [:], as: member.principal).code == .forbidden)
    let foreign = try await book.refusal(
      "retention.sweep", ["organization_id": .string(other)], as: owner.principal)
    #expect(foreign.paths == ["/organization_id"])
    let swept = try await book.call("retention.sweep", ["class": "logs"], as: owner.principal)
    #expect(swept["swept"]?.arrayValue?.map { $0["organization_id"] } == [.string(acme)])
    try await book.call("retention.sweep", [:])
    #expect(book.vault.expiringKeys().filter { $0.retentionClass == "logs" } == [])
  }

  @Test func `what reports said besides goes with its whole month`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "facets")
    let report: JSONObject = [
      "eventType": "START", "eventTime": "2026-01-15T09:00:00Z", "producer": "https://example.org/producer",
      "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
      "run": [
        "runId": "0192aaaa-0000-7000-8000-000000000001",
        "facets": ["custom": ["_producer": "p", "_schemaURL": "s", "who": "somebody@example.org"]],
      ],
      "job": ["namespace": "n", "name": "j"],
    ]
    try await book.call("openlineage.record", ["organization_id": .string(acme), "event": .object(report)])
    #expect(book.vault.expiringKeys().map(\.retentionClass) == ["facets"])
    try at(book, "2026-05-01T23:00:00Z")
    #expect(try await book.call("retention.sweep", ["class": "facets"]).eventNames == [])
    try at(book, "2026-05-02T00:00:00Z")
    let swept = try #require(told(try await book.call("retention.sweep", ["class": "facets"]), "facets"))
    #expect(swept["months"] == ["2026-01"] && swept["rows"] == 1)
    #expect(book.vault.expiringKeys() == [])
  }

  @Test func `what a deleted organization left is swept as well`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs")
    let run = try await loggedRun(book, acme)
    try at(book, "2026-02-16T00:00:00Z")
    #expect(told(try await book.call("retention.sweep", ["class": "logs"]), "logs")?["rows"] == 1)
    try await book.call("organization.delete", ["id": .string(acme)])
    try at(book, "2026-03-03T00:00:00Z")
    let swept = try await book.call("retention.sweep", ["class": "logs"])
    #expect(told(swept, "logs")?["months"] == ["2026-01"])
    #expect(try isErased(lines(book, of: run)))
    #expect(try await book.call("retention.sweep", ["class": "logs"]).eventNames == [])
    try book.checkIndexes()
  }

  @Test func `a hold on a person keeps their runs, and what is sealed for all of their organizations`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs", "runs")
    let ann = try await book.member("ann", of: acme)
    let runs = [try await loggedRun(book, acme), try await loggedRun(book, acme)]
    try await book.call("run.edit", ["id": .string(runs[0]), "triggered_by": .string(ann.id)])
    for run in runs { try await book.call("run.cancel", ["id": .string(run)]) }
    // Placed by the platform, for no organization.
    let hold = try await book.make(by: "legal_hold.place", ["held_id": .string(ann.id), "name": "h", "reason": "r"])
    try at(book, "2026-08-01T00:00:00Z")
    let held = try await book.call("retention.sweep", [:])
    #expect(
      held["held"]?.arrayValue?.contains {
        $0["class"] == "logs" && $0["organization_id"] == .string(acme) && $0["hold_id"] == .string(hold)
      } == true)
    #expect(try !isErased(lines(book, of: runs[0])))
    #expect(try !book.state(runs[0]).isDeleted && book.state(runs[1]).isDeleted)
    try await book.call("legal_hold.release", ["id": .string(hold), "reason": "over"])
    try await book.engine.sweepRetention()
    try await book.call("retention.sweep", [:])
    #expect(try isErased(lines(book, of: runs[0])) && book.state(runs[0]).isDeleted)
    try book.checkIndexes()
  }

  @Test func `a restriction of a person's data keeps from sweeps what a hold on them keeps`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "logs", "runs")
    let ann = try await book.member("ann", of: acme)
    let runs = [try await loggedRun(book, acme), try await loggedRun(book, acme)]
    try await book.call("run.edit", ["id": .string(runs[0]), "triggered_by": .string(ann.id)])
    for run in runs { try await book.call("run.cancel", ["id": .string(run)]) }
    let officer = try await book.member("dpo", of: acme, platformRole: "officer").principal
    let person: JSONObject = ["id": .string(ann.id), "reason": "r"]
    try await book.call("subject.restrict", person, as: officer)
    try at(book, "2026-08-01T00:00:00Z")
    let held = try await book.call("retention.sweep", [:])
    #expect(
      held["held"]?.arrayValue?.contains { $0["class"] == "logs" && $0["organization_id"] == .string(acme) } == true)
    #expect(try !isErased(lines(book, of: runs[0])))
    #expect(try !book.state(runs[0]).isDeleted && book.state(runs[1]).isDeleted)
    try await book.call("subject.unrestrict", person, as: officer)
    try await book.engine.sweepRetention()
    try await book.call("retention.sweep", [:])
    #expect(try isErased(lines(book, of: runs[0])) && book.state(runs[0]).isDeleted)
    try book.checkIndexes()
  }

  @Test func `an organization keeps its audit and its logs as long as the platform says`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let owner = try await book.member("owner", of: acme, role: "owner").principal
    func hours(_ name: String) async throws -> Int64? {
      let dry = try await book.call("retention.sweep", ["organization_id": .string(acme), "dry_run": true], as: owner)
      let classes = dry["policies"]?.arrayValue?.first?["classes"]?.arrayValue
      return classes?.first { $0["class"]?.stringValue == name }?["keep_hours"]?.integerValue
    }
    func own(_ name: String, _ hours: Int64) -> JSONObject {
      ["class": .string(name), "keep_hours": .integer(hours), "organization_id": .string(acme)]
    }
    for (name, floor) in [("audit", Int64(180 * 24)), ("logs", 7 * 24), ("system_logs", 7 * 24)] {
      let error = try await book.refusal("retention_policy.create", own(name, floor - 1), as: owner)
      #expect(error.paths == ["/keep_hours"], "\(name)")
      let policy = try await book.make("retention_policy", own(name, floor + 10), as: owner)
      #expect(try await hours(name) == floor + 10)
      let lower: JSONObject = ["id": .string(policy), "keep_hours": .integer(floor - 1)]
      #expect(try await book.refusal("retention_policy.edit", lower, as: owner).paths == ["/keep_hours"], "\(name)")
      // An administrator may, and what they have set the owner may only make longer.
      try await book.call("retention_policy.edit", lower)
      #expect(try await hours(name) == floor - 1)
      try await book.call("retention_policy.edit", ["id": .string(policy), "keep_hours": .integer(floor)], as: owner)
      #expect(try await hours(name) == floor)
    }
    // The platform's own policy lowers the floor, and that of the audit trail it raises, too.
    try await book.make("retention_policy", ["class": "audit", "keep_hours": 8760])
    try await book.make("retention_policy", ["class": "logs", "keep_hours": 24])
    #expect(try await hours("audit") == 8760, "a policy that was made before is held to the floor")
    #expect(try await hours("logs") == 7 * 24)
    let tenant = try #require(Identifier(acme))
    let policies = try book.log.read {
      try $0.referrers(of: tenant, type: "retention_policy", limit: 10).map(\.id.text)
    }
    let logs = try #require(policies.first { try book.item($0)["class"] == "logs" })
    try await book.call("retention_policy.edit", ["id": .string(logs), "keep_hours": 24], as: owner)
    #expect(try await hours("logs") == 24)
    // What has no floor is the organization's to decide.
    try await book.make("retention_policy", own("facets", 1), as: owner)
  }

  @Test func `the log verifies after everything that a sweep does`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let acme = try await book.organization("acme")
    try await keep(book, "runs")
    let run = try await loggedRun(book, acme)
    try await book.call("run.cancel", ["id": .string(run)])
    let kept = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let hold = try await book.make(by: "legal_hold.place", ["held_id": .string(kept), "name": "h", "reason": "r"])
    try await book.call("legal_hold.release", ["id": .string(hold), "reason": "r"])
    let user = try await book.member("ann", of: book.organization("other")).id
    _ = try await book.make(by: "legal_hold.place", ["held_id": .string(user), "name": "h", "reason": "r"])
    _ = try await book.make("retention_policy", ["class": "logs", "keep_hours": 100])
    try at(book, "2026-08-01T00:00:00Z")
    try await book.call("retention.sweep", [:])
    #expect(try book.state(run).isDeleted)
    #expect(try isErased(lines(book, of: run)))
    try book.checkIndexes()
    book.log.close()
    let report = try EventLogVerifier.verify(folder: book.folder.path + "/data/log")
    #expect(report.isHealthy, "\(report)")
  }

  /// An organization of a platform with a pipeline of its kind.
  private func tenant(_ book: TestDomain, _ platform: String?) async throws -> (id: String, pipeline: String) {
    let id = try await book.organization("t-\(platform ?? "none")".replacing("_", with: "-"), platform: platform)
    var pipeline: JSONObject = ["name": "p", "organization_id": .string(id)]
    if platform == "etl_builder" || platform == "django_etl" { pipeline["config"] = [:] }
    if platform == "data_aggregator" {
      let owner = try await book.make(
        "user", ["email": "o@example.org", "username": "o", "organization_id": .string(id), "role": "admin"])
      try await book.call("user.set_password", ["id": .string(owner), "password": "correct horse battery"])
      pipeline["owner_id"] = .string(owner)
      pipeline["source_config"] = [:]
      pipeline["destination_config"] = [:]
    }
    return (id, try await book.make("pipeline", pipeline))
  }

  @Test(arguments: ["etl_builder", "django_etl", "data_aggregator", "mecapy", "etlab", nil])
  func `only what a platform's document says is due goes`(platform: String?) async throws {
    let book = try TestDomain()
    try at(book, start)
    let tenant = try await tenant(book, platform)
    let actor = try await book.make("user", ["email": "a@example.org"])
    func run(_ end: String?) async throws -> String {
      let run = try await book.make(
        by: "run.start",
        ["pipeline_id": .string(tenant.pipeline), "triggered_by": .string(actor), "trigger_type": "manual"])
      try await book.call("run.log", ["id": .string(run), "lines": [["message": "m", "level": "INFO"]]])
      if let end { try await book.call("run.finish", ["id": .string(run), "status": .string(end)]) }
      return run
    }
    let going = [try await run("success"), try await run("failed")]
    var staying = [try await run(nil)]
    if platform != "data_aggregator" { staying.append(try await run("cancelled")) }
    try await book.call("system.log", ["organization_id": .string(tenant.id), "message": "m", "level": "INFO"])
    try at(book, "2027-02-01T00:00:00Z")
    let swept = try await book.call("retention.sweep", [:])
    let isDocumented = platform == "etl_builder"
    #expect(
      Set(swept["swept"]?.arrayValue?.compactMap { $0["class"]?.stringValue } ?? [])
        == (isDocumented ? ["logs", "runs", "audit"] : []))
    for id in going { #expect(try book.state(id).isDeleted == isDocumented) }
    for id in staying { #expect(try !book.state(id).isDeleted) }
    #expect(book.vault.expiringKeys().contains { $0.retentionClass == "system_logs" })
    #expect(book.vault.expiringKeys().contains { $0.retentionClass == "logs" } == !isDocumented)
    try book.checkIndexes()
  }

  @Test func `lines go by their own time where the document says so`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let tenant = try await tenant(book, "etl_builder")
    let run = try await book.make(
      by: "run.start", ["pipeline_id": .string(tenant.pipeline), "trigger_type": "scheduled"])
    let lines: JSON = [
      ["message": "old", "level": "INFO", "at": "2025-12-10T00:00:00Z"],
      ["message": "middle", "level": "INFO", "at": "2026-01-10T00:00:00Z"],
      ["message": "new", "level": "INFO"],
    ]
    try await book.call("run.log", ["id": .string(run), "lines": lines])
    let record = try #require(try book.records(of: run).first { $0.header.event == "run.logged" })
    #expect(record.body.data["first_at"] == "2025-12-10T00:00:00.000000Z")
    #expect(record.body.data["last_at"] == .string(start))
    let first = try await book.call("retention.sweep", ["class": "logs"])
    #expect(told(first, "logs")?["rows"] == 1 && told(first, "logs")?["age"] == "line")
    #expect(try await book.call("retention.sweep", ["class": "logs"]).eventNames == [])
    try at(book, "2026-02-10T00:00:00Z")
    let second = try await book.call("retention.sweep", ["class": "logs", "dry_run": true])
    #expect(told(second, "logs")?["rows"] == 1)
    let coming = second["coming"]?.arrayValue?.first { $0["class"] == "logs" }
    #expect(coming?["due_at"] == "2026-02-15T00:00:00.000000Z", "\(second)")
    #expect(told(try await book.call("retention.sweep", ["class": "logs"]), "logs")?["rows"] == 1)
    // A line that says it is of tomorrow keeps the key of its month.
    try await book.call(
      "run.log", ["id": .string(run), "lines": [["message": "late", "level": "INFO", "at": "2026-06-01T00:00:00Z"]]])
    try at(book, "2026-04-15T00:00:00Z")
    #expect(told(try await book.call("retention.sweep", ["class": "logs"]), "logs")?["months"] == ["2026-01"])
    #expect(book.vault.expiringKeys().contains { $0.retentionClass == "logs" && $0.month == "2026-02" })
  }

  @Test func `what was due long before the server looked waits for a person`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let tenant = try await tenant(book, "etl_builder")
    func line(_ time: String) async throws {
      let run = try await book.make(
        by: "run.start", ["pipeline_id": .string(tenant.pipeline), "trigger_type": "scheduled"])
      try await book.call(
        "run.log", ["id": .string(run), "lines": [["message": "m", "level": "INFO", "at": .string(time)]]])
    }
    func timed() async throws -> [String] {
      try await book.engine.sweepRetention().filter { $0.retentionClass == "logs" }.map { "\($0.count) \($0.oldest)" }
    }
    // As an import: two months old.
    try await line("2025-11-10T00:00:00Z")
    let head = book.log.head.position
    #expect(try await timed() == ["1 2025-11-10T00:00:00.000000Z"])
    #expect(book.log.head.position == head)
    let dry = try await book.call("retention.sweep", ["dry_run": true])
    #expect(dry["waiting"]?.arrayValue?.map { $0["class"] } == ["logs"])
    // The yes.
    #expect(told(try await book.call("retention.sweep", [:]), "logs")?["rows"] == 1)
    #expect(try await timed() == [])
    // What falls due from then on goes by itself, a little late or not, however long the server was away.
    try await line("2025-12-12T00:00:00Z")
    #expect(try await timed() == [])
    try await line("2026-01-15T00:00:00Z")
    try at(book, "2026-03-20T00:00:00Z")
    let late = book.log.head.position
    #expect(try await timed() == [])
    #expect(book.log.head.position > late)
    // And again an import.
    try await line("2025-11-10T00:00:00Z")
    #expect(try await timed().count == 1)
  }

  @Test func `what an earlier version had not removed waits, too`() async throws {
    let book = try TestDomain()
    try at(book, start)
    let tenant = try await tenant(book, "etl_builder")
    let run = try await book.make(
      by: "run.start", ["pipeline_id": .string(tenant.pipeline), "trigger_type": "scheduled"])
    let line: JSON = ["message": "m", "level": "INFO", "at": "2025-12-14T00:00:00Z"]
    try await book.call("run.log", ["id": .string(run), "lines": [line]])
    // A sweep as earlier versions recorded it: by the time of recording, so that the line stayed.
    _ = try await book.log.commit { transaction in
      var draft = EventDraft(
        event: "retention.swept", type: "retention",
        resource: Identifier.version5(namespace: .urlNamespace, name: "daybook:retention:logs:\(tenant.id)"),
        actor: "server")
      draft.organization = Identifier(tenant.id)
      draft.set = ["class": "logs", "before": "2025-12-16T00:00:00.000000Z", "through": 0, "number": 1]
      draft.data = ["class": "logs", "before": "2025-12-16T00:00:00.000000Z", "through": 0]
      try transaction.append(draft)
    }
    #expect(try await book.engine.sweepRetention().map(\.retentionClass) == ["logs"])
    #expect(told(try await book.call("retention.sweep", [:]), "logs")?["rows"] == 1)
    #expect(try await book.engine.sweepRetention().isEmpty)
  }
}
