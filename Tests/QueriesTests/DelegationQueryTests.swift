import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Projections
import Refusals
import Testing

@testable import Queries

/// What a program did for a person is told of both, wherever it is told who did something.
@Suite struct DelegationQueryTests {
  @Test(.timeLimit(.minutes(3)))
  func `history, audit, reports and SQL name the person and the key`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.models.domain.organization("acme", platform: "etl_builder")
      func member(_ name: String, role: String, membership: String = "member") async throws -> Principal {
        let id = try await library.make(
          "user",
          [
            "email": .string("\(name)@example.org"), "username": .string(name), "role": .string(role),
            "organization_id": .string(acme), "membership_role": .string(membership),
          ])
        return try library.models.domain.principal(id)
      }
      let olga = try await member("olga", role: "developer", membership: "owner")
      let dan = try await member("dan", role: "developer")
      let auditor = try await member("aud", role: "auditor")
      let id = try #require(dan.subject?.text)
      let made = try await library.call(
        "api_key.create",
        ["name": "portal", "permissions": ["*": ["read", "write", "admin"]], "acts_for_people": true], as: olga)
      let key = try #require(try library.engine.principal(forKey: made["api_key"]?.stringValue ?? ""))
      let pipeline = try await library.call(
        "pipeline.create",
        [
          "name": "p", "config": [:], "on_behalf_of": .string(id),
          "origin": ["ip": "203.0.113.7", "user_agent": "Firefox"],
          "reason": "for the launch",
        ], as: key)
      let own = try await library.call("pipeline.create", ["name": "q", "config": [:]], as: key)
      let target: JSON = pipeline["id"] ?? .null

      let history = try await library.ask("pipeline.history", ["id": target], as: olga).items
      #expect(history.map { $0.text("actor") } == [key.actor] && history[0].text("on_behalf_of") == id)
      let versions = try await library.ask("pipeline.versions", ["id": target], as: olga).items
      #expect(versions.map { $0.text("on_behalf_of") } == [id])

      let row = try #require(
        try await library.ask("audit.search", ["resource_id": target], as: auditor).items.first)
      #expect(row.text("actor") == key.actor && row.text("user_id") == id && row.text("on_behalf_of") == id)
      #expect(row.text("ip") == "203.0.113.7" && row.text("user_agent") == "Firefox")
      #expect(row.text("reason") == "for the launch")
      func events(by actor: String) async throws -> [String] {
        try await library.ask("audit.search", ["actor": .string(actor), "order": "position"], as: auditor).items
          .map { $0.text("resource_id") }
      }
      #expect(try await events(by: dan.actor) == [target.stringValue], "what a program did for Dan is found as Dan's")
      #expect(try await events(by: key.actor) == [target.stringValue, own["id"]?.stringValue])
      #expect(try await events(by: olga.actor) == [made["id"]?.stringValue], "and not as that of the key's maker")
      let read = try await library.ask("log.read", ["actor": .string(dan.actor)], as: auditor)
      #expect((read["records"]?.arrayValue ?? []).map { $0["header"]?["resource"] } == [target])

      let rows = try await library.models.rows(
        """
        SELECT user_id::text, host(ip_address), metadata ->> 'actor' FROM etl_builder.audit_trail
        WHERE resource_id = '\(target.stringValue ?? "")'
        """)
      #expect(rows == [[id, "203.0.113.7", key.actor]], "\(rows)")

      func report(_ principal: Principal) async throws -> [JSON] {
        let id: JSON = .string(try #require(principal.subject?.text))
        let answer = try await library.ask("subject.report", ["id": id], as: principal)
        return (answer["events"]?.arrayValue ?? []).filter { $0["resource_type"] == "pipeline" }
      }
      let told = try await report(dan)
      #expect(told.map { $0["resource_id"] } == [target] && told[0]["is_actor"] == true)
      #expect(told[0].text("on_behalf_of") == id && told[0].text("actor") == key.actor)
      #expect(told[0]["origin"]?["ip"] == "203.0.113.7" && told[0].text("reason") == "for the launch")
      // The maker of the key is told of what it did by itself.
      #expect(try await report(olga).map { $0["resource_id"] } == [own["id"]])

      // A restriction and an erasure take the person's address, wherever it stands.
      let chief = try library.models.domain.principal(
        try await library.make("user", ["email": "chief@example.org", "role": "officer", "is_staff": true]))
      library.engine.eraseReadModels { person, patience in
        try await library.projections.erase(person, through: library.log.head.position, patience: patience)
      }
      library.engine.listExports { try await library.queries.exports(holding: $0) }
      try await library.call("subject.erase", ["id": .string(id), "reason": "r"], as: chief)
      let erased = try #require(
        try await library.ask("audit.search", ["resource_id": target], as: auditor).items.first)
      #expect(erased["ip"] == ["erased": true] && erased.text("user_id") == id && erased.text("actor") == key.actor)
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `an export by person has what programs did for them`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let olga = try await library.member("olga@example.org", of: acme, role: "developer", membership: "owner")
      let dan = try await library.member("dan@example.org", of: acme, role: "developer")
      let made = try await library.call(
        "api_key.create", ["name": "portal", "permissions": ["*": ["read", "write"]], "acts_for_people": true], as: olga
      )
      let key = try #require(try library.engine.principal(forKey: made["api_key"]?.stringValue ?? ""))
      try await library.call(
        "pipeline.create", ["name": "p", "on_behalf_of": .string(try #require(dan.subject?.text))], as: key)
      func count(_ actor: String) async throws -> JSON? {
        let export = try await library.make(
          "export", ["organization_id": .string(acme), "actor": .string(actor), "reason": "case 12"])
        return try library.models.domain.item(export)["event_count"]
      }
      #expect(try await count(dan.actor) == 1)
      #expect(try await count(key.actor) == 1)
    }
  }
}
