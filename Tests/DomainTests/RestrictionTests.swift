import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import Records
import Refusals
import Testing
import Vault

/// Whose processing is restricted is stored and nothing more (GDPR Art. 18).
@Suite struct RestrictionTests {
  private struct World {
    let book: TestDomain
    let acme: String
    let officer: Principal
    let ann: (id: String, principal: Principal)

    init(_ book: TestDomain) async throws {
      self.book = book
      acme = try await book.organization("acme")
      officer = try await book.member("dpo", of: acme, platformRole: "officer").principal
      ann = try await book.member("ann", of: acme)
    }

    var params: JSONObject { ["id": .string(ann.id), "reason": "Art. 18(1)(a)"] }

    func restrict() async throws { try await book.call("subject.restrict", params, as: officer) }
  }

  @Test func `an officer restricts and ends it, with a reason, in person; twice is once; the indexes follow`()
    async throws
  {
    let book = try TestDomain()
    let world = try await World(book)
    let owner = try await book.member("owner", of: world.acme, role: "owner")
    for method in ["subject.restrict", "subject.unrestrict", "subject.reject_restriction"] {
      for principal in [TestDomain.administrator, owner.principal, world.ann.principal] {
        #expect(try await book.refusal(method, world.params, as: principal).code == .forbidden)
      }
      let bare: JSONObject = ["id": .string(world.ann.id)]
      #expect(try await book.refusal(method, bare, as: world.officer).code == .invalidParams)
    }
    let own = try #require(world.officer.subject).text
    #expect(
      try await book.refusal("subject.restrict", ["id": .string(own), "reason": "r"], as: world.officer).code
        == .forbidden)
    #expect(
      try await book.refusal("subject.reject_restriction", world.params, as: world.officer).code == .conflict)

    // The person asks, once.
    let ask: JSONObject = ["id": .string(world.ann.id)]
    #expect(try await events(book, "subject.request_restriction", ask, as: world.ann.principal) == 1)
    #expect(try await events(book, "subject.request_restriction", ask, as: world.ann.principal) == 0)
    #expect(try await events(book, "subject.reject_restriction", world.params, as: world.officer) == 1)
    #expect(try await events(book, "subject.request_restriction", ask, as: world.ann.principal) == 1)

    #expect(try await events(book, "subject.restrict", world.params, as: world.officer) == 1)
    #expect(try await events(book, "subject.restrict", world.params, as: world.officer) == 0)
    #expect(try await events(book, "subject.request_restriction", ask, as: world.ann.principal) == 0)
    try book.checkIndexes()
    #expect(try book.item(world.ann.id)["email"] == ["restricted": true])
    #expect(
      try book.view.reading(as: world.officer).item(book.state(world.ann.id))["email"] == "ann@example.org")
    #expect(try await events(book, "subject.unrestrict", world.params, as: world.officer) == 1)
    #expect(try await events(book, "subject.unrestrict", world.params, as: world.officer) == 0)
    try book.checkIndexes()
    #expect(try book.item(world.ann.id)["email"] == "ann@example.org")
  }

  private func events(_ book: TestDomain, _ method: String, _ params: JSONObject, as principal: Principal) async throws
    -> Int?
  {
    try await book.call(method, params, as: principal)["events"]?.arrayValue?.count
  }

  @Test func `nobody else changes or deletes what is restricted; the person signs in, edits and deletes`() async throws
  {
    let book = try TestDomain()
    let world = try await World(book)
    let (acme, ann) = (world.acme, world.ann)
    try await book.call("user.set_password", ["id": .string(ann.id), "password": "correct horse battery"])
    let preferences = try await book.make(
      "user_preferences", ["organization_id": .string(acme), "user_id": .string(ann.id)])
    try await world.restrict()
    let owner = try await book.member("owner", of: acme, role: "owner")
    let id: JSON = .string(ann.id)
    for (method, params) in [
      ("user.edit", ["id": id, "full_name": "X"]), ("user.edit", ["id": id, "email": "x@example.org"]),
      ("user.set_password", ["id": id, "password": "another passphrase"]), ("user.delete", ["id": id]),
      ("user_preferences.edit", ["id": .string(preferences), "timezone": "Asia/Tokyo"]),
      ("user_preferences.delete", ["id": .string(preferences)]), ("organization.delete", ["id": .string(acme)]),
    ] as [(String, JSONObject)] {
      let refusal = try await book.refusal(method, params)
      #expect(refusal.code == .held && refusal.data["person_id"] == id, "\(method): \(refusal)")
    }
    #expect(
      try await book.refusal("user.edit", ["id": id, "email": "x@example.org"], as: owner.principal).code == .held)
    // The address is taken, as before, and no more is said.
    let taken = try await book.refusal("user.create", ["email": "ann@example.org"])
    #expect(taken.code == .conflict && taken.data["fields"] == ["email"])
    // What is no data of the person's goes on: rights are taken away, and given back.
    try await book.call("user.deactivate", ["id": id])
    try await book.call("user.reactivate", ["id": id])

    let signedIn = try #require(
      try await book.engine.principal(email: "ann@example.org", password: "correct horse battery"))
    try await book.engine.recordSignIn(of: signedIn, from: Origin(ip: "192.0.2.9"))
    #expect(try book.item(ann.id)["last_login_at"] == ["restricted": true])
    try await book.call("user.edit", ["id": id, "full_name": "Ann"], as: signedIn)
    try await book.call("user_preferences.delete", ["id": .string(preferences)], as: signedIn)
    let chief = try await book.member("chief", of: acme, role: "owner", platformRole: "officer")
    try await book.call("user.edit", ["id": id, "first_name": "A"], as: chief.principal)
    #expect(try book.view.reading(as: signedIn).item(book.state(ann.id))["full_name"] == "Ann")
    try await book.call("subject.unrestrict", world.params, as: world.officer)
    try await book.call("user.edit", ["id": id, "full_name": "X"])
  }

  @Test func `it outlives the server, goes beside a hold, and an erasure ends it`() async throws {
    let book = try TestDomain()
    let world = try await World(book)
    try await world.restrict()
    let hold = try await book.make(
      by: "legal_hold.place", ["held_id": .string(world.ann.id), "name": "h", "reason": "r"])
    let id = try #require(Identifier(world.ann.id))
    let data = book.files.dataFolder
    book.close()
    let again = try TestDomain(data: data)
    #expect(again.vault.isRestricted(id))
    #expect(try again.item(world.ann.id)["email"] == ["restricted": true])
    let officer = try again.principal(try #require(world.officer.subject).text)
    #expect(try await again.refusal("subject.erase", world.params, as: officer).data["hold_id"] == .string(hold))
    try await again.call("legal_hold.release", ["id": .string(hold), "reason": "over"])
    try await again.call("subject.erase", world.params, as: officer)
    #expect(try again.item(world.ann.id)["email"] == ["erased": true])
    #expect(!again.vault.isRestricted(id))
    try again.checkIndexes()
    again.close()
    let last = try TestDomain(data: data)
    #expect(!last.vault.hasRestrictions)
    last.close()
  }

  @Test func `a dry run restricts nobody`() async throws {
    let book = try TestDomain()
    let world = try await World(book)
    try await book.call("subject.restrict", world.params.merging(["dry_run": true]), as: world.officer)
    #expect(try book.item(world.ann.id)["email"] == "ann@example.org")
    try await world.restrict()
    try await book.call("subject.unrestrict", world.params.merging(["dry_run": true]), as: world.officer)
    #expect(try book.item(world.ann.id)["email"] == ["restricted": true])
  }
}
