import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// Nobody becomes a member by another's act alone, and who governs an account follows from what the person accepted.
@Suite struct InvitationTests {
  /// Vic belongs to X. Mal owns Y, is a guest of X, and belongs to a club where Vic is a guest.
  private struct Place {
    let book: TestDomain
    let x: String
    let y: String
    let boss: (id: String, principal: Principal)
    let vic: (id: String, principal: Principal)
    let mal: (id: String, principal: Principal)
    let workspace: String

    init() async throws {
      book = try TestDomain()
      x = try await book.organization("x")
      y = try await book.organization("y")
      boss = try await book.member("boss", of: x, role: "owner")
      vic = try await book.member("vic", of: x)
      let owner = try await book.member("mal", of: y, role: "owner")
      workspace = try await book.make("workspace", ["name": "w"], as: boss.principal)
      let link = try await book.call("share_link.create", ["workspace_id": .string(workspace)], as: boss.principal)
      try await book.call("workspace.join", ["token": try #require(link["token"])], as: owner.principal)
      let club = try await book.organization("club")
      for (member, isGuest) in [(vic.id, true), (owner.id, false)] {
        try await book.call(
          "membership.create",
          ["user_id": .string(member), "organization_id": .string(club), "is_guest": .bool(isGuest)])
      }
      mal = (owner.id, try book.principal(owner.id))
    }

    func invite(_ user: String, _ role: String = "member") async throws -> JSONObject {
      try await book.call(
        "membership.create",
        ["user_id": .string(user), "organization_id": .string(y), "role": .string(role)], as: mal.principal)
    }
  }

  @Test func `an invitation changes nothing of the person and gives nobody a right`() async throws {
    let place = try await Place()
    let book = place.book
    let made = try await place.invite(place.vic.id)
    #expect(made.eventNames == ["invitation.created"])
    let item = try book.item(try #require(made["id"]?.stringValue))
    #expect(item["user_id"] == .string(place.vic.id) && item["role"] == "member" && item["organization_name"] == "y")
    #expect(try book.principal(place.vic.id).organizations.count == 2)
    try await book.call(
      "pipeline.create", ["name": "p", "organization_id": .string(place.x)], as: place.vic.principal)
    let vic: JSON = .string(place.vic.id)
    for (method, params): (String, JSONObject) in [
      ("user.edit", ["id": vic, "full_name": "Owned"]),
      ("user.set_password", ["id": vic, "password": "stolen account"]),
      ("user.deactivate", ["id": vic]), ("user.delete", ["id": vic]),
    ] {
      #expect(try await book.refusal(method, params, as: place.mal.principal).code == .forbidden, "\(method)")
    }
    let hold: JSONObject = [
      "organization_id": .string(place.y), "held_id": vic, "name": "h", "reason": "mine",
    ]
    #expect(try await book.refusal("legal_hold.place", hold, as: place.mal.principal).code == .forbidden)
    // X governs as before.
    try await book.call("user.set_password", ["id": vic, "password": "from the boss"], as: place.boss.principal)
    try await book.call("user.deactivate", ["id": vic], as: place.boss.principal)
    // And when X has removed Vic, nobody but an administrator does.
    try await book.call("user.reactivate", ["id": vic], as: place.boss.principal)
    try await book.call(
      "membership.delete", ["id": .string(try book.membership(of: place.vic.id, in: place.x))], as: place.boss.principal
    )
    #expect(
      try await book.refusal("user.set_password", ["id": vic, "password": "stolen account"], as: place.mal.principal)
        .code == .forbidden)
    try book.checkIndexes()
  }

  @Test func `the person alone accepts, and belongs from then on`() async throws {
    let place = try await Place()
    let book = place.book
    let id = try #require(try await place.invite(place.vic.id, "admin")["id"])
    for other in [place.mal.principal, TestDomain.administrator] {
      #expect(try await book.refusal("invitation.accept", ["id": id], as: other).code == .forbidden)
    }
    #expect(try await book.refusal("invitation.accept", ["id": id], as: place.boss.principal).code == .notFound)
    let accepted = try await book.call("invitation.accept", ["id": id], as: place.vic.principal)
    #expect(accepted.eventNames == ["invitation.accepted", "membership.created"])
    let y = try #require(Identifier(place.y))
    #expect(try book.principal(place.vic.id).organizations[y] == "admin")
    let membership = try book.item(try #require(accepted["membership_id"]?.stringValue))
    #expect(membership["user_id"] == .string(place.vic.id) && membership["joined_at"]?.isNull == false)
    #expect(try await book.refusal("invitation.accept", ["id": id], as: place.vic.principal).code == .gone)
    // Now neither organization governs the account alone.
    for governor in [place.boss.principal, place.mal.principal] {
      let refused = try await book.refusal(
        "user.set_password", ["id": .string(place.vic.id), "password": "another one"], as: governor)
      #expect(refused.code == .forbidden)
    }
    try book.checkIndexes()
  }

  @Test func `an invitation is declined by the person or withdrawn, and there is one at a time`() async throws {
    let place = try await Place()
    let book = place.book
    let first = try #require(try await place.invite(place.vic.id)["id"])
    let again: JSONObject = ["user_id": .string(place.vic.id), "organization_id": .string(place.y)]
    #expect(try await book.refusal("invitation.create", again, as: place.mal.principal).reason == "unique")
    try await book.call("invitation.delete", ["id": first], as: place.vic.principal)
    let second = try #require(try await place.invite(place.vic.id)["id"])
    try await book.call("invitation.delete", ["id": second], as: place.mal.principal)
    #expect(try await book.refusal("invitation.accept", ["id": second], as: place.vic.principal).code == .gone)
    #expect(try await book.refusal("membership.create", again, as: place.vic.principal).code == .notFound)
  }

  @Test func `an invitation gives no more than who made it could give by now`() async throws {
    let place = try await Place()
    let book = place.book
    let id = try #require(try await place.invite(place.vic.id, "owner")["id"])
    _ = try await book.member("other", of: place.y, role: "owner")
    let own = try book.membership(of: place.mal.id, in: place.y)
    try await book.call("membership.edit", ["id": .string(own), "role": "admin"])
    let refused = try await book.refusal("invitation.accept", ["id": id], as: place.vic.principal)
    #expect(refused.reason == "state" && refused.message.contains("another invitation"))
    try await book.call("membership.edit", ["id": .string(own), "role": "owner"])
    try await book.call("invitation.accept", ["id": id], as: place.vic.principal)
  }

  @Test func `an administrator of the service adds at once, and who is made by an organization belongs to it`()
    async throws
  {
    let place = try await Place()
    let added = try await place.book.call(
      "membership.create", ["user_id": .string(place.vic.id), "organization_id": .string(place.y)])
    #expect(added.eventNames == ["membership.created"])
    let made = try await place.book.call(
      "user.create", ["email": "new@example.org", "organization_id": .string(place.y)], as: place.mal.principal)
    #expect(made.eventNames == ["user.created", "membership.created"])
  }

  @Test func `a host governs no guest, and a guest becomes a member by accepting`() async throws {
    let place = try await Place()
    let book = place.book
    let mal: JSON = .string(place.mal.id)
    for (method, params): (String, JSONObject) in [
      ("user.edit", ["id": mal, "full_name": "X"]), ("user.deactivate", ["id": mal]),
      ("user.set_password", ["id": mal, "password": "stolen account"]),
    ] {
      #expect(try await book.refusal(method, params, as: place.boss.principal).code == .forbidden, "\(method)")
    }
    let hold: JSONObject = ["organization_id": .string(place.x), "held_id": mal, "name": "h", "reason": "mine"]
    #expect(try await book.refusal("legal_hold.place", hold, as: place.boss.principal).code == .forbidden)
    // Being a guest elsewhere takes nothing from who governs at home.
    let clerk = try await book.member("clerk", of: place.y)
    let link = try await book.call(
      "share_link.create", ["workspace_id": .string(place.workspace)], as: place.boss.principal)
    try await book.call("workspace.join", ["token": try #require(link["token"])], as: clerk.principal)
    try await book.call(
      "user.set_password", ["id": .string(clerk.id), "password": "from the owner"], as: place.mal.principal)
    let guest = try book.membership(of: clerk.id, in: place.x)
    #expect(
      try await book.refusal("membership.edit", ["id": .string(guest), "is_guest": nil], as: place.boss.principal)
        .reason
        == "state")
    let invited = try await book.call(
      "membership.create", ["user_id": .string(clerk.id), "organization_id": .string(place.x)],
      as: place.boss.principal)
    let accepted = try await book.call(
      "invitation.accept", ["id": try #require(invited["id"])], as: book.principal(clerk.id))
    #expect(accepted.eventNames == ["invitation.accepted", "membership.edited"])
    #expect(accepted["membership_id"] == .string(guest))
    #expect(try book.principal(clerk.id).organizations[try #require(Identifier(place.x))] == "member")
  }
}
