import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Projections
import Records
import Refusals
import Testing

@testable import Queries

/// Whose data may only be stored is hidden from everybody but themselves and officers, by every way; who saw a value
/// before is found out, not typed in.
@Suite struct RestrictionTests {
  /// Everything that is planted of the person, and stands nowhere else.
  private static let marks = [
    #""a@example.org""#, #""b@example.org""#, "a-username", "b-username", "a-full_name", "b-full_name", "b-keycloak_id",
    "Europe/Berlin", "Asia/Tokyo", #""mark":"a""#, #""mark":"b""#, "192.0.2.1", "192.0.2.2", "why-of-both",
    "why-about-both", "198.51.100.7",
  ]
  /// A query by which values may come out, and what it is asked.
  private struct Way: Sendable {
    let name: String
    let method: String
    let params: JSONObject
  }
  /// Ways by which officers find nothing either, since the read models have no such value to compare.
  private static let searches: Set<String> = ["list where", "list order", "audit text"]

  /// Which marks each asker is told by each way.
  private func told(_ world: RecipientWorld, _ ways: [Way], _ library: TestQueries) async throws -> [String: Set<
    String
  >] {
    var told: [String: Set<String>] = [:]
    for asker in world.world.askers {
      guard let principal = asker.principal else { continue }
      for way in ways {
        do {
          let answer = try await library.ask(way.method, way.params, as: principal).canonicalString
          let found = Self.marks.filter { answer.contains($0) }
          told["\(way.name) for \(asker.name)", default: []].formUnion(found)
        } catch let error as Refusal {
          #expect([.forbidden, .notFound].contains(error.code), "\(way.name): \(error)")
          #expect(Self.marks.allSatisfy { !error.message.contains($0) })
        }
      }
    }
    return told
  }

  /// Every way to each thing of the person.
  private func ways(_ world: RecipientWorld) throws -> [Way] {
    var ways: [Way] = []
    for thing in world.things {
      let type = thing.type.name
      let id: JSON = .string(thing.id)
      let past: JSON = .integer(Int64(thing.former))
      ways += [
        Way(name: "get", method: "\(type).get", params: ["id": id]),
        Way(name: "as_of", method: "\(type).get", params: ["id": id, "as_of": past]),
        Way(name: "list", method: "\(type).list", params: ["limit": 1000]),
        Way(name: "list as_of", method: "\(type).list", params: ["limit": 1000, "as_of": past]),
        Way(name: "history", method: "\(type).history", params: ["id": id, "limit": 1000]),
        Way(name: "diff", method: "\(type).diff", params: ["id": id, "from_version": 1]),
        Way(name: "audit", method: "audit.search", params: ["resource_id": id, "limit": 1000]),
        Way(name: "log", method: "log.read", params: ["resource_id": id, "limit": 1000]),
      ]
      for key in type == "user" ? ["email", "username"] : [] {
        ways.append(Way(name: "get by key", method: "user.get", params: [key: .string(Self.current(key))]))
        ways.append(Way(name: "find", method: "subject.find", params: [key: .string(Self.current(key))]))
        for comparison in ["eq", "prefix", "contains"] {
          ways.append(
            Way(
              name: "list where", method: "user.list",
              params: ["where": [key: [comparison: .string(Self.current(key))]]]))
        }
        ways.append(Way(name: "list order", method: "user.list", params: ["order": .string(key), "limit": 1000]))
      }
    }
    let person: JSON = .string(world.things[0].id)
    ways += [
      Way(name: "report", method: "subject.report", params: ["id": person, "limit": 1000]),
      Way(name: "find by id", method: "subject.find", params: ["id": person]),
      Way(name: "audit of all", method: "audit.search", params: ["limit": 1000]),
      Way(name: "audit text", method: "audit.search", params: ["text": "why-of-both", "limit": 1000]),
    ]
    return ways
  }

  private static func current(_ key: String) -> String { key == "email" ? "b@example.org" : "b-username" }

