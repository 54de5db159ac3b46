import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Projections
import Refusals
import Testing

/// Who could do what with a resource at a moment.
@Suite struct PermissionsAsOfTests {
  @Test func `the answer is what each could do then, whatever has changed since`() async throws {
    try await TestQueries.with { library in
      let domain = library.models.domain
      let acme = try await domain.organization("acme")
      let other = try await domain.organization("other")
      let owner = try await domain.member("owner", of: acme, role: "owner")
      let ann = try await domain.member("ann", of: acme)
      let viewer = try await domain.member("viewer", of: acme, platformRole: "viewer")
      let auditor = try await domain.member("auditor", of: acme, platformRole: "auditor")
      let stranger = try await domain.member("stranger", of: other, role: "owner")
      let chief = try await domain.make("user", ["email": "chief@example.org", "role": "admin"])
      let pipeline = try await domain.make("pipeline", ["name": "p", "organization_id": .string(acme)])
      let key = try await domain.make(
        "api_key", ["name": "k", "organization_id": .string(acme), "permissions": ["pipelines": ["read", "execute"]]],
        as: owner.principal)
      try await domain.call("sql_role.create", ["name": "reports", "organization_id": .string(acme)])
      let then = Int64(library.log.head.position)

      // Everything changes.
      try await domain.call("user.edit", ["id": .string(ann.id), "role": "viewer"])
      try await domain.call("api_key.revoke", ["id": .string(key)])
      try await domain.call("user.edit", ["id": .string(chief), "role": "viewer"])
      try await domain.call("user.deactivate", ["id": .string(viewer.id)])
      let late = try await domain.member("late", of: acme)

      func ask(_ asOf: Int64?, as principal: Principal) async throws -> [String: [String]] {
        var params: JSONObject = ["id": .string(pipeline)]
        if let asOf { params["as_of"] = .integer(asOf) }
        let answer = try await library.ask("permissions.as_of", params, as: principal)
        return Dictionary(
          (answer["items"]?.arrayValue ?? []).map { item in
            (item.text("principal"), (item["permissions"]?.arrayValue ?? []).compactMap(\.stringValue))
          }
        ) { first, _ in first }
      }
      let all = ["read", "write", "execute", "admin"]
      let past = try await ask(then, as: auditor.principal)
      #expect(
        past == [
          "user:\(owner.id)": all, "user:\(ann.id)": ["read", "write", "execute"], "user:\(viewer.id)": ["read"],
          "user:\(auditor.id)": ["read"], "user:\(chief)": all, "api_key:\(key)": ["read", "execute"],
          "sql_role:reports": ["read"], "local": all,
        ])
      let now = try await ask(nil, as: owner.principal)
      #expect(
        now == [
          "user:\(owner.id)": all, "user:\(ann.id)": ["read"], "user:\(auditor.id)": ["read"],
          "user:\(late.id)": ["read", "write", "execute"], "sql_role:reports": ["read"], "local": all,
        ])
      for (principal, code) in [
        (try domain.principal(ann.id), Refusal.Code.forbidden), (stranger.principal, .notFound),
      ] {
        #expect(
          try await library.refusal("permissions.as_of", ["id": .string(pipeline)], as: principal).code == code)
      }
    }
  }

  @Test func `what is public is everybody's to read, and a hold is no SQL role's`() async throws {
    try await TestQueries.with { library in
      let domain = library.models.domain
      let acme = try await domain.organization("acme")
      let officer = try await domain.member("officer", of: acme, platformRole: "officer")
      try await domain.call("sql_role.create", ["name": "reports", "organization_id": .string(acme)])
      let template = try await domain.make(
        "pipeline_template",
        [
          "name": "t", "organization_id": .string(acme), "is_public": true, "category": "etl", "template_config": [:],
        ])
      let hold = try await domain.make(
        by: "legal_hold.place", ["held_id": .string(template), "name": "case", "reason": "r"])
      func principals(_ id: String) async throws -> Set<String> {
        let answer = try await library.ask("permissions.as_of", ["id": .string(id)], as: officer.principal)
        return Set((answer["items"]?.arrayValue ?? []).map { $0.text("principal") })
      }
      #expect(try await principals(template).isSuperset(of: ["everybody", "sql_role:reports", "local"]))
      #expect(try await principals(hold) == ["user:\(officer.id)", "local"])
    }
  }

  @Test func `in a workspace the role there decides, and one person can be asked about`() async throws {
    try await TestQueries.with { library in
      let domain = library.models.domain
      let lab = try await domain.organization("lab", platform: "etlab")
      let boss = try await domain.member("boss", of: lab, role: "owner").principal
      let ann = try await domain.member("ann", of: lab, platformRole: "viewer")
      let bob = try await domain.member("bob", of: lab)
      let eve = try await domain.member("eve", of: lab)
      let workspace = try await domain.make("workspace", ["name": "w"], as: ann.principal)
      let place: JSONObject = ["workspace_id": .string(workspace), "user_id": .string(bob.id), "role": "editor"]
      try await domain.call("workspace_member.create", place, as: ann.principal)
      let page = try await domain.make(
        "pipeline", ["name": "p", "kind": "page", "workspace_id": .string(workspace)], as: ann.principal)
      let connection = try await domain.make(
        "connection", ["name": "c", "type": "local", "config": [:]], as: ann.principal)
      func may(_ id: String, _ person: String) async throws -> JSON? {
        let params: JSONObject = ["id": .string(id), "user_id": .string(person)]
        let items = try await library.ask("permissions.as_of", params, as: boss)["items"]?.arrayValue ?? []
        #expect(items.map { $0["principal"] } == [.string("user:\(person)")])
        return items.first
      }
      let all: JSON = ["read", "write", "execute", "admin"]
      let owner = try await may(page, ann.id)
      #expect(owner?["permissions"] == all && owner?["workspace_role"] == "owner")
      let editor = try await may(page, bob.id)
      #expect(editor?["permissions"] == ["read", "write", "execute"] && editor?["workspace_role"] == "editor")
      #expect(try await may(workspace, bob.id)?["permissions"] == ["read"], "only its owners change it")
      let stranger = try await may(page, eve.id)
      #expect(stranger?["permissions"] == [] && stranger?["why_not"] != nil)
      let own = try await may(connection, ann.id)
      #expect(own?["permissions"] == ["read", "write", "execute"] && own?["is_own"] == true)
      let other = try await domain.organization("other")
      let outsider = try await domain.member("out", of: other)
      #expect(try await may(page, outsider.id)?["permissions"] == [])
    }
  }

  @Test func `share links, a restriction and a key's right to act for people are told as reasons`() async throws {
    try await TestQueries.with { library in
      let domain = library.models.domain
      let acme = try await domain.organization("acme", platform: "etlab")
      let owner = try await domain.member("owner", of: acme, role: "owner")
      let ann = try await domain.member("ann", of: acme)
      let workspace = try await domain.make("workspace", ["name": "w"], as: owner.principal)
      let link = try await domain.make(
        "share_link", ["workspace_id": .string(workspace), "role": "editor"], as: owner.principal)
      let closed = try await domain.make(
        "share_link", ["workspace_id": .string(workspace), "role": "viewer"], as: owner.principal)
      let before = Int64(library.log.head.position)
      try await domain.call("share_link.revoke", ["id": .string(closed)], as: owner.principal)
      let key = try await domain.make(
        "api_key",
        ["name": "portal", "organization_id": .string(acme), "permissions": ["*": ["read"]], "acts_for_people": true],
        as: owner.principal)
      func items(_ id: String, _ more: JSONObject = [:]) async throws -> [JSON] {
        let params: JSONObject = ["id": .string(id)]
        return try await library.ask("permissions.as_of", params.merging(more), as: owner.principal).items
      }
      func links(_ items: [JSON]) -> [String] {
        items.map { $0.text("principal") }.filter { $0.hasPrefix("share_link:") }
      }
      let now = try await items(workspace)
      #expect(links(now) == ["share_link:\(link)"])
      let told = try #require(now.first { $0.text("principal") == "share_link:\(link)" })
      #expect(told.text("workspace_role") == "editor" && told.text("made_by") == "user:\(owner.id)")
      #expect(now.first { $0.text("principal") == "api_key:\(key)" }?["acts_for_people"] == true)
      #expect(
        Set(links(try await items(workspace, ["as_of": .integer(before)]))) == [
          "share_link:\(link)", "share_link:\(closed)",
        ])

      let settings = try await domain.make(
        "user_preferences", ["organization_id": .string(acme), "user_id": .string(ann.id), "custom_settings": ["a": 1]])
      let officer = try await domain.member("dpo", of: acme, platformRole: "officer")
      let open = Int64(library.log.head.position)
      library.engine.restrictReadModels { try await library.projections.apply($0, patience: $1) }
      try await domain.call("subject.restrict", ["id": .string(ann.id), "reason": "r"], as: officer.principal)
      func restricted(_ more: JSONObject = [:]) async throws -> Set<String> {
        let params: JSONObject = ["id": .string(settings)]
        let answer = try await library.ask("permissions.as_of", params.merging(more))
        return Set(answer.items.filter { $0["restricted"] == true }.map { $0.text("principal") })
      }
      let held = try await restricted()
      #expect(!held.contains("user:\(ann.id)") && !held.contains("user:\(officer.id)"), "\(held)")
      #expect(try await restricted(["as_of": .integer(open)]).isEmpty)
    }
  }
}
