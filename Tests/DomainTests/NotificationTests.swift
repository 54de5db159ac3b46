import Access
import CanonicalJSON
import DaybookTestKit
import Domain
import Refusals
import Testing

@Suite struct NotificationTests {
  @Test func `the addressee alone reads a notification, and marks it once`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, platformRole: "viewer")
    let bob = try await book.member("bob", of: acme)
    let owner = try await book.member("olga", of: acme, role: "owner")
    let id = try await book.make(
      by: "notification.notify",
      ["user_id": .string(ann.id), "type": "info", "title": "hello", "organization_id": .string(acme)])
    #expect(
      try await book.refusal("notification.mark_read", ["id": .string(id)], as: bob.principal).code == .notFound)
    #expect(
      try await book.refusal("notification.edit", ["id": .string(id), "title": "x"], as: bob.principal).code
        == .notFound)
    #expect(
      try await book.refusal("notification.mark_read", ["id": .string(id)], as: owner.principal).code == .forbidden,
      "who administers notifications sees it, but it is not theirs")
    let marked = try await book.call("notification.mark_read", ["id": .string(id)], as: ann.principal)
    #expect(marked.eventNames == ["notification.marked_read"], "reading needs no right to write")
    #expect(try book.item(id)["is_read"] == true && book.item(id)["read_at"] != JSON.null)
    #expect(try await book.call("notification.mark_read", ["id": .string(id)], as: ann.principal).eventNames == [])
  }

  @Test func `anyone of the organization marks what is addressed to all`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme, platformRole: "viewer")
    let eve = try await book.member("eve", of: try await book.organization("other"))
    let id = try await book.make(
      by: "notification.notify", ["type": "warning", "title": "all", "organization_id": .string(acme)])
    #expect(
      try await book.refusal("notification.mark_read", ["id": .string(id)], as: eve.principal).code == .notFound)
    try await book.call("notification.mark_read", ["id": .string(id)], as: ann.principal)
    #expect(try book.item(id)["is_read"] == true)
  }

  @Test func `all of one's own are marked at once, and nobody else's`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let ann = try await book.member("ann", of: acme)
    _ = try await book.make("membership", ["user_id": .string(ann.id), "organization_id": .string(other)])
    let bob = try await book.member("bob", of: acme)
    func notify(_ user: String?, _ organization: String) async throws -> String {
      var params: JSONObject = ["type": "info", "title": "t", "organization_id": .string(organization)]
      if let user { params["user_id"] = .string(user) }
      return try await book.make(by: "notification.notify", params)
    }
    let own = [try await notify(ann.id, acme), try await notify(ann.id, acme)]
    let elsewhere = try await notify(ann.id, other)
    let others = [try await notify(bob.id, acme), try await notify(nil, acme)]
    let here = try await book.call(
      "notification.mark_all_read", ["organization_id": .string(acme)], as: try book.principal(ann.id))
    #expect(here["marked"] == 2)
    for id in own { #expect(try book.item(id)["is_read"] == true) }
    for id in others + [elsewhere] { #expect(try book.item(id)["is_read"] == false) }
    let rest = try await book.call("notification.mark_all_read", [:], as: try book.principal(ann.id))
    #expect(rest["marked"] == 1)
    #expect(try book.item(elsewhere)["is_read"] == true)
    #expect(try await book.refusal("notification.mark_all_read", [:]).code == .forbidden)
  }

  @Test func `only members of an organization are told of what is its`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let eve = try await book.member("eve", of: try await book.organization("other"))
    #expect(
      try await book.refusal(
        "notification.notify", ["user_id": .string(eve.id), "type": "info", "title": "t"], as: ann.principal
      ).paths == ["/user_id"])
    #expect(
      try await book.refusal("notification.notify", ["type": "gossip", "title": "t"], as: ann.principal).paths
        == ["/type"])
  }
}
