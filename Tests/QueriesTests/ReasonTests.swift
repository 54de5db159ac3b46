import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Projections
import Refusals
import Testing

/// Why something was done about somebody, and from where: who is told.
@Suite struct ReasonTests {
  @Test(.timeLimit(.minutes(5)))
  func `a reason about a person is for them, whoever gave it, officers where it was given, and administrators`()
    async throws
  {
    try await TestQueries.with { library in
      let world = try await AudienceWorld(library)
      func asker(_ name: String) throws -> Principal {
        try #require(world.askers.first { $0.name == name }?.principal)
      }
      let other = try await library.member("otto@example.org", of: world.other, role: "officer")
      let both = try #require(world.users["Both"])
      let pipeline = try await library.make("pipeline", ["name": "p", "organization_id": .string(world.acme)])
      // Of the account, of a membership, and of a thing, by Olga of acme.
      try await library.call(
        "user.edit", ["id": .string(both), "full_name": "B", "reason": "after the hearing"], as: asker("Olga"))
      let membership = try #require(
        try await library.list(
          "membership", ["where": ["user_id": .string(both), "organization_id": .string(world.acme)]]
        )
        .first)
      try await library.call(
        "membership.edit", ["id": .string(membership), "role": "admin", "reason": "after the hearing"],
        as: asker("Olga"))
      try await library.call(
        "pipeline.edit",
        ["id": .string(pipeline), "description": "d", "about": [.string(both)], "reason": "after the hearing"],
        as: asker("Olga"))
      try await library.call(
        "pipeline.edit", ["id": .string(pipeline), "description": "e", "reason": "flaky"], as: asker("Olga"))
      try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      let told: Set<String> = ["the local administrator", "Root", "Olga", "Oscar", "Both"]
      let everybody = world.askers.compactMap { asker in asker.principal.map { (asker.name, $0) } }
      for (name, principal) in everybody + [("Otto", other)] {
        for (method, id) in [("user", both), ("membership", membership), ("pipeline", pipeline)] {
          guard let items = try await Self.items(library, "\(method).history", ["id": .string(id)], principal) else {
            continue
          }
          let isTold = items.contains { $0["reason"] == "after the hearing" }
          #expect(isTold == told.contains(name), "\(method).history for \(name)")
          if method == "pipeline" { #expect(items.last?["reason"] == "flaky", "\(name)") }
        }
        // Neither shown in the audit trail, nor found by its words.
        guard let rows = try await Self.items(library, "audit.search", ["limit": 1000], principal) else { continue }
        let isTold = rows.contains { $0["reason"] == "after the hearing" }
        #expect(isTold == told.contains(name), "audit for \(name)")
        let found = try await Self.items(library, "audit.search", ["text": "HEARING"], principal)
        #expect(found?.isEmpty == !told.contains(name), "search for \(name)")
        let plain = try await Self.items(library, "audit.search", ["text": "flaky"], principal)
        if rows.contains(where: { $0["resource_id"] == .string(pipeline) }) { #expect(plain?.count == 1, "\(name)") }
      }
      // A report of all that is held on the person tells an officer what their own organization said.
      for (name, principal) in [("Oscar", try asker("Oscar")), ("Both", try asker("Both")), ("Otto", other)] {
        let report = try await library.ask("subject.report", ["id": .string(both), "limit": 1000], as: principal)
        let text = report.canonicalString
        #expect(text.contains("after the hearing") == (name != "Otto"), "report for \(name)")
        #expect(text.contains(world.acme) == (name != "Otto"), "\(name) is told of acme")
        #expect(!text.contains("given_in"))
      }
      // What the account's event keeps for this is no list of somebody's organizations for others.
      let history = try await library.ask("user.history", ["id": .string(both)], as: other)
      #expect(history.items.allSatisfy { $0["data"]?["given_in"] == nil })
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `from where somebody signed in is in the audit trail for officers, administrators and themselves`() async throws
  {
    try await TestQueries.with { library in
      let world = try await AudienceWorld(library)
      let ann = try #require(world.askers.first { $0.name == "Ann" }?.principal)
      try await library.engine.recordSignIn(of: ann, from: Origin(ip: "192.0.2.7", userAgent: "browser"))
      try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      for (name, isShown) in [("Root", true), ("Oscar", true), ("Audrey", false), ("Inspector", false)] {
        let principal = try #require(world.askers.first { $0.name == name }?.principal)
        let rows = try await library.ask("audit.search", ["event": "user.logged_in"], as: principal).items
        #expect(rows.count == 1, "\(name)")
        #expect(rows.first?["ip"] == (isShown ? "192.0.2.7" : .null), "\(name)")
        #expect(rows.first?["user_agent"] == (isShown ? "browser" : .null), "\(name)")
        #expect((rows.first?["changes"]?["last_login_ip"] != nil) == isShown, "\(name)")
      }
    }
  }

  private static func items(
    _ library: TestQueries, _ method: String, _ params: JSONObject, _ principal: Principal
  ) async throws -> [JSON]? {
    do {
      return try await library.ask(method, params, as: principal).items
    } catch let error as Refusal where error.code == .forbidden || error.code == .notFound {
      return nil
    }
  }
}
