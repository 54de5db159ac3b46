import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
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

  // MARK: By an address

  private func send(_ place: Place, _ email: String, _ more: JSONObject = [:]) async throws -> JSONObject {
    try await place.book.call(
      "invitation.create", more.merging(["email": .string(email), "organization_id": .string(place.y)]),
      as: place.mal.principal)
  }

  @Test func `an address is asked whether or not anybody has it, and nothing tells which`() async throws {
    let place = try await Place()
    let far = try await place.book.organization("far")
    _ = try await place.book.member("ada", of: far)
    let known = try await send(place, "ada@example.org", ["role": "admin"])
    let unknown = try await send(place, "nobody@example.org", ["role": "admin"])
    #expect(Set(known.keys) == Set(unknown.keys) && known.eventNames == unknown.eventNames)
    var items: [JSONObject] = []
    for made in [known, unknown] {
      let id = try #require(made["id"]?.stringValue)
      items.append(try place.book.item(id))
      let record = try #require(try place.book.records(of: id).first)
      #expect(record.body.set["user_id"] == nil && record.body.set.keys.contains("address_hash"))
    }
    #expect(Set(items[0].keys) == Set(items[1].keys))
    #expect(items.allSatisfy { $0["user_id"] == .null && $0["token_hash"] == nil && $0["address_hash"] == nil })
    let everything = try place.book.everything()
    #expect(!everything.contains("nobody@example.org") && !everything.contains("ada@example.org"))
    #expect(!everything.contains(known["token"]?.stringValue ?? "?"))
  }

  @Test func `who has the address joins by the token, once, and nobody else does`() async throws {
    let place = try await Place()
    let book = place.book
    let far = try await book.organization("far")
    let ada = try await book.member("ada", of: far)
    let made = try await send(place, "ADA@example.org", ["role": "admin", "reason": "for the audit"])
    let token: JSONObject = ["token": try #require(made["token"])]
    // Not the local administrator, nor another person, nor a key.
    #expect(try await book.refusal("invitation.redeem", token).code == .forbidden)
    let key = try await book.key(["*": ["read", "write", "execute", "admin"]], in: place.y, as: place.mal.principal)
    #expect(try await book.refusal("invitation.redeem", token, as: key.principal).code == .forbidden)
    let refusals = [
      try await book.refusal("invitation.redeem", token, as: place.vic.principal),
      try await book.refusal("invitation.decline", token, as: place.vic.principal),
      try await book.refusal("invitation.redeem", ["token": "dbi_unknown"], as: ada.principal),
    ]
    #expect(Set(refusals.map(\.message)).count == 1 && refusals.allSatisfy { $0.code == .notFound })
    let joined = try await book.call("invitation.redeem", token, as: ada.principal)
    #expect(joined.eventNames == ["invitation.redeemed", "membership.created"])
    #expect(try book.principal(ada.id).organizations[try #require(Identifier(place.y))] == "admin")
    #expect(try await book.refusal("invitation.redeem", token, as: book.principal(ada.id)).code == .notFound)
    try book.checkIndexes()
  }

  @Test func `an invitation of an address expires, is declined or withdrawn`() async throws {
    let place = try await Place()
    let book = place.book
    let far = try await book.organization("far")
    let ada = try await book.member("ada", of: far)
    func token(_ more: JSONObject = [:]) async throws -> (id: JSON, token: JSONObject) {
      let made = try await send(place, "ada@example.org", more)
      return (try #require(made["id"]), ["token": try #require(made["token"])])
    }
    let declined = try await token()
    #expect(try book.item(declined.id.stringValue ?? "")["expires_at"]?.stringValue != nil, "14 days")
    let said = try await book.call("invitation.decline", declined.token, as: ada.principal)
    #expect(said.eventNames == ["invitation.declined"])
    let withdrawn = try await token()
    try await book.call("invitation.delete", ["id": withdrawn.id], as: place.mal.principal)
    let soon = Timestamp.now.adding(seconds: 3600)
    let expired = try await token(["expires_at": .string(soon.text)])
    for token in [declined.token, withdrawn.token] {
      #expect(try await book.refusal("invitation.redeem", token, as: ada.principal).code == .notFound)
    }
    book.clock.withLockedValue { $0 = soon.adding(seconds: 1) }
    #expect(try await book.refusal("invitation.redeem", expired.token, as: ada.principal).code == .notFound)
    for more: JSONObject in [
      ["expires_at": "2001-01-01T00:00:00Z"], ["email": "no address"],
      ["email": "ada@example.org", "user_id": .string(ada.id)],
    ] {
      let params: JSONObject = ["email": "ada@example.org", "organization_id": .string(place.y)]
      #expect(
        try await book.refusal("invitation.create", params.merging(more), as: place.mal.principal).code
          == .invalidParams, "\(more)")
    }
    #expect(
      try await book.refusal(
        "invitation.create", ["organization_id": .string(place.y)], as: place.mal.principal
      ).code == .invalidParams)
  }

  @Test func `the token gives no more than who sent it could give by now, and only members' admins send one`()
    async throws
  {
    let place = try await Place()
    let book = place.book
    let far = try await book.organization("far")
    let ada = try await book.member("ada", of: far)
    let made = try await send(place, "ada@example.org", ["role": "owner"])
    _ = try await book.member("other", of: place.y, role: "owner")
    let own = try book.membership(of: place.mal.id, in: place.y)
    try await book.call("membership.edit", ["id": .string(own), "role": "admin"])
    let refused = try await book.refusal(
      "invitation.redeem", ["token": try #require(made["token"])], as: ada.principal)
    #expect(refused.reason == "state")
    #expect(
      try await book.refusal(
        "invitation.create", ["email": "x@example.org", "organization_id": .string(place.y), "role": "owner"],
        as: book.principal(place.mal.id)
      ).code == .forbidden, "an admin makes no owner")
    let clerk = try await book.member("clerk", of: place.y)
    #expect(
      try await book.refusal(
        "invitation.create", ["email": "x@example.org", "organization_id": .string(place.y)], as: clerk.principal
      ).code == .forbidden)
  }
}
