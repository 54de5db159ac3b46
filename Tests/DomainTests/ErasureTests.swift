import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Records
import Refusals
import TestBasics
import Testing
import Vault

/// A person is erased, and everything that was proved stays proved.
@Suite struct ErasureTests {
  /// An officer of an organization, in person.
  private func officer(_ book: TestDomain, of organization: String, _ name: String = "officer") async throws
    -> Principal
  {
    try await book.member(name, of: organization, platformRole: "officer").principal
  }

  private func erase(_ book: TestDomain, _ id: String, as principal: Principal) async throws -> JSONObject {
    try await book.call("subject.erase", ["id": .string(id), "reason": "Art. 17(1)(b)"], as: principal)
  }

  @Test func `nothing of the erased opens, what is another's does, and every index is what the states say`()
    async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let (ann, bob) = (try await book.member("ann", of: acme), try await book.member("bob", of: acme))
    try await book.make(
      "user_preferences",
      ["organization_id": .string(acme), "user_id": .string(ann.id), "custom_settings": ["shoe": 38]])
    let pipeline = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(acme), "owner_id": .string(ann.id)], as: ann.principal)
    try await book.call(
      "pipeline.edit",
      ["id": .string(pipeline), "description": "d", "reason": "ann is ill", "about": [.string(ann.id)]],
      as: bob.principal)
    try await book.call("user.set_password", ["id": .string(ann.id), "password": "correct horse battery"])
    let (size, root) = (book.log.head.position, book.log.head.root)
    let email = try book.state(ann.id).fields["email"]

    let answer = try await erase(book, ann.id, as: officer)
    let receipt = try #require(answer["receipt"]?.objectValue)
    #expect(receipt["erased"]?["values"]?["user.email"] == 1)
    #expect(receipt["deleted"]?["membership"] == 1 && receipt["deleted"]?["user_preferences"] == 1)
    #expect(receipt["organizations"] == [.string(acme)])
    let owner = KeyOwner.subject(try #require(Identifier(ann.id)))
    #expect(book.vault.isErased(owner))
    let state = try book.state(ann.id)
    #expect(state.isDeleted && state.fields["is_active"] == false && !state.fields.contains("password_hash"))
    #expect(state.fields["email"] == email, "the token stays: it tells erased from never given")
    #expect(
      try book.vault.open(try #require(email), resourceID: state.id, field: "email") == .erased)
    #expect(try book.item(ann.id)["email"] == ["erased": true], "not null, which would say that there never was one")
    #expect(try book.item(bob.id)["email"] == "bob@example.org")
    #expect(try book.state(pipeline).fields["owner_id"] == .string(ann.id), "the id names nobody, and stays")
    try book.checkIndexes()
    // Old proofs hold: the tree is the same up to where it was.
    #expect(try book.log.read { try $0.root(size: size) } == root)
    // The address is free again.
    let again = try await book.member("ann", of: acme)
    #expect(again.id != ann.id)
    // Erasing twice says since when, to who may still know of the person.
    let params: JSONObject = ["id": .string(ann.id), "reason": "x"]
    #expect(try await book.refusal("subject.erase", params, as: officer).code == .notFound)
    let chief = try await book.make("user", ["email": "dpo@example.org", "role": "officer", "is_staff": true])
    #expect(try await book.refusal("subject.erase", params, as: try book.principal(chief)).code == .gone)
  }

  @Test func `only an officer orders it, in person and not in their own matter`() async throws {
    let book = try TestDomain()
    let (acme, other) = (try await book.organization("acme"), try await book.organization("other"))
    let officer = try await officer(book, of: acme)
    let owner = try await book.member("owner", of: acme, role: "owner")
    let ann = try await book.member("ann", of: acme)
    let stranger = try await book.member("stranger", of: other)
    let params: JSONObject = ["id": .string(ann.id), "reason": "r"]
    for principal in [TestDomain.administrator, owner.principal, ann.principal] {
      #expect(try await book.refusal("subject.erase", params, as: principal).code == .forbidden)
    }
    let own = try #require(officer.subject).text
    #expect(
      try await book.refusal("subject.erase", ["id": .string(own), "reason": "r"], as: officer).code == .forbidden)
    #expect(
      try await book.refusal("subject.erase", ["id": .string(stranger.id), "reason": "r"], as: officer).code
        == .notFound)
    #expect(try await book.refusal("subject.erase", ["id": .string(ann.id)], as: officer).code == .invalidParams)
    // One who belongs nowhere decides about nobody; staff of the service, about everybody.
    let idle = try await book.make("user", ["email": "idle@example.org", "role": "officer"])
    #expect(
      try await book.refusal(
        "subject.erase", ["id": .string(stranger.id), "reason": "r"], as: try book.principal(idle)
      )
      .code == .notFound)
    let chief = try await book.make("user", ["email": "dpo@example.org", "role": "officer", "is_staff": true])
    try await book.call(
      "subject.erase", ["id": .string(stranger.id), "reason": "r"], as: try book.principal(chief))
    #expect(try book.state(stranger.id).isDeleted)
  }

  @Test func `a request is confirmed or rejected by an officer`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    let bob = try await book.member("bob", of: acme)
    let id: JSONObject = ["id": .string(ann.id)]
    #expect(try await book.refusal("subject.request_erasure", id, as: bob.principal).code == .forbidden)
    let nothing = try await book.refusal("subject.reject_erasure", id.merging(["reason": "none"]), as: officer)
    #expect(nothing.code == .conflict)
    #expect(
      try await book.call("subject.request_erasure", id, as: ann.principal).eventNames == ["subject.erasure_requested"])
    #expect(try await book.call("subject.request_erasure", id, as: ann.principal).eventNames == [])
    let rejected = try await book.call(
      "subject.reject_erasure", id.merging(["reason": "Art. 17(3)(e): a lawsuit"]), as: officer)
    #expect(rejected.eventNames == ["subject.erasure_rejected"])
    try await book.call("subject.request_erasure", id, as: ann.principal)
    #expect(try await erase(book, ann.id, as: officer).eventNames.first == "subject.erasure_confirmed")
  }

  @Test func `a dry run says what goes, what stays on which ground, and records nothing`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme, role: "owner")
    let key = try await book.make("api_key", ["name": "k", "organization_id": .string(acme)], as: ann.principal)
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)], as: ann.principal)
    let run = try await book.make("run", ["pipeline_id": .string(pipeline)], as: ann.principal)
    try await book.call(
      "run.log", ["id": .string(run), "lines": [["level": "INFO", "message": "hello ann"]]], as: ann.principal)
    let before = book.log.head.position
    let plan = try await book.call(
      "subject.erase", ["id": .string(ann.id), "reason": "r", "dry_run": true], as: officer)["plan"]
    let owner = KeyOwner.subject(try #require(Identifier(ann.id)))
    #expect(book.log.head.position == before && !book.vault.isErased(owner))
    #expect(plan?["revoked_api_keys"] == 1)
    #expect(plan?["left_without_owner"] == [.string(acme)])
    #expect(plan?["expires"]?.arrayValue?.contains { $0["class"] == "logs" && $0["gone_by"] != nil } == true)
    #expect(plan?["kept"]?.arrayValue?.allSatisfy { $0["ground"]?.stringValue?.isEmpty == false } == true)
    _ = try await erase(book, ann.id, as: officer)
    #expect(try book.state(key).fields["is_active"] == false)
    try book.checkIndexes()
  }

  @Test func `a hold on the person, or on what would go with them, keeps them until it is released`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    let preferences = try await book.make(
      "user_preferences", ["organization_id": .string(acme), "user_id": .string(ann.id), "custom_settings": ["a": 1]])
    for held in [ann.id, preferences] {
      let hold = try await book.make(
        by: "legal_hold.place", ["held_id": .string(held), "name": "case", "reason": "a court asked"])
      let params: JSONObject = ["id": .string(ann.id), "reason": "r"]
      #expect(try await book.refusal("subject.erase", params, as: officer).code == .held)
      #expect(
        try await book.refusal("subject.erase", params.merging(["dry_run": true]), as: officer).code == .held)
      try await book.call("legal_hold.release", ["id": .string(hold), "reason": "over"])
    }
    _ = try await erase(book, ann.id, as: officer)
    #expect(try book.state(ann.id).isDeleted)
  }

  @Test func `nothing is sealed for the erased any more, and what would be is gone`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)], as: ann.principal)
    _ = try await erase(book, ann.id, as: officer)
    let error = try await book.refusal(
      "pipeline.edit", ["id": .string(pipeline), "description": "d"], as: ann.principal)
    #expect(error.code == .unauthenticated)
    let about = try await book.refusal(
      "pipeline.edit",
      ["id": .string(pipeline), "description": "d", "reason": "r", "about": [.string(ann.id)]])
    #expect(about.code == .notFound)
    let edit = try await book.refusal("user.edit", ["id": .string(ann.id), "full_name": "Ann"])
    #expect(edit.code == .gone)
  }

  @Test func `a person whose account was deleted before is erased as well, by an officer of the service`() async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    try await book.call("user.delete", ["id": .string(ann.id)])
    let params: JSONObject = ["id": .string(ann.id), "reason": "r"]
    #expect(try await book.refusal("subject.erase", params, as: officer).code == .notFound)
    let chief = try await book.make("user", ["email": "dpo@example.org", "role": "officer", "is_staff": true])
    _ = try await erase(book, ann.id, as: try book.principal(chief))
    let owner = KeyOwner.subject(try #require(Identifier(ann.id)))
    #expect(book.vault.isErased(owner))
    try book.checkIndexes()
  }

  @Test func `an officer of one organization is told of the others only how many there are`() async throws {
    let book = try TestDomain()
    let (acme, other) = (try await book.organization("acme"), try await book.organization("other"))
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    try await book.call(
      "membership.create", ["organization_id": .string(other), "user_id": .string(ann.id), "role": "owner"])
    let plan = try await book.call(
      "subject.erase", ["id": .string(ann.id), "reason": "r", "dry_run": true], as: officer)["plan"]
    #expect(plan?["organizations"] == [.string(acme)] && plan?["other_organizations"] == 1)
    #expect(plan?["left_without_owner"] == [])
    let all = try await erase(book, ann.id, as: officer)
    #expect(all["receipt"]?.canonicalString.contains(other) == false)
    let record = try #require(
      try book.log.read { snapshot in
        try snapshot.records(from: 1, limit: 1000, maximumBytes: 1 << 20).last {
          try $0.parsedHeader().event == "subject.erasure_confirmed"
        }
      })
    #expect(try record.parsedBody().data["organizations"] == [.string(acme), .string(other)], "the log says all")
  }

  @Test func `every organization of the person has an event that tells it, by id and without the reason`() async throws
  {
    let book = try TestDomain()
    let organizations = [try await book.organization("acme"), try await book.organization("other")]
    _ = try await book.organization("third")
    let officer = try await officer(book, of: organizations[0])
    let ann = try await book.member("ann", of: organizations[0])
    try await book.call(
      "membership.create", ["organization_id": .string(organizations[1]), "user_id": .string(ann.id), "role": "member"])
    _ = try await book.call(
      "subject.erase", ["id": .string(ann.id), "reason": "r", "dry_run": true], as: officer)
    let (before, _) = (book.log.head.position, try await erase(book, ann.id, as: officer))
    let records = try book.log.read { try $0.records(from: before + 1, limit: 100, maximumBytes: 1 << 20) }
    let decision = try #require(try records.first { try $0.parsedHeader().event == "subject.erasure_confirmed" })
    let told = try records.filter { try $0.parsedHeader().event == "organization.member_erased" }
    #expect(try told.map { try $0.parsedHeader().organization?.text } == organizations)
    for record in told {
      let header = try record.parsedHeader()
      #expect(header.actor == officer.actor && header.resource == header.organization)
      #expect(try header.causation == decision.parsedHeader().id)
      let body = try record.parsedBody()
      #expect(body.data == ["person_id": .string(ann.id)] && body.reason == nil && body.origin == nil)
    }
    try book.checkIndexes()
  }

  @Test func `a log from before an erasure, opened with the keys of today, loses the person again`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    _ = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    let id = try #require(Identifier(ann.id))
    // The key is gone, and the log knows of nothing.
    try book.vault.destroy([.subject(id)])
    try await book.engine.finishErasures()
    #expect(try book.state(ann.id).isDeleted)
    try book.checkIndexes()
    #expect(try await book.member("ann", of: acme).id != ann.id)
    let head = book.log.head.position
    try await book.engine.finishErasures()
    #expect(book.log.head.position == head, "it is done once")
  }

  @Test func `what an older key store brings back is destroyed before anything is opened`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let ann = try await book.member("ann", of: acme)
    let export = book.folder.path + "/keys"
    try book.vault.exportKeys(to: export)
    _ = try await erase(book, ann.id, as: officer)
    let data = book.files.dataFolder
    book.close()
    try FileManager.default.removeItem(atPath: data + "/vault")
    try Vault.importKeys(from: export, into: data + "/vault")
    let again = try TestDomain(data: data)
    let owner = KeyOwner.subject(try #require(Identifier(ann.id)))
    #expect(!again.vault.isErased(owner))
    #expect(try again.engine.destroyErasedKeys() == 1)
    #expect(again.vault.isErased(owner))
    again.close()
  }

  @Test func `a guest is nobody's whose officer they visit, and an officer who visits is none there`() async throws {
    let book = try TestDomain()
    let (acme, home) = (try await book.organization("acme"), try await book.organization("home"))
    let officer = try await officer(book, of: acme)
    let native = try await self.officer(book, of: home, "native")
    let workspace = try await book.make("workspace", ["name": "w", "organization_id": .string(acme)])
    let link = try await book.call("share_link.create", ["workspace_id": .string(workspace)])
    let visitor = try await book.member("visitor", of: home)
    let ann = try await book.member("ann", of: acme)
    for guest in [visitor.id, try #require(native.subject).text] {
      _ = try await book.call(
        "workspace.join", ["token": try #require(link["token"])], as: try book.principal(guest))
    }
    let decisions: [(method: String, params: JSONObject)] = [
      ("subject.erase", ["reason": "r"]), ("subject.erase", ["reason": "r", "dry_run": true]),
      ("subject.restrict", ["reason": "r"]),
      ("legal_hold.place", ["name": "case", "reason": "r", "organization_id": .string(acme)]),
    ]
    for (method, params) in decisions {
      let field = method == "legal_hold.place" ? "held_id" : "id"
      #expect(
        try await book.refusal(method, params.merging([field: .string(visitor.id)]), as: officer).code == .forbidden,
        "\(method) of a guest")
      let away = try book.principal(try #require(native.subject).text)
      #expect(
        [.notFound, .forbidden, .invalidParams].contains(
          try await book.refusal(method, params.merging([field: .string(ann.id)]), as: away).code),
        "\(method) by a guest")
    }
    #expect(try !book.state(visitor.id).isDeleted)
    // Who is asked for it at home gets it done.
    _ = try await erase(book, visitor.id, as: try book.principal(try #require(native.subject).text))
    #expect(try book.state(visitor.id).isDeleted)
  }

  @Test func `what others gave as a reason about a person goes with them, and the ground of the erasure stays`()
    async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await officer(book, of: acme)
    let owner = try await book.member("owner", of: acme, role: "owner")
    let ann = try await book.member("ann", of: acme)
    let membership = try book.log.read {
      try $0.memberships(of: try #require(Identifier(ann.id))).first?.id.text ?? ""
    }
    let first = book.log.head.position + 1
    for principal in [owner.principal, TestDomain.administrator] {
      for (method, id, params) in [
        ("user.edit", ann.id, ["full_name": .string("A \(principal.actor)")]),
        ("membership.edit", membership, ["role": principal.isAdministrator ? "member" : "admin"]),
        ("subject.request_erasure", ann.id, [:]),
      ] as [(String, String, JSONObject)] {
        try await book.call(
          method, params.merging(["id": .string(id), "reason": "after the hearing for theft"]), as: principal)
      }
      if !principal.isAdministrator {
        try await book.call(
          "subject.reject_erasure", ["id": .string(ann.id), "reason": "a claim is open"], as: officer)
      }
    }
    let rules = book.engine.rules
    func reasons() throws -> [(event: String, opened: Opened)] {
      try book.log.read { snapshot in
        try (first...snapshot.head.position).compactMap { position in
          guard let record = try snapshot.record(at: position) else { return nil }
          let header = try record.parsedHeader()
          guard let reason = try record.parsedBody().reason else { return nil }
          return (header.event, try rules.sealer.open(reason, resource: header.resource, field: "reason"))
        }
      }
    }
    #expect(try reasons().count == 7)
    for (event, opened) in try reasons() {
      guard case .value = opened else {
        Issue.record("\(event) has no reason")
        continue
      }
    }
    _ = try await erase(book, ann.id, as: officer)
    for (event, opened) in try reasons().prefix(7) { #expect(opened == .erased, "\(event)") }
    #expect(
      try reasons().contains { $0.event == "subject.erasure_confirmed" && $0.opened == .value("Art. 17(1)(b)") })
  }

  @Test func `a hold of an older log holds nobody who was erased, and keeps no other erasure from its end`()
    async throws
  {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let (ann, bob) = (try await book.member("ann", of: acme), try await book.member("bob", of: acme))
    try await book.make(
      by: "legal_hold.place", ["held_id": .string(ann.id), "name": "case", "reason": "a court asked"])
    try book.vault.destroy([ann, bob].map { .subject(try #require(Identifier($0.id))) })
    try await book.engine.finishErasures()
    #expect(try book.state(ann.id).isDeleted && book.state(bob.id).isDeleted)
    try book.checkIndexes()
  }
}
