import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// What a key, or a share link, may do is bounded by what its maker may do now.
@Suite struct KeyRightsTests {
  private struct Place {
    let book: TestDomain
    let acme: String
    let ann: (id: String, principal: Principal)
    let key: (id: String, text: String, principal: Principal)
    let membership: String

    /// An organization with an owner, and an admin, Ann, who has made a key that may do everything.
    init(platformRole: String = "developer") async throws {
      book = try TestDomain()
      acme = try await book.organization("acme")
      _ = try await book.member("owner", of: acme, role: "owner")
      ann = try await book.member("ann", of: acme, role: "admin", platformRole: platformRole)
      key = try await book.key(["*": ["read", "write", "execute", "admin"]], in: acme, as: ann.principal)
      membership = try book.membership(of: ann.id)
    }

    func allows(_ permission: Permission, _ plural: String) throws -> Bool {
      let principal = try #require(try book.engine.refresh(key.principal))
      return principal.allows(permission, on: plural, organization: Identifier(acme))
    }
  }

  @Test func `the keys of who leaves an organization are revoked, and the history says because of what`() async throws {
    let place = try await Place()
    let other = try await place.book.organization("other")
    _ = try await place.book.make(
      "membership", ["user_id": .string(place.ann.id), "organization_id": .string(other), "role": "admin"])
    let kept = try await place.book.key(["*": ["write"]], in: other, as: place.book.principal(place.ann.id))
    let left = try await place.book.call("membership.delete", ["id": .string(place.membership)])
    #expect(left.eventNames == ["membership.deleted", "api_key.revoked"])
    let cause = try #require(try place.book.records(of: place.membership).last).header
    let last = try #require(try place.book.records(of: place.key.id).last).header
    #expect(last.event == "api_key.revoked" && last.causation == cause.id && cause.event == "membership.deleted")
    #expect(
      try await place.book.refusal("pipeline.create", ["name": "p"], as: place.key.principal).code == .unauthenticated)
    #expect(try place.book.engine.principal(forKey: place.key.text) == nil)
    try await place.book.call("pipeline.create", ["name": "p"], as: kept.principal)
  }

  @Test func `a key whose maker left before keys were revoked with a membership may not act`() async throws {
    let place = try await Place()
    var draft = EventDraft(
      event: "membership.deleted", type: "membership", resource: try #require(Identifier(place.membership)),
      actor: "local:0")
    draft.organization = Identifier(place.acme)
    draft.set = ["deleted_at": "2026-01-01T00:00:00Z"]
    _ = try await place.book.append([draft])
    #expect(try place.book.item(place.key.id)["is_active"] == true)
    #expect(try place.book.engine.principal(forKey: place.key.text) == nil)
  }

  @Test func `a key's map is cut down to the rights that its maker has now, and grows with them again`() async throws {
    let place = try await Place()
    let book = place.book
    let person: JSONObject = ["email": "new@example.org", "password": "correct horse"]
    let credential = try await book.make(
      "credential", ["name": "c", "data": ["a": 1], "organization_id": .string(place.acme)])
    let reveal: JSONObject = ["id": .string(credential), "reason": "an incident"]
    try await book.call("credential.reveal", reveal, as: place.key.principal)
    try await book.call("membership.edit", ["id": .string(place.membership), "role": "member"])
    let refused = try await book.refusal("credential.reveal", reveal, as: place.key.principal)
    #expect(refused.data["permission"] == "credentials:admin")
    #expect(refused.message.contains("the person who made it has it no longer"))
    for (method, params): (String, JSONObject) in [
      ("user.create", person), ("api_key.create", ["name": "k", "permissions": ["pipelines": ["read"]]]),
      ("sql_role.create", ["name": "acme_role"]),
    ] {
      #expect(try await book.refusal(method, params, as: place.key.principal).code == .forbidden, "\(method)")
    }
    #expect(try !place.allows(.read, "audit") && !place.allows(.read, "log") && place.allows(.read, "pipelines"))
    try await book.call("pipeline.create", ["name": "p"], as: place.key.principal)
    try await book.call("user.edit", ["id": .string(place.ann.id), "role": "viewer"])
    #expect(try await book.refusal("pipeline.create", ["name": "q"], as: place.key.principal).code == .forbidden)
    #expect(try place.allows(.read, "pipelines"))
    try await book.call("membership.edit", ["id": .string(place.membership), "role": "owner"])
    try await book.call("user.create", person, as: place.key.principal)
  }

  @Test func `the key of a former administrator of the service is worth what they are in its organization`()
    async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let root = try await book.make("user", ["email": "root@example.org", "role": "admin"])
    let key = try await book.key(["*": ["write"]], in: acme, as: book.principal(root))
    try await book.call("pipeline.create", ["name": "p"], as: key.principal)
    try await book.call("user.edit", ["id": .string(root), "role": "developer"])
    #expect(try await book.refusal("pipeline.create", ["name": "q"], as: key.principal).code == .unauthenticated)
  }

  @Test func `in a workspace the key of a mere member needs that person's role too`() async throws {
    let place = try await Place()
    let book = place.book
    let workspace = try await book.make("workspace", ["name": "w"], as: place.ann.principal)
    let foreign = try await book.make("workspace", ["name": "f", "organization_id": .string(place.acme)])
    try await book.call("membership.edit", ["id": .string(place.membership), "role": "member"])
    func page(_ workspace: String) -> JSONObject {
      ["name": "p", "kind": "page", "workspace_id": .string(workspace)]
    }
    try await book.call("pipeline.create", page(workspace), as: place.key.principal)
    #expect(
      try await book.refusal("pipeline.create", page(foreign), as: place.key.principal).data["permission"]
        == "workspace:editor")
    let reader = try await book.call(
      "api_key.edit", ["id": .string(place.key.id), "permissions": ["pipelines": ["read"]]])
    #expect(reader.eventNames == ["api_key.edited"])
    #expect(try await book.refusal("pipeline.create", page(workspace), as: place.key.principal).code == .forbidden)
  }

  @Test func `a share link ends with its maker's right to invite`() async throws {
    let place = try await Place()
    let book = place.book
    let workspace = try await book.make("workspace", ["name": "w", "organization_id": .string(place.acme)])
    let link = try await book.call("share_link.create", ["workspace_id": .string(workspace)], as: place.ann.principal)
    let token = try #require(link["token"])
    let guests = try await [
      book.make("user", ["email": "g@example.org"]), book.make("user", ["email": "h@example.org"]),
    ]
    try await book.call("workspace.join", ["token": token], as: book.principal(guests[0]))
    try await book.call("membership.edit", ["id": .string(place.membership), "role": "member"])
    #expect(try await book.refusal("workspace.join", ["token": token], as: book.principal(guests[1])).code == .notFound)
    try await book.call(
      "workspace_member.create",
      ["workspace_id": .string(workspace), "user_id": .string(place.ann.id), "role": "owner"])
    try await book.call("workspace.join", ["token": token], as: book.principal(guests[1]))
  }

  @Test func `a key that may execute pipelines runs them, as the document's example says, and does nothing else`()
    async throws
  {
    let place = try await Place(platformRole: "viewer")
    let book = place.book
    let example: JSON = ["pipelines": ["read", "execute"], "connections": ["read"]]
    let key = try await book.key(example, in: place.acme, as: place.ann.principal).principal
    let pipeline = try await book.make("pipeline", ["name": "p"], as: place.ann.principal)
    func start(_ key: Principal) async throws -> String {
      try await book.make(by: "run.start", ["pipeline_id": .string(pipeline), "trigger_type": "api"], as: key)
    }
    let run = try await start(key)
    try await book.call("run.log", ["id": .string(run), "lines": [["message": "m"]]], as: key)
    let task = try await book.make("task_run", ["run_id": .string(run)], as: key)
    try await book.call("task_run.begin", ["id": .string(task)], as: key)
    try await book.call("run.finish", ["id": .string(run), "status": "success"], as: key)
    try await book.call("run.cancel", ["id": .string(try await start(key))], as: key)
    let code = try await book.make(by: "run.start", ["code": "1"], as: place.ann.principal)
    let refused: [(String, JSONObject, String)] = [
      ("run.start", ["code": "1"], "runs:execute"), ("run.cancel", ["id": .string(code)], "runs:execute"),
      ("run.delete", ["id": .string(run)], "runs:admin"),
      ("pipeline.edit", ["id": .string(pipeline), "name": "n"], "pipelines:write"),
      ("calculation.start", ["name": "c", "code": "1"], "calculations:execute"),
      ("connection.create", ["name": "c", "type": "s3", "config": [:]], "connections:write"),
    ]
    for (method, params, permission) in refused {
      #expect(try await book.refusal(method, params, as: key).data["permission"] == .string(permission), "\(method)")
    }
    let reader = try await book.key(["pipelines": ["read"]], in: place.acme, as: place.ann.principal).principal
    let started: JSONObject = ["pipeline_id": .string(pipeline), "trigger_type": "api"]
    #expect(try await book.refusal("run.start", started, as: reader).code == .forbidden)
    // And no more than its maker may.
    try await book.call("membership.edit", ["id": .string(place.membership), "role": "member"])
    #expect(try await book.refusal("run.start", started, as: key).code == .forbidden)
  }
}

extension TestDomain {
  /// The id of a user's only membership, or of the one in that organization.
  func membership(of user: String, in organization: String? = nil) throws -> String {
    let id = try #require(Identifier(user))
    return try log.read { snapshot in
      let states = try snapshot.referrers(of: id, type: "membership", limit: 10).compactMap {
        try snapshot.state($0.id)
      }
      let found = states.first { !$0.isDeleted && (organization == nil || $0.organization?.text == organization) }
      return try #require(found).id.text
    }
  }
}