  @Test(.timeLimit(.minutes(10)))
  func `what is restricted is told to officers and to the person, by no way to anybody else, and comes back`()
    async throws
  {
    try await TestQueries.with { library in
      library.engine.restrictReadModels { try await library.projections.apply($0, patience: $1) }
      let world = try await RecipientWorld(library)
      let both = try #require(world.world.users["Both"])
      // Why and from where the person acted, and what another says of them.
      let acme: JSON = .string(world.world.acme)
      let acting = try library.models.domain.principal(both)
      _ = try await library.engine.apply(
        method: "user.edit", params: ["id": .string(both), "first_name": "b-first", "reason": "why-of-both"],
        principal: acting, origin: Origin(ip: "198.51.100.7"))
      try await library.call(
        "pipeline.create",
        ["name": "p", "organization_id": acme, "reason": "why-about-both", "about": [.string(both)]])
      let ways = try ways(world)
      let before = try await told(world, ways, library)
      let open = Set(before.filter { !$0.value.isEmpty }.map { $0.key.before(" for ") })
      for way in Set(ways.map(\.name)).subtracting(["log"]) { #expect(open.contains(way), "\(way) shows something") }
      #expect(before.filter { $0.key.hasPrefix("log for") }.allSatisfy { $0.value.isEmpty })

      let officer = try await library.member("dpo@example.org", of: world.world.acme, role: "officer")
      let params: JSONObject = ["id": .string(both), "reason": "accuracy is contested"]
      try await library.call("subject.restrict", params, as: officer)
      for change in 0..<2 {
        let after = try await told(world, ways, library)
        for (place, marks) in before {
          let isTold = place.hasSuffix(" for Oscar") || place.hasSuffix(" for Both")
          let way = place.before(" for ")
          let told = after[place] ?? []
          if !isTold {
            #expect(told.isEmpty, "\(place): \(told)")
          } else if !Self.searches.contains(way) {
            #expect(told == marks, "\(place): \(told) instead of \(marks)")
          }
        }
        // What stands in their place says so, where there was something to be seen.
        for (method, asker) in [("user.get", TestDomain.administrator), ("user.list", TestDomain.administrator)] {
          let params: JSONObject = method == "user.get" ? ["id": .string(both)] : ["where": ["id": .string(both)]]
          let answer = try await library.ask(method, params, as: asker)
          let item = answer["item"] ?? answer.items.first
          #expect(item?["email"] == ["restricted": true] && item?["role"] == "viewer", "\(method)")
        }
        // The second time round, the tables were filled anew.
        if change == 0 { #expect(try await library.projections.rebuild(nil).isSwapped) }
      }
      let report = try await library.projections.rebuild(nil, check: true)
      #expect(report.tables.allSatisfy { !$0.differs }, "\(report.tables.filter(\.differs).map(\.name))")

      try await library.call("subject.unrestrict", params, as: officer)
      let again = try await told(world, ways, library)
      for (place, marks) in before {
        #expect(again[place] == marks, "\(place): \(again[place] ?? []) instead of \(marks)")
      }
      let whole = try await library.projections.rebuild(nil, check: true)
      #expect(whole.tables.allSatisfy { !$0.differs }, "\(whole.tables.filter(\.differs).map(\.name))")
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `an SQL role with personal columns reads nothing of who is restricted, and all of everybody else`() async throws
  {
    try await TestQueries.with { library in
      library.engine.restrictReadModels { try await library.projections.apply($0, patience: $1) }
      let acme = try await library.organization("acme")
      let ann = try await library.member("ann@example.org", of: acme)
      _ = try await library.member("bob@example.org", of: acme)
      let officer = try await library.member("dpo@example.org", of: acme, role: "officer")
      let id = try #require(ann.subject?.text)
      let role = "restricted_\(UInt32.random(in: 0...UInt32.max))"
      _ = try await library.make(
        "sql_role", ["name": .string(role), "organization_id": .string(acme), "personal": true])
      for _ in 0..<2 {
        _ = try await library.make("workspace", ["name": "w", "organization_id": .string(acme)])
        try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      }
      try await library.projections.setPassword(role: role, password: "secret")
      let url = signingIn(to: library.models.url, as: role, password: "secret")
      func emails() async throws -> [String?] {
        try await PostgresConnection.with(url) { connection in
          try await connection.query("SELECT email FROM personal.users WHERE email IS NOT NULL ORDER BY email").rows
            .map { $0[0] }
        }
      }
      let everybody = ["ann@example.org", "bob@example.org", "dpo@example.org"]
      #expect(try await emails() == everybody)
      let params: JSONObject = ["id": .string(id), "reason": "r"]
      try await library.call("subject.restrict", params, as: officer)
      #expect(try await emails() == ["bob@example.org", "dpo@example.org"])
      // Later values of theirs don't come into the tables either, and are there afterwards.
      try await library.call("user.edit", ["id": .string(id), "full_name": "Ann Later"], as: ann)
      _ = try await library.ask("user.get", ["id": .string(id)])
      try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      let named = "SELECT full_name FROM personal.users WHERE full_name IS NOT NULL"
      #expect(try await library.models.rows(named).isEmpty)
      try await library.call("subject.unrestrict", params, as: officer)
      #expect(try await emails() == everybody)
      #expect(try await library.models.rows(named) == [["Ann Later"]])
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `a value from before its field was personal is hidden as well`() async throws {
    try await TestQueries.with { library in
      library.engine.restrictReadModels { try await library.projections.apply($0, patience: $1) }
      let acme = try await library.organization("acme")
      let ann = try await library.member("ann@example.org", of: acme)
      let officer = try await library.member("dpo@example.org", of: acme, role: "officer")
      let id = try #require(ann.subject)
      let made = try await library.make(
        "user_preferences", ["user_id": .string(id.text), "organization_id": .string(acme), "timezone": "Asia/Tokyo"])
      let preferences = try #require(Identifier(made))
      var login = EventDraft(event: "user.logged_in", type: "user", resource: id, actor: ann.actor)
      login.set = ["preferences": ["theme": "plain-theme"]]
      login.was = ["preferences": [:]]
      var zone = EventDraft(
        event: "user_preferences.edited", type: "user_preferences", resource: preferences, actor: ann.actor)
      zone.organization = Identifier(acme)
      zone.set = ["timezone": "Europe/Plain"]
      zone.was = ["timezone": "Europe/Former"]
      _ = try await library.models.append([login, zone])
      try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      let params: JSONObject = ["id": .string(id.text), "reason": "r"]
      let marks = ["plain-theme", "Europe/Plain", "Europe/Former"]
      func answers(_ principal: Principal) async throws -> String {
        var text = ""
        for (type, id) in [("user", id.text), ("user_preferences", made)] {
          for method in ["get", "history", "list", "diff"] {
            let params: JSONObject = method == "list" ? [:] : ["id": .string(id)]
            text += try await library.ask("\(type).\(method)", params, as: principal).canonicalString
          }
          text += try await library.ask("audit.search", ["resource_id": .string(id)], as: principal).canonicalString
        }
        return text
      }
      let root = TestDomain.administrator
      let open = try await answers(root)
      for mark in marks { #expect(open.contains(mark), "\(mark)") }
      try await library.call("subject.restrict", params, as: officer)
      let closed = try await answers(root)
      for mark in marks { #expect(!closed.contains(mark), "\(mark)") }
      let select = """
        SELECT preferences::text FROM personal.users WHERE preferences IS NOT NULL UNION ALL \
        SELECT timezone FROM personal.user_preferences WHERE timezone IS NOT NULL
        """
      #expect(
        try await library.models.rows(select).allSatisfy { row in marks.allSatisfy { row[0]?.contains($0) != true } })
      try await library.call("subject.unrestrict", params, as: officer)
      #expect(try await answers(root).contains("plain-theme"))
      #expect(try await library.models.rows(select).contains(["Europe/Plain"]))
    }
  }
}

extension String {
  /// What stands before a text in it.
  fileprivate func before(_ text: String) -> String {
    firstRange(of: text).map { String(self[..<$0.lowerBound]) } ?? self
  }
}
