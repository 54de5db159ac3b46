import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Dispatch
import Domain
import EventLog
import Failpoints
import NIOConcurrencyHelpers
import Records
import Refusals
import Testing

/// People's sign-ins, their keys, and what happens to both when an account ends.
@Suite struct AccountTests {
  private func keys(_ book: TestDomain, _ organization: String, of person: Principal) async throws -> [(
    id: String, principal: Principal
  )] {
    var keys: [(String, Principal)] = []
    for _ in 0..<2 {
      let key = try await book.key(["*": ["read", "write"]], in: organization, as: person)
      keys.append((key.id, key.principal))
    }
    return keys
  }

  @Test func `deactivation closes sessions and revokes keys at once, and reactivation brings neither back`()
    async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let ann = try await book.member("ann", of: acme, role: "owner")
    let keys = try await keys(book, acme, of: ann.principal)
    let foreign = try await book.key(["*": ["write"]], in: acme)
    // A key made where she is no longer a member went with that membership.
    let membership = try await book.make(
      "membership", ["user_id": .string(ann.id), "organization_id": .string(other), "role": "admin"])
    let left = try await book.key(["*": ["write"]], in: other, as: book.principal(ann.id))
    let parted = try await book.call("membership.delete", ["id": .string(membership)])
    #expect(parted.eventNames == ["membership.deleted", "api_key.revoked"])
    try await book.call("api_key.revoke", ["id": .string(keys[1].id)])
    let session = try book.principal(ann.id)
    let ended = try await book.call("user.deactivate", ["id": .string(ann.id)])
    #expect(ended.eventNames == ["user.deactivated", "api_key.revoked"])
    for (id, place) in [(keys[0].id, ann.id), (left.id, membership)] {
      let cause = try #require(try book.records(of: place).last).header.id
      #expect(try book.item(id)["is_active"] == false)
      let last = try #require(try book.records(of: id).last).header
      #expect(last.event == "api_key.revoked" && last.causation == cause)
    }
    #expect(try book.engine.refresh(session) == nil && book.engine.refresh(keys[0].principal) == nil)
    #expect(try book.engine.refresh(foreign.principal) != nil)
    try await book.call("user.reactivate", ["id": .string(ann.id)])
    #expect(try book.engine.refresh(session) == nil, "a session from before stays closed")
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: session).code == .unauthenticated)
    #expect(try book.item(keys[0].id)["is_active"] == false)
    #expect(
      try await book.refusal("pipeline.create", ["name": "p"], as: keys[0].principal).code == .unauthenticated)
    try await book.call("pipeline.create", ["name": "p"], as: book.principal(ann.id))
    #expect(try await book.call("user.deactivate", ["id": .string(ann.id), "dry_run": true]).eventNames.count == 1)
    #expect(try book.engine.refresh(book.principal(ann.id)) != nil)
  }

  @Test func `a dry run closes nothing`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    try await book.call("user.deactivate", ["id": .string(ann.id), "dry_run": true])
    try await book.call(
      "user.set_password", ["id": .string(ann.id), "password": "correct horse", "dry_run": true])
    try await book.call("pipeline.create", ["name": "p"], as: ann.principal)
  }

  @Test func `deletion of a user revokes their keys in the same transaction`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    _ = try await book.member("owner", of: acme, role: "owner")
    let ann = try await book.member("ann", of: acme, role: "admin")
    let keys = try await keys(book, acme, of: ann.principal)
    let deleted = try await book.call("user.delete", ["id": .string(ann.id)])
    #expect(deleted.eventNames.count { $0 == "api_key.revoked" } == 2)
    let cause = try #require(try book.records(of: ann.id).last).header.id
    for key in keys {
      let item = try book.item(key.id)
      #expect(item["is_active"] == false && item["user_id"]?.unlessNull == nil)
      #expect(try book.records(of: key.id).last?.header.causation == cause)
      #expect(try await book.refusal("pipeline.create", ["name": "p"], as: key.principal).code == .unauthenticated)
    }
    #expect(try book.engine.refresh(ann.principal) == nil)
    try book.checkIndexes()
  }

  @Test func `a new password closes the person's other sessions and not their own`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "user",
      [
        "email": "ann@example.org", "password": "correct horse", "organization_id": .string(acme), "role": "developer",
      ])
    let bob = try await book.member("bob", of: acme)
    let phone = try #require(try await book.engine.principal(email: "ann@example.org", password: "correct horse"))
    let desk = try #require(try await book.engine.principal(email: "ann@example.org", password: "correct horse"))
    try await book.call("user.set_password", ["id": .string(id), "password": "battery staple"], as: desk)
    #expect(try book.engine.refresh(phone) == nil)
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: phone).code == .unauthenticated)
    try await book.call("pipeline.create", ["name": "p"], as: desk)
    #expect(try book.engine.refresh(desk) != nil && book.engine.refresh(bob.principal) != nil)
    // Reset by somebody else, nobody's session stays.
    try await book.call("user.set_password", ["id": .string(id), "password": "third password"])
    #expect(try book.engine.refresh(desk) == nil)
    #expect(try await book.engine.principal(email: "ann@example.org", password: "third password") != nil)
  }

  @Test func `who changes their own password has just signed in, or knows the present one`() async throws {
    let book = try TestDomain()
    let start = Timestamp.now
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "user", ["email": "ann@example.org", "password": "correct horse", "organization_id": .string(acme)])
    let ann = try #require(try await book.engine.principal(email: "ann@example.org", password: "correct horse"))
    func change(_ more: JSONObject = [:]) -> JSONObject {
      more.merging(["id": .string(id), "password": "battery staple"])
    }
    book.clock.withLockedValue { $0 = start.adding(seconds: 899) }
    try await book.call("user.set_password", change(), as: ann)
    book.clock.withLockedValue { $0 = start.adding(seconds: 900) }
    let refused = try await book.refusal("user.set_password", change(), as: ann)
    #expect(refused.paths == ["/current_password"] && refused.message.contains("sign in again"))
    #expect(
      try await book.refusal("user.set_password", change(["current_password": "correct horse"]), as: ann).paths
        == ["/current_password"])
    try await book.call("user.set_password", change(["current_password": "battery staple"]), as: ann)
    // A key of the person is no sign-in, an administrator needs none.
    try await book.call("membership.edit", ["id": .string(try book.membership(of: id)), "role": "owner"])
    let key = try await book.key(["users": ["admin", "write"]], in: acme, as: ann)
    #expect(try await book.refusal("user.set_password", change(), as: key.principal).code == .forbidden)
    try await book.call("user.set_password", change())
    #expect(try !book.everything().contains("battery staple"))
  }

  @Test func `a connection that was taken over can't try out passwords`() async throws {
    let book = try TestDomain()
    let start = Timestamp.now
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "user", ["email": "ann@example.org", "password": "correct horse", "organization_id": .string(acme)])
    let ann = try book.principal(id)
    func guess(_ word: String) async throws -> Refusal.Code {
      try await book.refusal(
        "user.set_password", ["id": .string(id), "password": "battery staple", "current_password": .string(word)],
        as: ann
      ).code
    }
    for _ in 0..<5 { #expect(try await guess("wrong") == .invalidParams) }
    #expect(try await guess("correct horse") == .overloaded)
    book.clock.withLockedValue { $0 = start.adding(seconds: 900) }
    #expect(try await guess("wrong") == .invalidParams)
  }

  @Test func `another e-mail address isn't verified, and the person finds the change in their history`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let owner = try await book.member("owner", of: acme, role: "owner")
    let ann = try await book.member("ann", of: acme)
    let verify: JSONObject = ["id": .string(ann.id)]
    try await book.call("user.verify_email", verify, as: owner.principal)
    try await book.call("user.edit", verify.merging(["email": "ann@example.org", "full_name": "A"]), as: ann.principal)
    #expect(try book.item(ann.id)["email_verified"] == true, "the same address")
    for (email, principal) in [("president@example.org", ann.principal), ("ann@example.com", owner.principal)] {
      try await book.call("user.edit", verify.merging(["email": .string(email)]), as: principal)
      #expect(try book.item(ann.id)["email_verified"] == false)
      let last = try #require(try book.records(of: ann.id).last)
      #expect(last.header.actor == principal.actor && last.body.was["email_verified"] == true)
      let changes = try book.view.changes(
        type: "user", resource: last.header.resource, set: last.body.set, was: last.body.was)
      #expect(changes["email"]?["to"] == .string(email))
      try await book.call("user.verify_email", verify)
    }
    #expect(
      try await book.refusal("user.verify_email", ["id": .string(owner.id)], as: owner.principal).code == .forbidden)
  }

  @Test func `no password is hashed for who may not give it`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let bob = try await book.member("bob", of: acme)
    let key = try await book.key([:], in: acme).principal
    for principal in [bob.principal, key] {
      for (method, params): (String, JSONObject) in [
        ("user.set_password", ["id": .string(ann.id), "password": "correct horse"]),
        ("user.create", ["email": "x@example.org", "password": "correct horse", "organization_id": .string(acme)]),
      ] {
        let prepared = try book.engine.prepare(method: method, params: params, principal: principal, origin: Origin())
        #expect(!prepared.needsBackground, "\(method)")
        #expect(try await book.refusal(method, params, as: principal).code == .forbidden, "\(method)")
      }
    }
    let own = try book.engine.prepare(
      method: "user.set_password", params: ["id": .string(ann.id), "password": "correct horse"],
      principal: ann.principal, origin: Origin())
    #expect(own.needsBackground)
  }

  @Test func `commands right behind a password change are refused only to other sessions`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let other = try book.principal(ann.id)
    let change = try await book.engine.prepareInBackground(
      book.engine.prepare(
        method: "user.set_password", params: ["id": .string(ann.id), "password": "correct horse"],
        principal: ann.principal, origin: Origin()))
    func create(_ principal: Principal) throws -> PreparedCommand {
      try book.engine.prepare(
        method: "pipeline.create", params: ["name": "p"], principal: principal, origin: Origin())
    }
    let behind = try (create(ann.principal), create(other))
    async let changed = book.submit(change)
    async let own = book.submit(behind.0)
    async let foreign = book.submit(behind.1)
    let (first, second, third) = await (changed, own, foreign)
    let position = try first.get().position
    _ = try second.get()
    switch third {
    case .success(let result): #expect(result.position < position)
    case .failure(let error): #expect(error.code == .unauthenticated)
    }
  }

  @Test func `another command that fails in the same batch doesn't keep sign-ins open`() async throws {
    let isArmed = NIOLockedValueBox(false)
    let turn = NIOLockedValueBox(0)
    // Of the batch that is armed, the third decision fails, and the others are committed.
    let book = try TestDomain(
      failpoints: Failpoints { point in
        guard point == .logDecided, isArmed.withLockedValue({ $0 }) else { return }
        let now = turn.withLockedValue { turn in
          turn += 1
          return turn
        }
        if now == 3 { throw Failpoints.Failure(point: point) }
      })
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let bob = try await book.member("bob", of: acme)
    func change(_ user: String) async throws -> PreparedCommand {
      try await book.engine.prepareInBackground(
        book.engine.prepare(
          method: "user.set_password", params: ["id": .string(user), "password": "correct horse"],
          principal: TestDomain.administrator, origin: Origin()))
    }
    let (failing, closing) = (try await change(bob.id), try await change(ann.id))
    let name = try book.engine.prepare(
      method: "organization.edit", params: ["id": .string(acme), "name": "n"], principal: TestDomain.administrator,
      origin: Origin())
    // The writer is held here, as the first of a batch, until all three can join it.
    let gate = DispatchSemaphore(value: 0)
    let begun = AsyncStream<Void>.makeStream()
    book.log.submit(
      { _ in
        begun.continuation.yield()
        gate.wait()
        isArmed.withLockedValue { $0 = true }
      }, completion: { _ in })
    for await _ in begun.stream { break }
    let fates = AsyncStream<Bool>.makeStream()
    for command in [name, failing, closing] {
      book.engine.submit(command, on: nil) { result in
        if case .success = result { fates.continuation.yield(true) } else { fates.continuation.yield(false) }
      }
    }
    gate.signal()
    var outcomes: [Bool] = []
    for await outcome in fates.stream {
      outcomes.append(outcome)
      if outcomes.count == 3 { break }
    }
    #expect(outcomes == [true, false, true])
    #expect(try book.engine.refresh(ann.principal) == nil, "the new password is on the disk")
    #expect(try book.engine.refresh(bob.principal) != nil, "Bob's was not changed")
    try await book.call("pipeline.create", ["name": "p"], as: bob.principal)
  }

  @Test func `a login is recorded with its address sealed, at most once a minute`() async throws {
    let book = try TestDomain()
    let start = Timestamp.now
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    func logins() throws -> Int { try book.records(of: ann.id).count { $0.header.event == "user.logged_in" } }
    try await book.engine.recordSignIn(of: ann.principal, from: Origin(ip: "192.0.2.7", userAgent: "test"))
    let item = try book.item(ann.id)
    #expect(item["last_login_at"] == .string(start.text) && item["last_login_ip"] == "192.0.2.7")
    #expect(try book.records(of: ann.id).last?.header.actor == "user:\(ann.id)")
    #expect(try !book.everything().contains("192.0.2.7"))
    book.clock.withLockedValue { $0 = start.adding(seconds: 59) }
    try await book.engine.recordSignIn(of: ann.principal, from: Origin(ip: "192.0.2.8"))
    #expect(try logins() == 1 && book.item(ann.id)["last_login_ip"] == "192.0.2.7")
    book.clock.withLockedValue { $0 = start.adding(seconds: 60) }
    try await book.engine.recordSignIn(of: ann.principal, from: Origin(ip: "fe80::1%eth0"))
    #expect(try logins() == 2 && book.item(ann.id)["last_login_ip"] == "fe80::1")
    book.clock.withLockedValue { $0 = start.adding(seconds: 120) }
    try await book.engine.recordSignIn(of: ann.principal, from: Origin())
    #expect(try book.item(ann.id)["last_login_ip"]?.unlessNull == nil, "over the Unix socket there is no address")
    let key = try await book.key(["*": ["read"]], in: acme)
    let head = book.log.head.position
    try await book.engine.recordSignIn(of: key.principal, from: Origin(ip: "192.0.2.9"))
    try await book.engine.recordSignIn(of: TestDomain.administrator, from: Origin())
    #expect(book.log.head.position == head)
    #expect(
      try await book.refusal("user.record_login", ["id": .string(ann.id)]).code == .methodNotFound)
  }

  @Test func `the use of a key is recorded at most once a minute, and holds nothing up`() async throws {
    let book = try TestDomain()
    let start = Timestamp.now
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let key = try await book.key(["pipelines": ["write"]], in: acme)
    func use() async throws {
      book.engine.noteUse(of: key.principal) { Issue.record("not recorded: \($0)") }
      // What is submitted behind it is decided behind it.
      try await book.call("organization.edit", ["id": .string(acme), "description": "d"])
    }
    func uses() throws -> Int { try book.records(of: key.id).count { $0.header.event == "api_key.used" } }
    for _ in 0..<3 { try await use() }
    #expect(try uses() == 1 && book.item(key.id)["last_used_at"] == .string(start.text))
    book.clock.withLockedValue { $0 = start.adding(seconds: 59) }
    try await use()
    #expect(try uses() == 1)
    book.clock.withLockedValue { $0 = start.adding(seconds: 60) }
    try await use()
    #expect(try uses() == 2 && book.item(key.id)["last_used_at"] == .string(start.adding(seconds: 60).text))
    book.engine.noteUse(of: TestDomain.administrator) { _ in Issue.record("the administrator is no key") }
    try await book.call("api_key.delete", ["id": .string(key.id)])
    book.clock.withLockedValue { $0 = start.adding(seconds: 120) }
    try await use()
    #expect(try uses() == 2)
  }

  @Test func `a user of an identity provider needs no password and is found by their subject`() async throws {
    let book = try TestDomain()
    let start = Timestamp.now
    book.clock.withLockedValue { $0 = start }
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "user",
      [
        "email": "kay@example.org", "keycloak_id": "f3b0-kay", "organization_id": .string(acme), "role": "developer",
      ])
    let expiry = start.adding(seconds: 300)
    #expect(try book.engine.principal(keycloakID: "nobody", expiresAt: expiry) == nil)
    let kay = try #require(try book.engine.principal(keycloakID: "f3b0-kay", expiresAt: expiry))
    #expect(kay.actor == "user:\(id)" && kay.expiresAt == expiry)
    #expect(try await book.engine.principal(email: "kay@example.org", password: "") == nil)
    #expect(
      try await book.refusal("user.create", ["email": "x@example.org", "keycloak_id": "f3b0-kay"]).reason == "unique")
    #expect(
      try await book.refusal("user.edit", ["id": .string(id), "keycloak_id": "other"], as: kay).code == .forbidden)
    try await book.call("pipeline.create", ["name": "p"], as: kay)
    // Others change meanwhile, and the expiry of the token stays what it was.
    _ = try await book.member("bob", of: acme)
    book.clock.withLockedValue { $0 = expiry.adding(seconds: -1) }
    #expect(try book.engine.refresh(kay)?.expiresAt == expiry)
    book.clock.withLockedValue { $0 = expiry }
    #expect(try book.engine.refresh(kay) == nil)
    #expect(try await book.refusal("pipeline.create", ["name": "p"], as: kay).code == .unauthenticated)
    #expect(try book.engine.principal(keycloakID: "f3b0-kay", expiresAt: expiry) == nil)
  }

  @Test func `everybody keeps their own preferences, and admins those of others`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, platformRole: "viewer")
    let bob = try await book.member("bob", of: acme)
    let admin = try await book.member("admin", of: acme, role: "admin").principal
    let made = try await book.make("user_preferences", ["custom_settings": ["dense": true]], as: ann.principal)
    let item = try book.item(made)
    #expect(item["user_id"] == .string(ann.id) && item["organization_id"] == .string(acme))
    let defaults: JSONObject = [
      "theme": "light", "language": "en", "timezone": "UTC", "date_format": "YYYY-MM-DD", "time_format": "24h",
      "notifications_enabled": true, "email_notifications": true, "dashboard_refresh_interval": 30,
      "accessibility_mode": false,
    ]
    for (name, value) in defaults { #expect(item[name] == value, "\(name)") }
    let edit: JSONObject = ["id": .string(made), "theme": "dark"]
    try await book.call("user_preferences.edit", edit, as: ann.principal)
    for zone in ["BST", "UTC+3", "europe/paris", ""] {
      let refused = try await book.refusal(
        "user_preferences.edit", ["id": .string(made), "timezone": .string(zone)], as: ann.principal)
      #expect(refused.paths == ["/timezone"])
    }
    try await book.call(
      "user_preferences.edit", ["id": .string(made), "timezone": "Asia/Kolkata"], as: ann.principal)
    #expect(
      try await book.refusal("user_preferences.create", [:], as: ann.principal).reason == "unique", "one a user")
    for (method, params, code): (String, JSONObject, Refusal.Code) in [
      ("user_preferences.edit", ["id": .string(made), "theme": "blue"], .notFound),
      ("user_preferences.delete", ["id": .string(made)], .notFound),
      ("user_preferences.create", ["user_id": .string(ann.id)], .forbidden),
    ] {
      #expect(try await book.refusal(method, params, as: bob.principal).code == code, "\(method)")
    }
    try await book.call("user_preferences.create", ["user_id": .string(bob.id)], as: admin)
    try await book.call("user_preferences.edit", ["id": .string(made), "theme": "blue"], as: admin)
    try await book.call("user_preferences.delete", ["id": .string(made)], as: ann.principal)
    try await book.call("user_preferences.create", [:], as: ann.principal)
    #expect(
      try await book.refusal("user_preferences.create", ["organization_id": .string(acme)]).paths == ["/user_id"])
    #expect(try !book.everything().contains("dense"))
    try book.checkIndexes()
  }
}

extension JSON {
  fileprivate var unlessNull: JSON? {
    if isNull { return nil }
    return self
  }
}
