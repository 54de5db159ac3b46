import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import Testing

/// Workspaces, who may do what in them, and invitations to them.
@Suite struct WorkspaceTests {
  /// A workspace with somebody of each role, and a developer of the organization who has none.
  struct Place {
    let book: TestDomain
    let organization: String
    let workspace: String
    let owner: (id: String, principal: Principal)
    let editor: (id: String, principal: Principal)
    let viewer: (id: String, principal: Principal)
    let outsider: (id: String, principal: Principal)

    init() async throws {
      book = try TestDomain()
      organization = try await book.organization("acme")
      owner = try await book.member("owner", of: organization)
      // The role in the workspace decides there, whatever the platform role: this one is a viewer on the platform.
      editor = try await book.member("editor", of: organization, platformRole: "viewer")
      viewer = try await book.member("viewer", of: organization)
      outsider = try await book.member("outsider", of: organization)
      workspace = try await book.make("workspace", ["name": "w"], as: owner.principal)
      for (member, role) in [(editor, "editor"), (viewer, "viewer")] {
        try await book.call(
          "workspace_member.create",
          ["workspace_id": .string(workspace), "user_id": .string(member.id), "role": .string(role)],
          as: owner.principal)
      }
    }

    func page(_ name: String, as principal: Principal) async throws -> String {
      try await book.make(
        "pipeline", ["name": .string(name), "kind": "page", "workspace_id": .string(workspace)], as: principal)
    }

    /// The role that somebody has in the workspace; nil for none.
    func role(_ user: String) throws -> String? {
      try member(user)?.fields["role"]?.stringValue
    }

    func member(_ user: String) throws -> ResourceState? {
      let id = try #require(Identifier(user))
      return try book.log.read { snapshot in
        try snapshot.referrers(of: id, type: "workspace_member", limit: 10).compactMap { try snapshot.state($0.id) }
          .first { $0.fields["workspace_id"] == .string(workspace) && !$0.isDeleted }
      }
    }

