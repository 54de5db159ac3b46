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

/// What people are shown of each other.
@Suite struct GuestTests {
  @Test(.timeLimit(.minutes(3)))
  func `a guest reads the workspaces they came to, and of people only themselves`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let home = try await library.organization("home")
      let owner = try await library.person("owner@example.org", of: acme, membership: "owner")
      let guest = try await library.person("guest@example.org", of: home, membership: "owner")
      let workspace = try await library.make("workspace", ["name": "w", "organization_id": .string(acme)])
      let secret = try await library.make("workspace", ["name": "secret", "organization_id": .string(acme)])
      func page(in workspace: String?) async throws -> String {
        var params: JSONObject = ["name": "p", "organization_id": .string(acme), "reason": "Bea asked"]
        if let workspace { params = params.merging(["kind": "page", "workspace_id": .string(workspace)]) }
        let made = try await library.call("pipeline.create", params, as: owner.principal)
        return try #require(made["id"]?.stringValue)
      }
      let (pipeline, hidden) = (try await page(in: workspace), [try await page(in: secret), try await page(in: nil)])
      let runs = try await [
        library.make("run", ["pipeline_id": .string(pipeline)]),
        library.make("run", ["pipeline_id": .string(hidden[0])]),
      ]
      let link = try await library.call("share_link.create", ["workspace_id": .string(workspace)])
      _ = try await library.call("workspace.join", ["token": try #require(link["token"])], as: guest.principal)
      let visitor = try library.models.domain.principal(guest.id)
      let got = try await library.ask("pipeline.get", ["id": .string(pipeline)], as: visitor)
      #expect(got["item"]?["name"] == "p")
      let history = try await library.ask("pipeline.history", ["id": .string(pipeline)], as: visitor)
      #expect(history.items.count == 1 && history.items[0]["reason"]?.isNull == true)
      for page in hidden {
        for method in ["get", "history", "versions", "diff"] {
          #expect(
            try await library.refusal("pipeline.\(method)", ["id": .string(page)], as: visitor).code == .notFound)
        }
      }
      #expect(try await library.list("pipeline", [:], as: visitor) == [pipeline])
      #expect(try await library.list("workspace", [:], as: visitor) == [workspace])
      #expect(try await library.list("run", [:], as: visitor) == [runs[0]])
      _ = try await library.ask("run.logs", ["id": .string(runs[0])], as: visitor)
      #expect(try await library.refusal("run.logs", ["id": .string(runs[1])], as: visitor).code == .notFound)
      // Nor is anything told of it by what a command refers to.
      let edit: JSONObject = ["id": .string(hidden[0]), "name": "mine"]
      do {
        _ = try await library.call("pipeline.edit", edit, as: visitor)
        Issue.record("edited")
      } catch let refusal as Refusal { #expect(refusal.code == .notFound) }
      // Who leaves the workspace reads nothing of it any more, with their very next call.
      let place = try await library.ask(
        "workspace_member.list", ["where": ["user_id": .string(guest.id)]], as: visitor
      ).items
      let own = try #require(place.first?["id"])
      #expect(place.count == 1)
      _ = try await library.call("workspace_member.delete", ["id": own])
      let left = try #require(try library.engine.refresh(visitor))
      #expect(try await library.refusal("pipeline.get", ["id": .string(pipeline)], as: left).code == .notFound)
      #expect(try await library.list("pipeline", [:], as: left).isEmpty)
      for method in ["user.get", "user.history", "user.diff"] {
        #expect(
          try await library.refusal(method, ["id": .string(owner.id)], as: visitor).code == .notFound, "\(method)")
        _ = try await library.ask(method, ["id": .string(guest.id)], as: visitor)
      }
      #expect(
        try await library.refusal("user.get", ["email": "owner@example.org"], as: visitor).code == .notFound)
      #expect(try await library.list("user", [:], as: visitor) == [guest.id])
      let places = try await library.ask("membership.list", [:], as: visitor).items
      #expect(places.count == 2 && places.allSatisfy { $0["user_id"] == .string(guest.id) })
      for type in ["api_key", "share_link", "workspace_member", "sql_role", "credential"] {
        // At home the owner reads them, and there are none.
        #expect(try await library.list(type, [:], as: visitor).isEmpty, "\(type)")
      }
      for event in try await library.ask("audit.search", ["limit": 1000], as: visitor).items {
        // Whoever administers their home reads of their own account too.
        let isOwn = event["organization_id"] == .null && event["resource_id"] == .string(guest.id)
        #expect(isOwn || event["organization_id"] == .string(home), "\(event)")
      }
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `from where somebody signed in is for administrators and for themselves`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let owner = try await library.person("owner@example.org", of: acme, membership: "owner")
      let ann = try await library.person("ann@example.org", of: acme)
      try await library.engine.recordSignIn(of: ann.principal, from: Origin(ip: "192.0.2.7"))
      let id: JSONObject = ["id": .string(ann.id)]
      func address(_ principal: Principal) async throws -> [JSON] {
        let got = try await library.ask("user.get", id, as: principal)["item"]?["last_login_ip"]
        let all = try await library.ask("user.list", [:], as: principal).items
        let listed = all.first { $0["id"]?.stringValue == ann.id }
        let last = try await library.ask("user.history", id, as: principal).items.last?["changes"]
        let changes = try await library.ask("user.diff", id, as: principal)["changes"]
        return [got, listed?["last_login_ip"], last?["last_login_ip"]?["to"], changes?["last_login_ip"]?["to"]]
          .map { $0 ?? .null }
      }
      for principal in [ann.principal, TestDomain.administrator] {
        #expect(try await address(principal) == ["192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.7"])
      }
      #expect(try await address(owner.principal).allSatisfy(\.isNull))
      for params: JSONObject in [["where": ["last_login_ip": "192.0.2.7"]], ["order": "last_login_ip"]] {
        #expect(try await library.refusal("user.list", params, as: owner.principal).code == .forbidden)
        _ = try await library.ask("user.list", params)
      }
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `an officer or auditor who is a guest learns nothing of the people there, nor officers there of a guest`()
    async throws
  {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let home = try await library.organization("home")
      let ann = try await library.person("ann@example.org", of: acme, membership: "member")
      let workspace = try await library.make("workspace", ["name": "w", "organization_id": .string(acme)])
      let link = try await library.call("share_link.create", ["workspace_id": .string(workspace)])
      var askers: [String: (id: String, principal: Principal)] = [:]
      for (name, organization) in [("officer", acme), ("auditor", acme), ("officer", home), ("auditor", home)] {
        let place = organization == acme ? "here" : "away"
        let id = try await library.make(
          "user",
          [
            "email": .string("\(name)-\(place)@example.org"), "role": .string(name),
            "organization_id": .string(organization), "membership_role": "member",
          ])
        if organization == home {
          _ = try await library.call(
            "workspace.join", ["token": try #require(link["token"])], as: try library.models.domain.principal(id))
        }
        askers["\(name) \(place)"] = (id, try library.models.domain.principal(id))
      }
      func asker(_ name: String) throws -> (id: String, principal: Principal) { try #require(askers[name]) }
      try await library.projections.wait(
        for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      // The office is there for its own people.
      let own = try await library.ask("subject.report", ["id": .string(ann.id)], as: asker("officer here").principal)
      #expect(own["person"]?["account"]?["email"] == "ann@example.org")
      let visitor = try asker("officer away")
      let strangers = [(ann.id, visitor.principal), (visitor.id, try asker("officer here").principal)]
      for (person, principal) in strangers {
        for method in ["subject.report", "subject.receipt", "subject.list_exports"] {
          #expect(
            try await library.refusal(method, ["id": .string(person)], as: principal).code == .notFound,
            "\(method) of \(person)")
        }
        #expect(try await library.ask("subject.find", ["id": .string(person)], as: principal).items.isEmpty)
      }
      // Nor does the audit of accounts reach there, in either direction.
      let people = [
        ("officer away", ann.id), ("auditor away", ann.id), ("officer here", visitor.id), ("auditor here", visitor.id),
      ]
      for (name, person) in people {
        for method in ["audit.search", "log.read"] {
          let answer = try await library.ask(
            method, ["resource_id": .string(person)], as: asker(name).principal)
          let found = (answer["items"] ?? answer["records"])?.arrayValue ?? []
          #expect(found.isEmpty, "\(name) reads \(method) of \(person)")
        }
      }
      let shown = try await library.ask(
        "user.get", ["id": .string(visitor.id)], as: asker("officer here").principal)["item"]
      #expect(shown?["last_login_ip"] == nil || shown?["last_login_ip"]?.isNull == true)
    }
  }
}

extension TestQueries {
  /// A member with their id.
  fileprivate func person(
    _ email: String, of organization: String, membership: String = "member"
  ) async throws -> (id: String, principal: Principal) {
    let principal = try await member(email, of: organization, membership: membership)
    return (try #require(principal.subject).text, principal)
  }
}
