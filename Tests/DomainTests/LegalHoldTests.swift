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

  @Test func `whoever administers an organization holds only its own people`() async throws {
    let book = try TestDomain()
    let (acme, shared) = (try await book.organization("acme"), try await book.organization("shared"))
    let boss = try await book.member("boss", of: acme, role: "owner")
    try await book.call(
      "membership.create", ["organization_id": .string(shared), "user_id": .string(boss.id), "role": "member"])
    let stranger = try await book.member("stranger", of: shared)
    let worker = try await book.member("worker", of: acme)
    let principal = try book.principal(boss.id)
    func hold(_ id: String) -> JSONObject {
      ["name": "h", "held_id": .string(id), "organization_id": .string(acme), "reason": "case"]
    }
    let refused = try await book.refusal("legal_hold.place", hold(stranger.id), as: principal)
    #expect(refused.code == .notFound)
    try await book.call("legal_hold.place", hold(worker.id), as: principal)
    try await book.call("legal_hold.place", hold(stranger.id))
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
    for principal in [officer.principal, owner.principal] {
      let held = try await hold(book, pipeline, as: principal)
      #expect(
        try await book.refusal("legal_hold.release", ["id": .string(held), "reason": "r"], as: member.principal).code
          == .forbidden)
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
