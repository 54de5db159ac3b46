import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Projections
import Refusals
import Testing

@testable import Queries

/// What the catalog states as the recipients of a personal field is who is shown it, by every way; the table of who is
/// what is typed in, and who is shown what is computed from the catalog.
@Suite struct RecipientTests {
  /// What each asker is to the person of ``RecipientWorld``, through the organizations where they are a member.
  private static let roles: [String: Set<Recipient>] = [
    "the local administrator": [.administrators], "Root": [.administrators], "Inspector": [.auditors],
    "Ann": [.members], "Bob": [.members], "Adam": [.members, .organizationAdministrators],
    "Olga": [.members, .organizationAdministrators], "Audrey": [.members, .auditors], "Oscar": [.members, .officers],
    "Both": [.members, .person], "Loner": [], "the guest": [], "Stranger": [.members],
    "Lars": [], "Lea": [], "Leo": [], "Mo": [], "Mia": [], "Max": [],
    "a key that reads": [.members], "Olga's key": [.members], "a key that only writes": [],
    "a key that administers": [.members, .organizationAdministrators],
    "a foreign key": [.members, .organizationAdministrators],
  ]
  /// Who belongs to the second organization only: to them the person's things in the first one are nothing.
  private static let foreign: Set<String> = ["Stranger", "a foreign key"]
  /// Who reads the rows of the audit trail that are about people's accounts.
  private static let overseers: Set<String> = [
    "the local administrator", "Root", "Inspector", "Oscar", "Audrey", "Adam", "Olga", "a key that administers",
    "a foreign key",
  ]

  @Test(.timeLimit(.minutes(5)))
  func `whoever is shown a personal field, by whatever way, is one of the catalog's recipients`() async throws {
    try await TestQueries.with { library in
      let world = try await RecipientWorld(library)
      var shown = 0
      for thing in world.things {
        let personal = thing.type.fields.filter { $0.personal != nil }
        #expect(!personal.isEmpty)
        for asker in world.world.askers {
          guard let principal = asker.principal else { continue }
          let isForeign = thing.type.name != "user" && Self.foreign.contains(asker.name)
          let roles = isForeign ? [] : try #require(Self.roles[asker.name], "\(asker.name)")
          for field in personal {
            let record = try #require(field.personal)
            let now = !roles.isDisjoint(with: record.recipients)
            let former = !roles.isDisjoint(with: record.formerRecipients)
            let place = "\(thing.type.name).\(field.name) for \(asker.name)"
            #expect(try await world.gets(thing, field, principal) == now, "get: \(place)")
            #expect(try await world.lists(thing, field, principal) == now, "list: \(place)")
            #expect(try await world.getsAsItWas(thing, field, principal) == former, "as_of: \(place)")
            #expect(try await world.listsAsItWas(thing, field, principal) == former, "list as_of: \(place)")
            #expect(try await world.history(thing, field, principal) == former, "history: \(place)")
            #expect(try await world.diff(thing, field, principal) == former, "diff: \(place)")
            let audited = former && Self.overseers.contains(asker.name)
            #expect(try await world.audit(thing, field, principal) == audited, "audit: \(place)")
            // Finding one's own by what is for the person would find the others', too.
            let found = try await world.finds(thing, field, principal)
            #expect(
              found == (now && !roles.isDisjoint(with: Set(record.recipients).subtracting([.person]))), "find: \(place)"
            )
            shown += now ? 1 : 0
          }
        }
      }
      #expect(shown > 50, "the table shows something to somebody")
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `what was recorded before its field was personal is shown to the same ones`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let ann = try await library.member("ann@example.org", of: acme)
      let bob = try await library.member("bob@example.org", of: acme)
      let id = try #require(ann.subject)
      let time = "2026-11-01T00:00:00.000000Z"
      var draft = EventDraft(event: "user.logged_in", type: "user", resource: id, actor: ann.actor)
      draft.set = ["last_login_at": .string(time), "preferences": ["theme": "dark"]]
      draft.was = ["last_login_at": .null, "preferences": [:]]
      _ = try await library.models.append([draft])
      try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      let params: JSONObject = ["id": .string(id.text)]
      for (principal, isShown) in [(ann, true), (bob, false), (TestDomain.administrator, true)] {
        let shown: JSON = isShown ? .string(time) : .null
        #expect(try await library.ask("user.get", params, as: principal)["item"]?["last_login_at"] == shown)
        let listed = try await library.ask("user.list", [:], as: principal).items.first {
          $0["id"]?.stringValue == id.text
        }
        #expect(listed?["last_login_at"] == shown)
        #expect(listed?["preferences"] == (isShown ? ["theme": "dark"] : .null))
        let last = try await library.ask("user.history", params, as: principal).items.last
        #expect(last?["changes"]?["last_login_at"]?["to"] == (isShown ? .string(time) : nil))
      }
      #expect(try await library.list("user", ["where": ["last_login_at": .string(time)]]) == [id.text])
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `an SQL role with a grant reads the personal columns that are for all members, and no other`() async throws {
    try await TestQueries.with { library in
      let world = try await RecipientWorld(library)
      let role = "recipients_\(UInt32.random(in: 0...UInt32.max))"
      _ = try await library.make(
        "sql_role", ["name": .string(role), "organization_id": .string(world.world.acme), "personal": true])
      try await world.settle()
      try await library.projections.setPassword(role: role, password: "secret")
      let connection = try await PostgresConnection.connect(
        signingIn(to: library.models.url, as: role, password: "secret"))
      for thing in world.things {
        for field in thing.type.fields {
          guard let record = field.personal else { continue }
          let select =
            "SELECT \"\(field.name)\" IS NOT NULL FROM personal.\"\(thing.type.plural)\" WHERE id = '\(thing.id)'"
          var isShown = false
          do {
            isShown = try await connection.query(select).rows.first?[0] == "t"
          } catch let error as PostgresError {
            #expect(error.sqlState == "42501")
          }
          #expect(isShown == record.recipients.contains(.members), "\(thing.type.name).\(field.name)")
        }
      }
      // A platform's view has such a column all the same: there it is NULL.
      try await library.models.execute(
        """
        CREATE VIEW daybook.logins WITH (security_invoker = true) AS
        SELECT u.id, projector.last_login_at(u.id) AS at, projector.last_login_ip(u.id) AS ip,
          projector.preferences(u.id) AS preferences FROM daybook.users AS u;
        GRANT SELECT ON daybook.logins TO daybook_sql
        """)
      let select = "SELECT at IS NULL, ip IS NULL, preferences IS NULL FROM daybook.logins WHERE id = $1"
      let row = try await connection.query(select, [.uuid(world.things[0].id)])
      #expect(row.rows.first == ["t", "t", "t"])
      await connection.close()
      #expect(try await library.models.rows(select, [.uuid(world.things[0].id)]) == [["f", "f", "f"]])
    }
  }
}
