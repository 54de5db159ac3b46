import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// What is held stays, whoever asks and by whatever way.
@Suite struct LegalHoldTests {
  private func hold(_ book: TestDomain, _ held: String, as principal: Principal = TestDomain.administrator) async throws
    -> String
  {
    try await book.make(
      by: "legal_hold.place",
      ["held_id": .string(held), "name": "case", "matter": "2026/17", "reason": "a court asked"], as: principal)
  }

  /// Somebody of an organization who is no officer, by every way to rights there.
  private func others(_ book: TestDomain, _ organization: String) async throws -> [(name: String, principal: Principal)]
  {
    let owner = try await book.member("owner", of: organization, role: "owner")
    let made = try await book.call(
      "api_key.create",
      ["name": "k", "organization_id": .string(organization), "permissions": ["*": ["read", "write", "admin"]]],
      as: owner.principal)
    let secret = try #require(made["api_key"]?.stringValue)
    let key = try #require(try book.engine.principal(forKey: secret))
    return [
      ("owner", owner.principal), ("admin", try await book.member("admin", of: organization, role: "admin").principal),
      ("key", key), ("member", try await book.member("member", of: organization).principal),
    ]
  }

  @Test func `nobody but officers and administrators knows of a hold, places, edits or lifts one`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await book.member("officer", of: acme, platformRole: "officer")
    let auditor = try await book.member("auditor", of: acme, platformRole: "auditor")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let held = [
      try await hold(book, pipeline, as: officer.principal), try await hold(book, acme),
      try await hold(book, officer.id, as: officer.principal),
    ]
    let released: JSONObject = ["reason": "no longer"]
    for (name, principal) in try await others(book, acme) {
      for target in [pipeline, acme, officer.id] {
        let error = try await book.refusal(
          "legal_hold.place", ["held_id": .string(target), "name": "h", "reason": "r"], as: principal)
        #expect(error.code == .forbidden, "\(name)")
      }
      for id in held {
        let release = released.merging(["id": .string(id)])
        #expect(try await book.refusal("legal_hold.release", release, as: principal).code == .notFound, "\(name)")
        let edit: JSONObject = ["id": .string(id), "matter": "none"]
        #expect(try await book.refusal("legal_hold.edit", edit, as: principal).code == .notFound, "\(name)")
      }
    }
    // An auditor sees it and leaves it.
    for id in held {
      let release = released.merging(["id": .string(id)])
      #expect(try await book.refusal("legal_hold.release", release, as: auditor.principal).code == .forbidden)
      let edit: JSONObject = ["id": .string(id), "matter": "2026/18"]
      #expect(try await book.refusal("legal_hold.edit", edit, as: auditor.principal).code == .forbidden)
      try await book.call("legal_hold.edit", edit, as: officer.principal)
      #expect(try book.item(id)["matter"] == "2026/18" && book.item(id)["is_active"] == true)
    }
  }

  @Test func `an officer holds nothing of another organization, nor names it`() async throws {
    let book = try TestDomain()
    let (acme, other) = (try await book.organization("acme"), try await book.organization("other"))
    let officer = try await book.member("officer", of: acme, platformRole: "officer")
    try await book.call(
      "membership.create",
      ["organization_id": .string(other), "user_id": .string(officer.id), "role": "member", "is_guest": true])
    let principal = try book.principal(officer.id)
    let worker = try await book.member("worker", of: acme)
    let place: JSONObject = ["held_id": .string(worker.id), "name": "h", "reason": "r"]
    // As a guest of the other one they are no officer there.
    for organization in [other, nil] {
      let params = organization.map { place.merging(["organization_id": .string($0)]) } ?? place
      #expect(try await book.refusal("legal_hold.place", params, as: principal).code == .forbidden)
    }
    try await book.call("legal_hold.place", place.merging(["organization_id": .string(acme)]), as: principal)
  }

  @Test func `a hold on a person holds all that is theirs, made by them or addressed to them`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let officer = try await book.member("officer", of: acme, platformRole: "officer")
    let ann = try await book.member("ann", of: acme)
    let organization: JSONObject = ["organization_id": .string(acme)]
    let pipeline = try await book.make("pipeline", organization.merging(["name": "p"]))
    var made: [(method: String, id: String)] = [("user.delete", ann.id)]
    func note(_ type: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator) async throws {
      let id = try await book.make(type, organization.merging(params), as: principal)
      made.append(("\(type).delete", id))
    }
    try await note("user_preferences", ["custom_settings": ["a": 1]], as: ann.principal)
    try await note("pipeline", ["name": "owned", "owner_id": .string(ann.id)])
    try await note("pipeline", ["name": "made"], as: ann.principal)
    try await note("notification", ["user_id": .string(ann.id), "type": "info", "title": "t"])
    try await note("run", ["pipeline_id": .string(pipeline), "triggered_by": .string(ann.id)])
    try await note("dashboard", ["name": "d", "layout_config": [:]], as: ann.principal)
    let other = try await book.organization("other")
    let invitation = try await book.make(
      "invitation", ["organization_id": .string(other), "user_id": .string(ann.id), "role": "member"])
    made.append(("invitation.delete", invitation))
    let held = try await hold(book, ann.id, as: officer.principal)
    try book.checkIndexes()
    for (method, id) in made {
      let error = try await book.refusal(method, ["id": .string(id), "reason": "gone"])
      #expect(error.code == .held && error.data["hold_id"] == .string(held), "\(method): \(error)")
    }
    #expect(try await book.refusal("pipeline.delete", ["id": .string(pipeline)]).code == .held, "its run is Ann's")
    #expect(try await book.refusal("organization.delete", ["id": .string(acme)]).code == .held)
    #expect(try await book.refusal("organization.delete", ["id": .string(other)]).code == .held)
    // What gives access is taken away all the same, and an invitation may be answered.
    try await book.call("invitation.accept", ["id": .string(invitation)], as: ann.principal)
    let user = try #require(Identifier(ann.id))
    for link in try book.log.read({ try $0.referrers(of: user, type: "membership", limit: 10) }) {
      try await book.call("membership.delete", ["id": .string(link.id.text)])
    }
    try await book.call("legal_hold.release", ["id": .string(held), "reason": "over"], as: officer.principal)
    for (method, id) in made.dropFirst() where method != "invitation.delete" {
      try await book.call(method, ["id": .string(id), "reason": "gone"])
    }
    try book.checkIndexes()
  }

  @Test func `what is held is not deleted until every hold is released`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let first = try await hold(book, pipeline)
    let second = try await hold(book, pipeline)
    let item = try book.item(first)
    #expect(item["held_type"] == "pipeline" && item["organization_id"] == .string(acme) && item["is_active"] == true)
    let error = try await book.refusal("pipeline.delete", ["id": .string(pipeline)])
    #expect(error.code == .held)
    #expect([first, second].contains(error.data["hold_id"]?.stringValue))
    try book.checkIndexes()
    try await book.call("legal_hold.release", ["id": .string(first), "reason": "over"])
    #expect(try await book.refusal("pipeline.delete", ["id": .string(pipeline)]).data["hold_id"] == .string(second))
    let released = try await book.call("legal_hold.release", ["id": .string(second), "reason": "over"])
    #expect(released.eventNames == ["legal_hold.released"])
    #expect(try await book.call("legal_hold.release", ["id": .string(second), "reason": "again"]).eventNames == [])
    let after = try book.item(second)
    #expect(after["is_active"] == false && after["released_at"]?.stringValue != nil)
    try book.checkIndexes()
    try await book.call("pipeline.delete", ["id": .string(pipeline)])
    try book.checkIndexes()
  }

  @Test func `what is held keeps what it would go with`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let run = try await book.make("run", ["pipeline_id": .string(pipeline)])
    let held = try await hold(book, run)
    for (method, id) in [("run.delete", run), ("pipeline.delete", pipeline), ("organization.delete", acme)] {
      let error = try await book.refusal(method, ["id": .string(id)])
      #expect(error.code == .held && error.data["hold_id"] == .string(held), "\(method)")
    }
    try await book.call("legal_hold.release", ["id": .string(held), "reason": "over"])
    try await book.call("organization.delete", ["id": .string(acme)])
    try book.checkIndexes()
  }

  @Test func `an organization's hold keeps what it has, but not who may enter`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let held = try await hold(book, acme)
    for (method, id) in [("pipeline.delete", pipeline), ("organization.delete", acme)] {
      #expect(try await book.refusal(method, ["id": .string(id)]).data["hold_id"] == .string(held), "\(method)")
    }
    let user = try #require(Identifier(ann.id))
    let memberships = try book.log.read { try $0.referrers(of: user, type: "membership", limit: 10) }
    try await book.call("membership.delete", ["id": .string(try #require(memberships.first).id.text)])
    #expect(try await book.refusal("organization.delete", ["id": .string(acme)]).code == .held)
  }

  @Test func `a held person stays, and so does the hold itself`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let held = try await book.make(
      by: "legal_hold.place",
      ["held_id": .string(ann.id), "name": "case", "reason": "r", "organization_id": .string(acme)])
    #expect(try await book.refusal("user.delete", ["id": .string(ann.id)]).data["hold_id"] == .string(held))
    // The hold belongs to the organization, which can't go and take it along.
    #expect(try await book.refusal("organization.delete", ["id": .string(acme)]).data["hold_id"] == .string(held))
  }

  @Test func `officers and administrators place holds, and members do not`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let foreign = try await book.make("pipeline", ["name": "p", "organization_id": .string(other)])
    let member = try await book.member("member", of: acme)
    let officer = try await book.member("officer", of: acme, platformRole: "officer")
    let owner = try await book.member("owner", of: acme, role: "owner")
    let params: JSONObject = ["held_id": .string(pipeline), "name": "case", "reason": "r"]
    #expect(try await book.refusal("legal_hold.place", params, as: member.principal).code == .forbidden)
    #expect(try await book.refusal("legal_hold.place", params, as: owner.principal).code == .forbidden)
    for principal in [officer.principal, TestDomain.administrator] {
      let held = try await hold(book, pipeline, as: principal)
      try await book.call("legal_hold.release", ["id": .string(held), "reason": "r"], as: principal)
    }
    let stranger = try await book.refusal(
      "legal_hold.place", ["held_id": .string(foreign), "name": "case", "reason": "r"], as: officer.principal)
    #expect(stranger.paths == ["/held_id"])
    #expect(
      try await book.refusal("legal_hold.place", ["held_id": .string(pipeline), "name": "case"]).paths == ["/reason"])
    let nothing = try await book.refusal(
      "legal_hold.place", ["held_id": "00000000-0000-7000-8000-00000000abcd", "name": "case", "reason": "r"])
    #expect(nothing.paths == ["/held_id"])
  }
}
