import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Queries
import Refusals
import Testing

@Suite struct VisibilityTests {
  @Test func `people get and list their own notifications and everybody's, who administers them all`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      func member(_ name: String, _ role: String) async throws -> (id: String, principal: Principal) {
        let id = try await library.make(
          "user",
          [
            "email": .string("\(name)@example.org"), "role": "viewer", "organization_id": .string(acme),
            "membership_role": .string(role),
          ])
        let identifier = try #require(Identifier(id))
        return (id, try #require(try library.engine.principal(forUser: identifier)))
      }
      let ann = try await member("ann", "member")
      let bob = try await member("bob", "member")
      let olga = try await member("olga", "owner")
      func notify(_ user: String?) async throws -> String {
        var params: JSONObject = ["type": "info", "title": "t", "organization_id": .string(acme)]
        if let user { params["user_id"] = .string(user) }
        return try #require(try await library.call("notification.notify", params)["id"]?.stringValue)
      }
      let anns = try await notify(ann.id)
      let bobs = try await notify(bob.id)
      let all = try await notify(nil)
      let key = try await library.call(
        "api_key.create",
        ["name": "k", "organization_id": .string(acme), "permissions": ["notifications": ["read"]]])
      let text = try #require(key["api_key"]?.stringValue)
      let program = try #require(try library.engine.principal(forKey: text))
      let seen: [(who: Principal, what: [String])] = [
        (ann.principal, [anns, all]), (bob.principal, [bobs, all]), (olga.principal, [anns, bobs, all]),
        (TestDomain.administrator, [anns, bobs, all]), (program, [all]),
      ]
      for (who, what) in seen {
        let listed = try await library.ask("notification.list", [:], as: who)
        let ids = (listed["items"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
        #expect(Set(ids) == Set(what), "\(who.actor)")
        for id in [anns, bobs, all] {
          if what.contains(id) {
            _ = try await library.ask("notification.get", ["id": .string(id)], as: who)
          } else {
            for method in ["notification.get", "notification.history"] {
              await #expect(throws: Refusal.notFound(type: "notification", id: id)) {
                _ = try await library.ask(method, ["id": .string(id)], as: who)
              }
            }
          }
        }
      }
      let dashboard: JSONObject = [
        "name": "d", "layout_config": [:], "user_id": .string(ann.id), "organization_id": .string(acme),
      ]
      let hidden = try await library.make("dashboard", dashboard)
      let shared = try await library.make("dashboard", dashboard.merging(["is_shared": true]))
      let listed = try await library.ask("dashboard.list", [:], as: bob.principal)
      #expect(listed["items"]?.arrayValue?.map { $0["id"]?.stringValue } == [shared])
      let own = try await library.ask("dashboard.list", [:], as: ann.principal)
      #expect(Set(own["items"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []) == [hidden, shared])
    }
  }

  @Test func `a key that may not read a type isn't told that something hidden is there`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let ann = try await library.make("user", ["email": "ann@example.org", "organization_id": .string(acme)])
      func notify(_ params: JSONObject) async throws -> JSONObject {
        let result = try await library.call(
          "notification.notify",
          params.merging(["type": "info", "title": "t", "organization_id": .string(acme)]))
        return ["id": try #require(result["id"])]
      }
      let key = try await library.call(
        "api_key.create", ["name": "k", "organization_id": .string(acme), "permissions": ["runs": ["read"]]])
      let program = try #require(try library.engine.principal(forKey: JSON.object(key).text("api_key")))
      let all = try await library.refusal("notification.get", try await notify([:]), as: program)
      #expect(all.code == .forbidden)
      let anns = try await library.refusal("notification.get", try await notify(["user_id": .string(ann)]), as: program)
      #expect(anns.code == .notFound)
    }
  }

  @Test func `what falls due is found in the read models, and no more`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let policy = try await library.make(
        "escalation_policy",
        ["name": "p", "organization_id": .string(acme), "levels": [["after_minutes": 10]]])
      let rule = try await library.make(
        "alert_rule",
        [
          "name": "r", "metric": "m", "threshold": 1, "operator": "gt", "severity": "low",
          "escalation_policy_id": .string(policy), "organization_id": .string(acme),
        ])
      func raise() async throws -> String {
        let raised = try await library.call(
          "alert.raise", ["message": "m", "rule_id": .string(rule), "organization_id": .string(acme)])
        return try #require(raised["id"]?.stringValue)
      }
      let open = try await raise()
      let acknowledged = try await raise()
      try await library.call("alert.acknowledge", ["id": .string(acknowledged)])
      _ = try await library.ask("alert.list", [:])
      let work = try #require(DueWork.all(of: library.engine.catalog).first { $0.method == "alert.escalate_due" })
      let now = Timestamp.now
      #expect(try await library.queries.candidates(for: work, at: now, limit: 10) == [])
      let later = try await library.queries.candidates(for: work, at: now.adding(seconds: 660), limit: 10)
      #expect(later.map(\.text) == [open])
    }
  }
}
