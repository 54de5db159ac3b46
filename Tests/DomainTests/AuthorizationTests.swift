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

@Suite struct AuthorizationTests {
  @Test func `roles allow what the table says`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try #require(Identifier(try await book.organization("other")))
    let id = try #require(Identifier(acme))
    func allowed(_ principal: Principal, _ plural: String = "pipelines") -> Set<Permission> {
      Set(Permission.allCases.filter { principal.allows($0, on: plural, organization: id) })
    }
    let owner = try await book.member("o", of: acme, role: "owner", platformRole: "viewer").principal
    let developer = try await book.member("d", of: acme).principal
    let viewer = try await book.member("v", of: acme, platformRole: "viewer").principal
    let auditor = try await book.member("a", of: acme, platformRole: "auditor").principal
    let platform = try await book.member("p", of: acme, platformRole: "admin").principal
    let key = try await book.key(["pipelines": ["read", "execute"], "runs": ["write"]], in: acme).principal
    #expect(allowed(owner) == Set(Permission.allCases))
    #expect(allowed(developer) == [.read, .write, .execute])
    #expect(allowed(viewer) == [.read])
    #expect(allowed(auditor) == [.read])
    #expect(allowed(auditor, "audit") == [.read])
    #expect(allowed(viewer, "audit").isEmpty)
    #expect(allowed(developer, "log").isEmpty)
    #expect(allowed(owner, "audit").contains(.read))
    #expect(allowed(key) == [.read, .execute])
    #expect(allowed(key, "runs") == [.write])
    #expect(allowed(key, "users").isEmpty)
    #expect(platform.isAdministrator && platform.allows(.admin, on: "users", organization: nil))
    for principal in [owner, developer, viewer, auditor, key] {
      #expect(!principal.allows(.read, on: "pipelines", organization: other))
      #expect(!principal.canSee(organization: other) && principal.canSee(organization: id))
      #expect(principal.visibleOrganizations == [id])
    }
    #expect(platform.visibleOrganizations == nil)
  }

  @Test func `what is another tenant's is not found, and what is seen but not allowed is forbidden`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let stranger = try await book.member("s", of: other, role: "owner").principal
    let viewer = try await book.member("v", of: acme, platformRole: "viewer").principal
    let edit: JSONObject = ["id": .string(pipeline), "name": "q"]
    #expect(try await book.refusal("pipeline.edit", edit, as: stranger).code == .notFound)
    let forbidden = try await book.refusal("pipeline.edit", edit, as: viewer)
    #expect(forbidden.code == .forbidden)
    #expect(forbidden.data["permission"] == "pipelines:write")
    let invisible = try await book.refusal(
      "pipeline.create", ["name": "x", "organization_id": .string(acme)], as: stranger)
    #expect(invisible.paths == ["/organization_id"])
    #expect(
      try await book.refusal("organization.create", ["name": "x", "slug": "x"], as: stranger).data["permission"]
        == "administrator")
    #expect(
      try await book.refusal("organization.edit", ["id": .string(acme), "name": "x"], as: stranger).code == .notFound)
    try await book.call("organization.edit", ["id": .string(other), "name": "x"], as: stranger)
  }

  @Test func `the organization defaults to the only one, and otherwise must be given`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let ann = try await book.member("ann", of: acme)
    let id = try await book.make("pipeline", ["name": "p"], as: ann.principal)
    #expect(try book.item(id)["organization_id"] == .string(acme))
    try await book.call("membership.create", ["user_id": .string(ann.id), "organization_id": .string(other)])
    let both = try book.principal(ann.id)
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: both).paths == ["/organization_id"])
    #expect(try await book.refusal("pipeline.create", ["name": "p"]).paths == ["/organization_id"])
    let key = try await book.key(["*": ["write"]], in: other).principal
    let made = try await book.make("pipeline", ["name": "p"], as: key)
    #expect(try book.item(made)["organization_id"] == .string(other))
  }

  @Test func `a revoked key fails on its next command`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let key = try await book.key(["pipelines": ["write"]], in: acme)
    try await book.call("pipeline.create", ["name": "p"], as: key.principal)
    try await book.call("api_key.revoke", ["id": .string(key.id)])
    #expect(try await book.refusal("pipeline.create", ["name": "q"], as: key.principal).code == .unauthenticated)
    #expect(try book.engine.principal(forKey: key.text) == nil)
    #expect(try book.engine.refresh(key.principal) == nil)
  }

  @Test func `a command right behind a revocation is refused, though its principal was resolved before`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let key = try await book.key(["pipelines": ["write"]], in: acme)
    let revoke = try book.engine.prepare(
      method: "api_key.revoke", params: ["id": .string(key.id)], principal: TestDomain.administrator, origin: Origin())
    let create = try book.engine.prepare(
      method: "pipeline.create", params: ["name": "p"], principal: key.principal, origin: Origin())
    async let revoked = book.submit(revoke)
    async let refused = book.submit(create)
    // Submitted in this order or the other, the key may not act after its revocation.
    let (first, second) = await (revoked, refused)
    let revocation = try first.get().position
    switch second {
    case .success(let result): #expect(result.position < revocation)
    case .failure(let error): #expect(error.code == .unauthenticated)
    }
    #expect(try await book.refusal("pipeline.create", ["name": "q"], as: key.principal).code == .unauthenticated)
  }

  @Test func `an expired key and a deactivated user may not act`() async throws {
    let book = try TestDomain()
    let start = try #require(Timestamp("2026-11-21T10:00:00Z"))
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let made = try await book.call(
      "api_key.create",
      [
        "name": "k", "organization_id": .string(acme), "permissions": ["*": ["write"]],
        "expires_at": "2026-11-21T11:00:00Z",
      ])
    let text = try #require(made["api_key"]?.stringValue)
    let key = try #require(try book.engine.principal(forKey: text))
    try await book.call("pipeline.create", ["name": "p"], as: key)
    book.clock.withLockedValue { $0 = start.adding(seconds: 3600) }
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: key).code == .unauthenticated)
    #expect(try book.engine.principal(forKey: text) == nil)
    let ann = try await book.member("ann", of: acme)
    try await book.call("user.deactivate", ["id": .string(ann.id)])
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: ann.principal).code == .unauthenticated)
    try await book.call("user.reactivate", ["id": .string(ann.id)])
    try await book.call("pipeline.create", ["name": "p"], as: book.principal(ann.id))
  }

  @Test func `a membership that ends takes its rights along at once`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let id = try await book.make("pipeline", ["name": "p"], as: ann.principal)
    let user = try #require(Identifier(ann.id))
    let memberships = try book.log.read { try $0.referrers(of: user, type: "membership", limit: 2) }
    let membership = try #require(memberships.first)
    try await book.call("membership.delete", ["id": .string(membership.id.text)])
    #expect(
      try await book.refusal("pipeline.edit", ["id": .string(id), "name": "q"], as: ann.principal).code == .notFound)
    #expect(try #require(try book.engine.refresh(ann.principal)).organizations.isEmpty)
  }

  @Test func `a key of a user who was deactivated may not act`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let key = try await book.key(["*": ["write"]], in: acme, as: ann.principal)
    let id = try await book.make("pipeline", ["name": "p"], as: key.principal)
    #expect(try book.item(id)["created_by"] == .string(ann.id), "a key acts for its creator")
    #expect(key.principal.subject?.text == ann.id)
    try await book.call("user.deactivate", ["id": .string(ann.id)])
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: key.principal).code == .unauthenticated)
  }

  @Test func `nobody hands out more than they have`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let owner = try await book.member("o", of: acme, role: "owner").principal
    let admin = try await book.member("a", of: acme, role: "admin").principal
    let small = try await book.key(["api_keys": ["admin"], "pipelines": ["read"]], in: acme).principal
    let users = try await book.key(["users": ["admin"], "memberships": ["admin"]], in: acme).principal
    try await book.call("api_key.create", ["name": "k", "permissions": ["pipelines": ["read"]]], as: small)
    for wanted: JSON in [["pipelines": ["write"]], ["*": ["read"]], ["runs": ["read"]]] {
      let error = try await book.refusal("api_key.create", ["name": "k", "permissions": wanted], as: small)
      #expect(error.code == .forbidden)
    }
    #expect(try await book.refusal("user.create", ["email": "x@example.org"], as: users).code == .forbidden)
    for role in ["admin", "auditor"] {
      let error = try await book.refusal("user.create", ["email": "x@example.org", "role": .string(role)], as: owner)
      #expect(error.code == .forbidden)
    }
    let error = try await book.refusal(
      "user.create", ["email": "x@example.org", "membership_role": "owner"], as: admin)
    #expect(error.code == .forbidden)
    try await book.call("user.create", ["email": "x@example.org", "membership_role": "admin"], as: admin)
    #expect(
      try await book.refusal("user.create", ["email": "y@example.org", "is_superuser": true], as: owner).code
        == .forbidden)
  }

  @Test func `wrong permission maps are refused by place`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let error = try await book.refusal(
      "api_key.create",
      [
        "name": "k", "organization_id": .string(acme),
        "permissions": ["pipeline": ["read"], "runs": ["fly"], "users": "read"],
      ])
    #expect(error.paths == ["/permissions/pipeline", "/permissions/runs/0", "/permissions/users"])
    #expect(error.data.canonicalString.contains("did you mean pipelines?"))
    let key = try await book.key([:], in: acme)
    #expect(
      try await book.refusal("api_key.edit", ["id": .string(key.id), "permissions": ["x": []]]).paths
        == ["/permissions/x"])
    #expect(
      try await book.refusal("api_key.edit", ["id": .string(key.id), "expires_at": "2001-01-01T00:00:00Z"]).paths
        == ["/expires_at"])
    try await book.call("api_key.edit", ["id": .string(key.id), "permissions": ["audit": ["read"]]])
  }

  @Test func `a profile is the person's own, and the account is not for admins of one place alone`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let admin = try await book.member("admin", of: acme, role: "admin").principal
    let ann = try await book.member("ann", of: acme)
    let id: JSON = .string(ann.id)
    try await book.call("user.edit", ["id": id, "full_name": "Ann"], as: ann.principal)
    #expect(try await book.refusal("user.edit", ["id": id, "role": "viewer"], as: ann.principal).code == .forbidden)
    #expect(try await book.refusal("user.edit", ["id": id, "is_staff": true], as: ann.principal).code == .forbidden)
    try await book.call("user.edit", ["id": id, "email": "ann2@example.org", "role": "viewer"], as: admin)
    let colleague = try await book.member("colleague", of: acme).principal
    #expect(try await book.refusal("user.edit", ["id": id, "full_name": "X"], as: colleague).code == .forbidden)
    let outsider = try await book.member("out", of: other, role: "owner").principal
    #expect(try await book.refusal("user.edit", ["id": id, "full_name": "X"], as: outsider).code == .notFound)
    try await book.call("membership.create", ["user_id": id, "organization_id": .string(other)])
    try await book.call("user.edit", ["id": id, "full_name": "Ann B"], as: admin)
    for (method, params): (String, JSONObject) in [
      ("user.edit", ["id": id, "email": "taken@example.org"]),
      ("user.set_password", ["id": id, "password": "12345678"]),
      ("user.delete", ["id": id]), ("user.deactivate", ["id": id]),
    ] {
      #expect(try await book.refusal(method, params, as: admin).code == .forbidden, "\(method)")
    }
  }

  @Test func `a password signs in until it is changed`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "user", ["email": "ann@example.org", "password": "correct horse", "organization_id": .string(acme)])
    #expect(try await book.engine.principal(email: "ANN@example.org", password: "correct horse")?.actor == "user:\(id)")
    #expect(try await book.engine.principal(email: "ann@example.org", password: "wrong") == nil)
    #expect(try await book.engine.principal(email: "nobody@example.org", password: "correct horse") == nil)
    try await book.call("user.set_password", ["id": .string(id), "password": "battery staple"], as: book.principal(id))
    #expect(try await book.engine.principal(email: "ann@example.org", password: "correct horse") == nil)
    #expect(try await book.engine.principal(email: "ann@example.org", password: "battery staple") != nil)
    #expect(
      try await book.refusal("user.set_password", ["id": .string(id), "password": "short"]).paths == ["/password"])
    let long = String(repeating: "x", count: 73)
    #expect(
      try await book.refusal("user.set_password", ["id": .string(id), "password": .string(long)]).paths == ["/password"]
    )
  }

  @Test func `only an administrator deactivates the last owner`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let bob = try await book.member("bob", of: acme, role: "owner")
    let eve = try await book.member("eve", of: acme)
    func deactivate(_ id: String) -> JSONObject { ["id": .string(id)] }
    try await book.call("user.deactivate", deactivate(eve.id), as: ann.principal)
    try await book.call("user.deactivate", deactivate(bob.id), as: ann.principal)
    #expect(
      try await book.refusal("user.deactivate", deactivate(ann.id), as: ann.principal).reason == "state",
      "the other owner is deactivated")
    try await book.call("user.reactivate", deactivate(bob.id))
    try await book.call("user.deactivate", deactivate(ann.id), as: book.principal(bob.id))
    #expect(try await book.refusal("user.deactivate", deactivate(bob.id), as: book.principal(bob.id)).reason == "state")
    try await book.call("user.deactivate", deactivate(bob.id))
    #expect(try book.item(bob.id)["is_active"] == false)
  }

  @Test func `the last owner can neither leave nor be demoted nor deleted`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let bob = try await book.member("bob", of: acme)
    func membership(_ user: String) throws -> JSON {
      let id = try #require(Identifier(user))
      let links = try book.log.read { try $0.referrers(of: id, type: "membership", limit: 2) }
      return .string(try #require(links.first).id.text)
    }
    let anns = try membership(ann.id)
    for (method, params): (String, JSONObject) in [
      ("membership.delete", ["id": anns]), ("membership.edit", ["id": anns, "role": "admin"]),
      ("user.delete", ["id": .string(ann.id)]),
    ] {
      #expect(try await book.refusal(method, params).reason == "state", "\(method)")
    }
    #expect(
      try await book.refusal("membership.edit", ["id": anns, "role": "member"], as: bob.principal).code == .forbidden)
    let bobs = try membership(bob.id)
    try await book.call("membership.edit", ["id": bobs, "role": "owner"], as: ann.principal)
    try await book.call("membership.delete", ["id": anns], as: ann.principal)
    #expect(try await book.refusal("membership.delete", ["id": bobs]).reason == "state")
    #expect(
      try await book.refusal("membership.create", ["user_id": .string(bob.id), "organization_id": .string(acme)]).reason
        == "unique")
  }
}

extension TestDomain {
  /// Submits a prepared command and waits for its fate.
  func submit(_ command: PreparedCommand) async -> Result<CommandResult, Refusal> {
    await withCheckedContinuation { continuation in
      engine.submit(command, on: nil) { continuation.resume(returning: $0) }
    }
  }
}
