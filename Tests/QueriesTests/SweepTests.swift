import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Logging
import NIOConcurrencyHelpers
import Postgres
import Projections
import Queries
import Records
import Testing
import Vault

/// What a sweep takes away from the read models.
@Suite struct SweepTests {
  @Test(.timeLimit(.minutes(3)))
  func `a sweep takes the rows, and a rebuild does not bring them back`() async throws {
    let models = try await TestReadModels()
    let engine = models.engine
    try models.set("2026-01-15T10:00:00Z")
    let periods: [(String, JSON)] = [
      ("previews", 24), ("logs", 720), ("system_logs", 720), ("runs", 2160),
    ]
    for (name, hours) in periods {
      try await models.call("retention_policy.create", ["class": .string(name), "keep_hours": hours])
    }
    let acme = try #require(try await models.call("organization.create", ["name": "a", "slug": "a"])["id"])
    let other = try #require(try await models.call("organization.create", ["name": "b", "slug": "b"])["id"])
    try await models.call("retention_policy.create", ["organization_id": other, "class": "logs", "keep_hours": 87_600])
    for organization in [acme, other] {
      let run = try #require(
        try await models.call("run.create", ["organization_id": organization, "code": "1", "language": "sql"])["id"])
      try await models.call("run.log", ["id": run, "lines": [["message": "one"], ["message": "two"]]])
      try await models.call("run.measure", ["id": run, "node_id": "n"])
      try await models.call("run.preview", ["id": run, "node_id": "n", "sample_data": [["a": 1]]])
      try await models.call("run.cancel", ["id": run])
    }
    try await models.call("system.log", ["organization_id": acme, "message": "said"])
    try await models.call("system.log", ["message": "said by the service"])
    // A stranger whose address expires.
    _ = try await engine.apply(
      method: "session.refuse", params: ["method": "password", "attempts": 1], principal: .server,
      origin: Origin(ip: "203.0.113.9"))
    try await models.settle()
    func counts() async throws -> [[String?]] {
      try await models.rows(
        """
        SELECT (SELECT count(*) FROM daybook.run_logs), (SELECT count(*) FROM personal.run_logs),
          (SELECT count(*) FROM daybook.data_previews), (SELECT count(*) FROM personal.data_previews),
          (SELECT count(*) FROM daybook.run_metrics), (SELECT count(*) FROM daybook.runs WHERE deleted_at IS NULL),
          (SELECT count(*) FROM personal.audit_trail WHERE ip IS NOT NULL),
          (SELECT count(*) FROM daybook.system_logs), (SELECT count(*) FROM personal.system_logs)
        """)
    }
    #expect(try await counts() == [["4", "4", "2", "2", "2", "2", "1", "2", "2"]])
    func sweep() async throws {
      try await engine.sweepRetention()
      try await models.settle()
      let before = try await models.projections.digests()
      #expect(try await models.projections.rebuild(nil, check: true).differences == [])
      #expect(try await models.projections.digests() == before)
    }
    try models.set("2026-01-16T11:00:00Z")
    try await sweep()
    #expect(try await counts() == [["4", "4", "0", "0", "2", "2", "1", "2", "2"]], "previews after a day")
    try models.set("2026-02-16T00:00:00Z")
    try await sweep()
    #expect(
      try await counts() == [["2", "2", "0", "0", "2", "2", "1", "0", "0"]], "logs after a month, but by its own policy"
    )
    try models.set("2026-03-04T00:00:00Z")
    try await sweep()
    #expect(try await counts() == [["2", "2", "0", "0", "2", "2", "1", "0", "0"]], "a destroyed key changes no row")
    try models.set("2026-04-17T00:00:00Z")
    try await sweep()
    #expect(
      try await counts() == [["0", "0", "0", "0", "0", "0", "0", "0", "0"]],
      "runs after three months, with all that is theirs")
    let events = try await models.rows("SELECT count(*), max(id) FROM daybook.audit_trail")
    let position = String(models.log.head.position)
    #expect(events == [[position, position]], "nothing of the audit trail is lost")
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `lines go by their own time in ETL Builder`() async throws {
    let models = try await TestReadModels()
    try models.set("2026-01-15T10:00:00Z")
    let acme = try await models.domain.organization("a", platform: "etl_builder")
    let pipeline = try #require(
      try await models.call("pipeline.create", ["organization_id": .string(acme), "name": "p", "config": [:]])["id"])
    let run = try #require(
      try await models.call("run.start", ["pipeline_id": pipeline, "trigger_type": "scheduled"])["id"])
    let lines: JSON = [
      ["message": "old", "level": "INFO", "at": "2025-12-15T23:00:00Z"], ["message": "new", "level": "INFO"],
    ]
    try await models.call("run.log", ["id": run, "lines": lines])
    try await models.settle()
    func messages() async throws -> [[String?]] {
      try await models.rows(
        "SELECT p.message FROM daybook.run_logs AS l FULL JOIN personal.run_logs AS p USING (id) ORDER BY 1")
    }
    #expect(try await messages() == [["new"], ["old"]])
    try await models.engine.sweepRetention()
    try await models.settle()
    #expect(try await messages() == [["new"]])
    let before = try await models.projections.digests()
    #expect(try await models.projections.rebuild(nil, check: true).differences == [])
    #expect(try await models.projections.digests() == before)
    try await models.close()
  }

  @Test(.timeLimit(.minutes(2)))
  func `what is archived is searched only where it is asked for`() async throws {
    try await TestQueries.with { library in
      let models = library.models
      try models.set("2026-01-15T10:00:00Z")
      _ = try await models.domain.organization("a", platform: "etl_builder")
      func events(_ params: JSONObject) async throws -> [JSON?] {
        try await library.ask("audit.search", params).items.map { $0["event"] }
      }
      #expect(try await events([:]) == ["organization.created"])
      try models.set("2026-07-15T00:00:00Z")
      try await models.engine.sweepRetention()
      #expect(try await events([:]) == ["retention.swept"])
      #expect(try await events(["include_archived": true]) == ["retention.swept", "organization.created"])
      // Whoever doesn't ask for them is told that there are some that fit.
      func leftOut(_ params: JSONObject, as principal: Principal = TestDomain.administrator) async throws -> JSON? {
        try await library.ask("audit.search", params, as: principal)["archived_left_out"]
      }
      #expect(try await leftOut([:]) == 1)
      #expect(try await leftOut(["event": "organization.created", "limit": 1]) == 1)
      #expect(try await leftOut(["text": "CREATED"]) == 1)
      #expect(try await leftOut(["event": "pipeline.created"]) == 0)
      #expect(try await leftOut(["include_archived": true]) == 0)
      #expect(try await leftOut(["as_of": 1]) == 0)
      let other = try await library.organization("b")
      let owner = try await library.member("owner@example.org", of: other, membership: "owner")
      #expect(try await leftOut([:], as: owner) == 0, "of others nothing is counted")
    }
  }
}

extension TestReadModels {
  /// Sets the clock of commands and events.
  fileprivate func set(_ time: String) throws {
    let time = try #require(Timestamp(time))
    domain.clock.withLockedValue { $0 = time }
  }
}
