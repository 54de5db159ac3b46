import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Projections
import Testing

/// What the owner of an organization reads of what was done to its people, whose accounts belong to no organization.
@Suite struct PeopleAuditTests {
  @Test(.timeLimit(.minutes(5)))
  func `an owner reads what was done to the organization's people, and not what another organization did`() async throws
  {
    try await TestQueries.with { library in
      func organization(_ slug: String) async throws -> String {
        JSON.object(try await library.call("organization.create", ["name": .string(slug), "slug": .string(slug)])).text(
          "id")
      }
      let (acme, other) = (try await organization("acme"), try await organization("other"))
      func user(_ name: String, _ organization: String, _ role: String) async throws -> String {
        JSON.object(
          try await library.call(
            "user.create",
            [
              "email": .string("\(name)@x.example"), "organization_id": .string(organization),
              "membership_role": .string(role),
            ])
        ).text("id")
      }
      let owner = try await user("olga", acme, "owner")
      let foreign = try await user("fred", other, "owner")
      let ann = try await user("ann", acme, "member")
      let plain = try await user("paul", acme, "member")
      func principal(_ id: String) throws -> Principal {
        let identifier = try #require(Identifier(id))
        return try #require(try library.engine.principal(forUser: identifier))
      }
      let about: JSONObject = ["id": .string(ann)]
      try await library.call("user.edit", about.merging(["role": "developer", "reason": "promotion"]))
      try await library.call("user.edit", about.merging(["full_name": "Ann"]), as: principal(ann))
      // Ann joins the other organization, whose owner then changes the account.
      try await library.call(
        "membership.create", ["user_id": .string(ann), "organization_id": .string(other), "role": "member"])
      try await library.call("user.verify_email", about)
      let log = library.log
      try await library.projections.wait(for: log.head.position, projections: [], timeoutMilliseconds: 60_000)

      func events(_ asker: String) async throws -> [String] {
        let audited = try await library.ask(
          "audit.search", ["resource_id": .string(ann), "order": "position"], as: principal(asker)
        ).items.map { $0.text("event") }
        let read = try await library.ask(
          "log.read", ["resource_id": .string(ann), "limit": 1000], as: principal(asker))["records"]?.arrayValue?
          .compactMap { $0["header"]?.text("event") }
        #expect(read == audited)
        return audited
      }
      #expect(
        try await events(owner) == ["user.created", "user.edited", "user.edited", "user.email_verified"])
      // The other's owner: only what happened since Ann came.
      #expect(try await events(foreign) == ["user.email_verified"])
      await #expect(throws: (any Error).self) { try await events(plain) }

      // What the other organization's owner does is for that one alone.
      let sole = try await user("solo", other, "member")
      try await library.call(
        "membership.create", ["user_id": .string(sole), "organization_id": .string(acme), "role": "member"])
      let before = library.log.head.position
      try await library.call("user.deactivate", ["id": .string(foreign)])
      try await library.projections.wait(
        for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      let told = try await library.ask("audit.search", ["resource_id": .string(foreign)], as: principal(owner)).items
      #expect(told.isEmpty && before > 0)
    }
  }
}
