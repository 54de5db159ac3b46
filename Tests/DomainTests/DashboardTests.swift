import Access
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

@Suite struct DashboardTests {
  @Test func `only somebody who administers dashboards makes one for somebody else`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let (ann, bob) = (try await book.member("ann", of: acme), try await book.member("bob", of: acme))
    let admin = try await book.member("admin", of: acme, role: "admin")
    let layout: JSONObject = ["name": "d", "layout_config": [:], "is_default": true]
    let own = try await book.make("dashboard", layout, as: ann.principal)
    let hers = layout.merging(["user_id": .string(ann.id)])
    #expect(try await book.refusal("dashboard.create", hers, as: bob.principal).code == .forbidden)
    #expect(try book.item(own)["is_default"] == true)
    try await book.call("dashboard.create", hers, as: admin.principal)
  }

  @Test func `a dashboard is its maker's, hidden until it is shared, and changed by its user alone`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let bob = try await book.member("bob", of: acme)
    let id = try await book.make("dashboard", ["name": "d", "layout_config": ["w": 1]], as: ann.principal)
    #expect(try book.item(id)["user_id"] == .string(ann.id))
    let edit: JSONObject = ["id": .string(id), "name": "mine"]
    #expect(try await book.refusal("dashboard.edit", edit, as: bob.principal).code == .notFound)
    try await book.call("dashboard.edit", ["id": .string(id), "is_shared": true], as: ann.principal)
    #expect(try await book.refusal("dashboard.edit", edit, as: bob.principal).code == .forbidden)
    #expect(
      try await book.refusal("dashboard.rollback", ["id": .string(id), "to_version": 1], as: bob.principal).code
        == .forbidden)
    #expect(try await book.refusal("dashboard.delete", ["id": .string(id)], as: bob.principal).code == .forbidden)
    try await book.call("dashboard.edit", edit, as: ann.principal)
    try await book.call("dashboard.delete", ["id": .string(id)], as: ann.principal)
    #expect(try book.state(id).isDeleted)
  }

  @Test func `one dashboard a user is the default`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let ann = try await book.member("ann", of: acme)
    let bob = try await book.member("bob", of: acme)
    func make(_ name: String, _ principal: Principal, isDefault: Bool = false) async throws -> String {
      try await book.make(
        "dashboard", ["name": .string(name), "layout_config": [:], "is_default": .bool(isDefault)],
        as: principal)
    }
    let first = try await make("first", ann.principal, isDefault: true)
    let bobs = try await make("bobs", bob.principal, isDefault: true)
    let second = try await make("second", ann.principal, isDefault: true)
    #expect(try book.item(first)["is_default"] == false && book.item(second)["is_default"] == true)
    let result = try await book.call("dashboard.set_default", ["id": .string(first)], as: ann.principal)
    #expect(result.eventNames == ["dashboard.default_set", "dashboard.edited"])
    #expect(try await book.call("dashboard.set_default", ["id": .string(first)], as: ann.principal).eventNames == [])
    try await book.call("dashboard.edit", ["id": .string(second), "is_default": true], as: ann.principal)
    #expect(try book.item(first)["is_default"] == false && book.item(second)["is_default"] == true)
    #expect(try book.item(bobs)["is_default"] == true, "another user's default is another matter")
  }

  @Test func `its layout is versioned`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "dashboard", ["name": "d", "layout_config": ["w": 1], "organization_id": .string(acme)])
    #expect(try book.item(id)["version_number"] == 1)
    try await book.call("dashboard.edit", ["id": .string(id), "layout_config": ["w": 2]])
    #expect(try book.item(id)["version_number"] == 2)
    try await book.call("dashboard.edit", ["id": .string(id), "is_shared": true])
    #expect(try book.item(id)["version_number"] == 2)
  }
}