    func memberID(_ user: String) throws -> JSON { .string(try #require(try member(user)).id.text) }
  }

  @Test func `whoever makes a workspace owns it and is its first owner member`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let made = try await book.call("workspace.create", ["name": "w"], as: ann.principal)
    #expect(made.eventNames == ["workspace.created", "workspace_member.created"])
    let id = try #require(made["id"]?.stringValue)
    #expect(try book.item(id)["owner_id"] == .string(ann.id))
    let links = try book.log.read {
      try $0.referrers(of: try #require(Identifier(id)), type: "workspace_member", limit: 2)
    }
    let member = try #require(links.first).id.text
    let item = try book.item(member)
    #expect(item["role"] == "owner" && item["user_id"] == .string(ann.id) && item["workspace_id"] == .string(id))
    #expect(item["organization_id"] == .string(acme))
    let cause = try #require(try book.records(of: id).first).header.id
    #expect(try book.records(of: member).first?.header.causation == cause)
    let ownerless = try await book.call("workspace.create", ["name": "x", "organization_id": .string(acme)])
    #expect(ownerless.eventNames == ["workspace.created"], "the local administrator is no person")
    let bob = try await book.member("bob", of: acme)
    let given = try await book.call(
      "workspace.create", ["name": "y", "owner_id": .string(bob.id)], as: ann.principal)
    #expect(given.eventNames == ["workspace.created", "workspace_member.created", "workspace_member.created"])
    try book.checkIndexes()
  }

  @Test func `a viewer only reads, an editor makes and changes, and an owner does everything`() async throws {
    let place = try await Place()
    let book = place.book
    let workspace: JSON = .string(place.workspace)
    let page = try await place.page("p", as: place.editor.principal)
    let create: JSONObject = ["name": "x", "kind": "page", "workspace_id": workspace]
    let edit: JSONObject = ["id": .string(page), "description": "d"]
    for stranger in [place.viewer.principal, place.outsider.principal] {
      for (method, params): (String, JSONObject) in [
        ("pipeline.create", create), ("pipeline.edit", edit), ("pipeline.delete", ["id": .string(page)]),
        ("pipeline.publish", ["id": .string(page)]), ("run.start", ["pipeline_id": .string(page)]),
        ("schema_definition.create", ["name": "s", "columns": [], "workspace_id": workspace]),
        ("workspace.edit", ["id": workspace, "name": "x"]), ("workspace.delete", ["id": workspace]),
        ("share_link.create", ["workspace_id": workspace]),
        ("workspace_member.create", ["workspace_id": workspace, "user_id": .string(place.outsider.id)]),
      ] {
        #expect(try await book.refusal(method, params, as: stranger).code == .forbidden, "\(method)")
      }
    }
    let editor = place.editor.principal
    try await book.call("pipeline.edit", edit, as: editor)
    let schema = try await book.make(
      "schema_definition",
      ["name": "s", "columns": [["name": "id", "type": "integer"]], "workspace_id": workspace], as: editor)
    try await book.call("schema_definition.edit", ["id": .string(schema), "name": "t"], as: editor)
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(page)], as: editor)
    try await book.call("run.finish", ["id": .string(run), "status": "success"], as: editor)
    for (method, params): (String, JSONObject) in [
      ("pipeline.delete", ["id": .string(page)]), ("schema_definition.delete", ["id": .string(schema)]),
      ("share_link.create", ["workspace_id": workspace]), ("workspace.delete", ["id": workspace]),
      ("workspace.edit", ["id": workspace, "name": "x"]),
      ("workspace_member.edit", ["id": try place.memberID(place.editor.id), "role": "owner"]),
    ] {
      let error = try await book.refusal(method, params, as: editor)
      #expect(error.data["permission"] == "workspace:owner", "\(method)")
    }
    #expect(
      try await book.refusal("pipeline.create", ["name": "x"], as: editor).data["permission"] == "pipelines:write",
      "outside of the workspace the platform role decides")
    let owner = place.owner.principal
    try await book.call("share_link.create", ["workspace_id": workspace], as: owner)
    try await book.call("pipeline.delete", ["id": .string(page)], as: owner)
    try await book.call("workspace.delete", ["id": workspace], as: owner)
    try book.checkIndexes()
  }

  @Test func `owners of the organization, administrators and keys are not bound by the roles`() async throws {
    let place = try await Place()
    let book = place.book
    let admin = try await book.member("admin", of: place.organization, role: "admin").principal
    let key = try await book.key(["pipelines": ["write"]], in: place.organization).principal
    for principal in [admin, key, TestDomain.administrator] {
      let params: JSONObject = [
        "name": "p", "kind": "page", "workspace_id": .string(place.workspace),
        "organization_id": .string(place.organization),
      ]
      try await book.call("pipeline.create", params, as: principal)
    }
    try await book.call("share_link.create", ["workspace_id": .string(place.workspace)], as: admin)
  }

  @Test func `what moves into a workspace or out of it needs the rights of both places`() async throws {
    let place = try await Place()
    let book = place.book
    let loose = try await book.make("pipeline", ["name": "loose"], as: place.outsider.principal)
    let into: JSONObject = ["id": .string(loose), "workspace_id": .string(place.workspace)]
    #expect(try await book.refusal("pipeline.edit", into, as: place.outsider.principal).code == .forbidden)
    #expect(try await book.refusal("pipeline.edit", into, as: place.editor.principal).code == .forbidden)
    try await book.call("pipeline.edit", into, as: place.owner.principal)
    let out: JSONObject = ["id": .string(loose), "workspace_id": .null]
    #expect(
      try await book.refusal("pipeline.edit", out, as: place.editor.principal).code == .forbidden,
      "who may write in the workspace alone takes nothing out of it")
    try await book.call("pipeline.edit", out, as: place.owner.principal)
  }

  @Test func `the last owner of a workspace can neither leave nor be demoted`() async throws {
    let place = try await Place()
    let book = place.book
    let owner = try place.memberID(place.owner.id)
    for (method, params): (String, JSONObject) in [
      ("workspace_member.delete", ["id": owner]), ("workspace_member.edit", ["id": owner, "role": "editor"]),
    ] {
      for principal in [place.owner.principal, TestDomain.administrator] {
        #expect(try await book.refusal(method, params, as: principal).reason == "state", "\(method)")
      }
    }
    let editor = try place.memberID(place.editor.id)
    try await book.call("workspace_member.edit", ["id": editor, "role": "owner"], as: place.owner.principal)
    try await book.call("workspace_member.delete", ["id": owner], as: place.owner.principal)
    #expect(try place.role(place.owner.id) == nil)
    #expect(try await book.refusal("workspace_member.delete", ["id": editor]).reason == "state")
    // A deletion that would take the last owner along is refused as well; the workspace's own goes on.
    let other = try await book.make(
      "workspace", ["name": "x", "organization_id": .string(place.organization)])
    try await book.call(
      "workspace_member.create",
      ["workspace_id": .string(other), "user_id": .string(place.viewer.id), "role": "owner"])
    #expect(try await book.refusal("user.delete", ["id": .string(place.viewer.id)]).reason == "state")
    try await book.call("workspace.delete", ["id": .string(other)])
    try await book.call("user.delete", ["id": .string(place.viewer.id)])
    try book.checkIndexes()
  }

  @Test func `a member leaves by themselves, and nobody else removes them`() async throws {
    let place = try await Place()
    let viewer = try place.memberID(place.viewer.id)
    #expect(
      try await place.book.refusal("workspace_member.delete", ["id": viewer], as: place.editor.principal).code
        == .forbidden)
    try await place.book.call("workspace_member.delete", ["id": viewer], as: place.viewer.principal)
    #expect(try place.role(place.viewer.id) == nil)
  }

  @Test func `whoever leaves the organization leaves its workspaces and no others`() async throws {
    let place = try await Place()
    let book = place.book
    let other = try await book.organization("other")
    let elsewhere = try await book.make("workspace", ["name": "e", "organization_id": .string(other)])
    for (type, more) in [("membership", [:] as JSONObject), ("workspace_member", ["workspace_id": .string(elsewhere)])]
    {
      try await book.call(
        "\(type).create",
        more.merging(["organization_id": .string(other), "user_id": .string(place.editor.id)]))
    }
    func membership(_ user: String) throws -> JSON {
      let id = try #require(Identifier(user))
      return try book.log.read { snapshot in
        let states = try snapshot.referrers(of: id, type: "membership", limit: 10).compactMap {
          try snapshot.state($0.id)
        }
        let found = states.first { $0.organization?.text == place.organization && !$0.isDeleted }
        return .string(try #require(found).id.text)
      }
    }
    let left = try await book.call("membership.delete", ["id": try membership(place.editor.id)])
    #expect(
      left["events"]?.arrayValue?.compactMap { $0["event"]?.stringValue } == [
        "membership.deleted", "workspace_member.deleted",
      ])
    #expect(try place.role(place.editor.id) == nil && place.role(place.viewer.id) == "viewer")
    let kept = try book.log.read { snapshot in
      try snapshot.referrers(of: try #require(Identifier(elsewhere)), type: "workspace_member", limit: 10)
        .compactMap { try snapshot.state($0.id) }.filter { !$0.isDeleted }.compactMap {
          $0.fields["user_id"]?.stringValue
        }
    }
    #expect(kept.contains(place.editor.id))
    let refused = try await book.refusal("membership.delete", ["id": try membership(place.owner.id)])
    #expect(refused.data["reason"] == "state", "a workspace's last owner")
  }

  @Test func `a new owner has the role too`() async throws {
    let place = try await Place()
    let edited = try await place.book.call(
      "workspace.edit", ["id": .string(place.workspace), "owner_id": .string(place.editor.id)],
      as: place.owner.principal)
    #expect(edited.eventNames == ["workspace.edited", "workspace_member.edited"])
    #expect(try place.role(place.editor.id) == "owner")
  }

  // MARK: - Share links

  private func link(
    _ place: Place, role: String, _ besides: JSONObject = [:]
  ) async throws -> (id: String, token: String) {
    let params: JSONObject = ["workspace_id": .string(place.workspace), "role": .string(role)]
    let made = try await place.book.call("share_link.create", params.merging(besides), as: place.owner.principal)
    return (try #require(made["id"]?.stringValue), try #require(made["token"]?.stringValue))
  }

  /// A user who is in no organization.
  private func stranger(_ name: String, _ book: TestDomain) async throws -> (id: String, principal: Principal) {
    let id = try await book.make("user", ["email": .string("\(name)@example.org")])
    return (id, try book.principal(id))
  }

  @Test func `a token is shown once and kept as its hash`() async throws {
    let place = try await Place()
    let params: JSONObject = ["workspace_id": .string(place.workspace), "command_id": "c"]
    let made = try await place.book.call("share_link.create", params, as: place.owner.principal)
    let token = try #require(made["token"]?.stringValue)
    #expect(token.hasPrefix("dbs_") && token.utf8.count >= 44)
    let id = try #require(made["id"]?.stringValue)
    let item = try place.book.item(id)
    #expect(item["token_prefix"] == .string(String(token.prefix(12))))
    #expect(item["role"] == "viewer" && item["is_active"] == true && item["use_count"] == 0)
    #expect(item["token_hash"] == nil)
    let again = try await place.book.call("share_link.create", params, as: place.owner.principal)
    #expect(again["token"] == ["shown_once": true] && again["id"] == .string(id))
    #expect(try !place.book.everything().contains(token))
  }

  @Test func `whoever joins by a token changes nothing outside of the workspace until an administrator lets them`()
    async throws
  {
    let place = try await Place()
    let book = place.book
    // A developer on the platform, at home elsewhere.
    let elsewhere = try await book.organization("elsewhere")
    let dev = try await book.member("dev", of: elsewhere)
    let link = try await link(place, role: "viewer")
    try await book.call("workspace.join", ["token": .string(link.token)], as: dev.principal)
    let joined = try book.principal(dev.id)
    let organization = try #require(Identifier(place.organization))
    #expect(joined.allows(.read, on: "pipelines", organization: organization))
    let pipeline: JSONObject = ["name": "p", "organization_id": .string(place.organization)]
    #expect(try await book.refusal("pipeline.create", pipeline, as: joined).code == .forbidden)
    let page = pipeline.merging(["kind": "page", "workspace_id": .string(place.workspace)])
    #expect(try await book.refusal("pipeline.create", page, as: joined).code == .forbidden)
    try await book.call(
      "pipeline.create", pipeline.merging(["organization_id": .string(elsewhere)]), as: joined)
    let membership = try book.log.read { snapshot in
      try snapshot.referrers(of: try #require(Identifier(dev.id)), type: "membership", limit: 10).first {
        try snapshot.state($0.id)?.organization == organization
      }
    }
    let id = JSON.string(try #require(membership).id.text)
    #expect(try await book.refusal("membership.edit", ["id": id, "is_guest": false], as: joined).code == .forbidden)
    let admin = try await book.member("admin", of: place.organization, role: "admin").principal
    let offered = try await book.refusal("membership.edit", ["id": id, "is_guest": false], as: admin)
    #expect(offered.reason == "state" && offered.message.contains("invite them"))
    try await book.call("membership.edit", ["id": id, "is_guest": false])
    try await book.call("pipeline.create", pipeline, as: book.principal(dev.id))
  }

  @Test func `whoever joins by a token gets its role and a place in the organization`() async throws {
    let place = try await Place()
    let book = place.book
    let link = try await link(place, role: "editor")
    let zoe = try await stranger("zoe", book)
    #expect(zoe.principal.organizations.isEmpty)
    let joined = try await book.call("workspace.join", ["token": .string(link.token)], as: zoe.principal)
    #expect(
      joined.eventNames
        == ["workspace.joined", "share_link.used", "membership.created", "workspace_member.created"])
    #expect(joined["id"] == .string(place.workspace) && joined["role"] == "editor")
    #expect(joined["organization_id"] == .string(place.organization))
    #expect(try place.role(zoe.id) == "editor")
    let organization = try #require(Identifier(place.organization))
    #expect(try book.principal(zoe.id).organizations == [organization: "guest"])
    #expect(try book.item(link.id)["use_count"] == 1)
    let fact = try #require(try book.records(of: place.workspace).last)
    #expect(fact.body.data["user_id"] == .string(zoe.id) && fact.body.data["share_link_id"] == .string(link.id))
    #expect(try book.records(of: link.id).last?.header.causation == fact.header.id)
    #expect(try !book.everything().contains(link.token))
    _ = try await place.page("zoe's", as: book.principal(zoe.id))
    try book.checkIndexes()
  }

  @Test func `joining again never lowers a role and may raise it`() async throws {
    let place = try await Place()
    let book = place.book
    let viewing = try await link(place, role: "viewer")
    let owning = try await link(place, role: "owner")
    let same = try await book.call("workspace.join", ["token": .string(viewing.token)], as: place.editor.principal)
    #expect(same.eventNames.isEmpty && same["role"] == "editor")
    #expect(try place.role(place.editor.id) == "editor" && book.item(viewing.id)["use_count"] == 0)
    let raised = try await book.call("workspace.join", ["token": .string(owning.token)], as: place.editor.principal)
    #expect(raised.eventNames == ["workspace.joined", "share_link.used", "workspace_member.edited"])
    #expect(try place.role(place.editor.id) == "owner")
  }

  @Test func `an expired, a revoked and an unknown token are the same to whoever has none`() async throws {
    let place = try await Place()
    let book = place.book
    let start = Timestamp.now.adding(seconds: 10)
    book.clock.withLockedValue { $0 = start }
    let expiry: JSONObject = ["expires_at": .string(start.adding(seconds: 3600).text)]
    let expiring = try await link(place, role: "viewer", expiry)
    let revoked = try await link(place, role: "viewer")
    let deleted = try await link(place, role: "viewer")
    try await book.call("share_link.revoke", ["id": .string(revoked.id)], as: place.owner.principal)
    try await book.call("share_link.delete", ["id": .string(deleted.id)], as: place.owner.principal)
    let early = try await stranger("early", book)
    let late = try await stranger("late", book)
    book.clock.withLockedValue { $0 = start.adding(seconds: 3599) }
    try await book.call("workspace.join", ["token": .string(expiring.token)], as: early.principal)
    book.clock.withLockedValue { $0 = start.adding(seconds: 3600) }
    var refusals: [Refusal] = []
    for token in [expiring.token, revoked.token, deleted.token, "dbs_nothing"] {
      refusals.append(try await book.refusal("workspace.join", ["token": .string(token)], as: late.principal))
    }
    #expect(refusals.allSatisfy { $0 == refusals[0] && $0.code == .notFound })
    #expect(!refusals[0].json.canonicalString.contains(place.workspace))
    #expect(
      try await book.refusal(
        "share_link.create", ["workspace_id": .string(place.workspace), "expires_at": .string(start.text)],
        as: place.owner.principal
      ).paths == ["/expires_at"])
    // A later expiry brings it back.
    try await book.call(
      "share_link.edit", ["id": .string(expiring.id), "expires_at": .null], as: place.owner.principal)
    try await book.call("workspace.join", ["token": .string(expiring.token)], as: late.principal)
    try await book.call("workspace.delete", ["id": .string(place.workspace)])
    let last = try await stranger("last", book)
    #expect(
      try await book.refusal("workspace.join", ["token": .string(expiring.token)], as: last.principal) == refusals[0])
  }

  @Test func `only a person joins`() async throws {
    let place = try await Place()
    let link = try await link(place, role: "viewer")
    let key = try await place.book.key(["*": ["admin", "read", "write"]], in: place.organization).principal
    for principal in [key, TestDomain.administrator] {
      let error = try await place.book.refusal("workspace.join", ["token": .string(link.token)], as: principal)
      #expect(error.code == .forbidden)
    }
  }

  @Test func `on ETLab what lies in a workspace is for its members, whatever their platform role`() async throws {
    let book = try TestDomain()
    let lab = try await book.organization("lab", platform: "etlab")
    let ann = try await book.member("ann", of: lab, platformRole: "viewer")
    let bob = try await book.member("bob", of: lab, platformRole: "viewer")
    let eve = try await book.member("eve", of: lab)
    let boss = try await book.member("boss", of: lab, role: "owner", platformRole: "viewer")
    // The platform has no roles: everybody makes workspaces.
    let workspace = try await book.make("workspace", ["name": "w"], as: ann.principal)
    let own = try await book.make("workspace", ["name": "eve's"], as: eve.principal)
    // What a batch has made, its next command sees.
    let batch = try await book.call(
      "batch.apply",
      [
        "commands": [
          ["method": "workspace.create", "params": ["id": "01990000-0000-7000-8000-00000000aaaa", "name": "b"]],
          [
            "method": "pipeline.create",
            "params": [
              "name": "p", "kind": "page", "workspace_id": "01990000-0000-7000-8000-00000000aaaa",
            ],
          ],
        ]
      ], as: ann.principal)
    #expect(batch["results"]?.arrayValue?.count == 2)
    try await book.call(
      "workspace_member.create", ["workspace_id": .string(workspace), "user_id": .string(bob.id), "role": "viewer"],
      as: ann.principal)
    let page = try await book.make(
      "pipeline", ["name": "page", "kind": "page", "workspace_id": .string(workspace)], as: ann.principal)
    let run = try await book.make(by: "run.start", ["pipeline_id": .string(page)], as: ann.principal)
    let schema = try await book.make(
      "schema_definition",
      ["name": "s", "workspace_id": .string(workspace), "columns": [["name": "a", "type": "string"]]], as: ann.principal
    )
    let hers = try await book.make(
      "pipeline", ["name": "hers", "kind": "page", "workspace_id": .string(own)], as: eve.principal)
    let attempts: [(String, JSONObject)] = [
      ("workspace.edit", ["id": .string(workspace), "name": "n"]), ("workspace.delete", ["id": .string(workspace)]),
      ("pipeline.edit", ["id": .string(page), "name": "n"]), ("pipeline.delete", ["id": .string(page)]),
      ("schema_definition.edit", ["id": .string(schema), "name": "n"]), ("run.cancel", ["id": .string(run)]),
      ("run.log", ["id": .string(run), "lines": [["message": "m"]]]),
    ]
    for (method, params) in attempts {
      #expect(try await book.refusal(method, params, as: eve.principal).code == .notFound, "\(method)")
      #expect(try await book.refusal(method, params, as: bob.principal).code == .forbidden, "\(method)")
    }
    // Nor does anybody learn by a reference that it is there.
    let nowhere = JSON.string("01990000-0000-7000-8000-00000000bbbb")
    func told(_ method: String, _ params: JSONObject, _ name: String, _ id: JSON) async throws -> [String] {
      let error = try await book.refusal(method, params.merging([name: id]), as: eve.principal)
      return [error.code.rawValue, error.message.replacing(id.stringValue ?? "", with: "")]
    }
    let references: [(String, JSONObject, String, String)] = [
      ("run.create", [:], "pipeline_id", page), ("pipeline.create", ["name": "x"], "workspace_id", workspace),
      ("workspace_member.create", ["user_id": .string(eve.id)], "workspace_id", workspace),
      ("share_link.create", ["role": "owner"], "workspace_id", workspace),
      ("pipeline.edit", ["id": .string(hers)], "workspace_id", workspace),
      ("run.create", ["code": "1"], "parent_run_id", run),
    ]
    for (method, params, name, id) in references {
      #expect(
        try await told(method, params, name, .string(id)) == told(method, params, name, nowhere), "\(method) \(name)")
    }
    // Owners of the organization do everything; whoever is let in, does what the role says from then on.
    try await book.call("pipeline.edit", ["id": .string(page), "name": "n"], as: boss.principal)
    let link = try await book.call(
      "share_link.create", ["workspace_id": .string(workspace), "role": "editor"], as: ann.principal)
    try await book.call("workspace.join", ["token": try #require(link["token"])], as: eve.principal)
    try await book.call("pipeline.edit", ["id": .string(page), "name": "m"], as: eve.principal)
    // A key is as its maker is by now.
    let kay = try await book.member("kay", of: lab, role: "admin")
    let key = try await book.key(["*": ["read", "write", "execute"]], in: lab, as: kay.principal).principal
    try await book.call("pipeline.edit", ["id": .string(hers), "name": "k"], as: key)
    try await book.call("membership.edit", ["id": .string(try book.membership(of: kay.id)), "role": "member"])
    #expect(
      try await book.refusal("pipeline.edit", ["id": .string(hers), "name": "n"], as: key).code == .notFound)
  }

  @Test func `on ETLab and MecaPy every member connects and runs, and changes only what is their own`() async throws {
    let book = try TestDomain()
    let lab = try await book.organization("lab", platform: "etlab")
    let meca = try await book.organization("meca", platform: "mecapy")
    let ann = try await book.member("ann", of: lab, platformRole: "viewer")
    let bob = try await book.member("bob", of: lab, platformRole: "viewer")
    func mecapy(_ name: String) async throws -> Principal {
      try book.principal(
        try await book.make(
          "user",
          [
            "email": .string("\(name)@example.org"), "username": .string(name), "keycloak_id": .string(name),
            "organization_id": .string(meca),
          ]))
    }
    let connection: JSONObject = ["name": "c", "type": "local", "config": [:]]
    let hers = try await book.make("connection", connection, as: ann.principal)
    try await book.call("connection.test", ["id": .string(hers), "status": "success"], as: ann.principal)
    let run = try await book.make("run", ["code": "1", "connection_id": .string(hers)], as: ann.principal)
    try await book.call("run.begin", ["id": .string(run)], as: ann.principal)
    #expect(
      try await book.refusal("connection.edit", ["id": .string(hers), "name": "n"], as: bob.principal).code
        == .forbidden)
    let foreign = connection.merging(["owner_id": .string(ann.id), "is_default": true])
    #expect(try await book.refusal("connection.create", foreign, as: bob.principal).code == .forbidden)
    #expect(try await book.refusal("run.cancel", ["id": .string(run)], as: bob.principal).code == .notFound)
    let (mia, max) = (try await mecapy("mia"), try await mecapy("max"))
    let calculation = try await book.make(by: "calculation.start", ["name": "c", "code": "1"], as: mia)
    let cancel: JSONObject = ["id": .string(calculation)]
    #expect(try await book.refusal("calculation.cancel", cancel, as: max).code == .forbidden)
    let upload: JSONObject = [
      "filename": "f", "original_filename": "f", "file_size": 1, "mime_type": "text/csv", "s3_key": "k",
      "s3_bucket": "b", "s3_url": "u", "file_hash": .string(String(repeating: "a", count: 64)),
    ]
    let file = try await book.make("file", upload, as: mia)
    try await book.call(
      "calculation.attach_file", ["id": .string(calculation), "file_id": .string(file)], as: mia)
    let other = try await book.make(by: "calculation.start", ["name": "d", "code": "1"], as: max)
    let attach: JSONObject = ["id": .string(other), "file_id": .string(file)]
    let refused = try await book.refusal("calculation.attach_file", attach, as: max)
    #expect(refused.code == .notFound || refused.code == .invalidParams, "a private file is nobody else's: \(refused)")
    #expect(try await book.refusal("file.edit", ["id": .string(file), "is_public": true], as: max).code == .notFound)
    try await book.call("file.edit", ["id": .string(file), "is_public": true], as: mia)
    try await book.call("calculation.attach_file", attach, as: max)
    #expect(try await book.refusal("file.edit", ["id": .string(file), "filename": "x"], as: max).code == .forbidden)
    try await book.call("calculation.cancel", cancel, as: mia)
  }
}
