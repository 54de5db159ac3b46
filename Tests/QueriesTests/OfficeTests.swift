import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Projections
import Refusals
import Testing

/// What officers and auditors see that others don't, and what they may not.
@Suite struct OfficeTests {
  private func asker(_ world: AudienceWorld, _ name: String) throws -> Principal {
    try #require(world.askers.first { $0.name == name }?.principal)
  }

  private func settle(_ library: TestQueries) async throws {
    try await library.projections.wait(for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
  }

  /// The events of a type that a caller reads in the audit trail and in the log, which are the same ones.
  private func events(
    _ library: TestQueries, _ prefix: String, _ principal: Principal, about resource: String? = nil
  ) async throws -> [String]? {
    var params: JSONObject = ["limit": 1000]
    if let resource { params["resource_id"] = .string(resource) }
    do {
      let audited = try await library.ask("audit.search", params.merging(["order": "position"]), as: principal).items
        .map { $0.text("event") }.filter { $0.hasPrefix(prefix) }
      let read = try await library.ask("log.read", params, as: principal)["records"]?.arrayValue?
        .compactMap { $0["header"]?.text("event") }.filter { $0.hasPrefix(prefix) }
      #expect(read == audited)
      return audited
    } catch let error as Refusal where error.code == .forbidden {
      return nil
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `holds are known to officers, auditors and administrators alone, by every way`() async throws {
    try await TestQueries.with { library in
      let world = try await AudienceWorld(library)
      let oscar = try asker(world, "Oscar")
      let made = try await library.call(
        "legal_hold.place",
        [
          "held_id": .string(world.users["Ann"] ?? ""), "name": "case", "matter": "2026/17", "reason": "a court asked",
          "organization_id": .string(world.acme),
        ], as: oscar)
      let id = JSON.object(made).text("id")
      try await library.call("legal_hold.edit", ["id": .string(id), "matter": "2026/18"], as: oscar)
      try await settle(library)
      for asker in world.askers {
        guard let principal = asker.principal else { continue }
        let knows = AudienceWorld.administrators.union(["Oscar", "Audrey"]).contains(asker.name)
        for (method, params) in [
          ("get", ["id": .string(id)]),
          ("get", ["id": .string(id), "as_of": .integer(Int64(library.log.head.position))]),
          ("history", ["id": .string(id)]), ("diff", ["id": .string(id)]),
        ] as [(String, JSONObject)] {
          if knows {
            #expect(try await library.ask("legal_hold.\(method)", params, as: principal).objectValue != nil)
          } else {
            let error = try await library.refusal("legal_hold.\(method)", params, as: principal)
            #expect(error.code == .notFound, "\(method) for \(asker.name): \(error)")
          }
        }
        for params: JSONObject in [
          [:], ["where": ["matter": "2026/18"]], ["as_of": .integer(Int64(library.log.head.position))],
        ] {
          if knows {
            #expect(try await library.list("legal_hold", params, as: principal) == [id], "\(asker.name)")
          } else {
            #expect(
              try await library.refusal("legal_hold.list", params, as: principal).code == .forbidden, "\(asker.name)")
          }
        }
        let events = try await events(library, "legal_hold.", principal)
        #expect(events ?? [] == (knows ? ["legal_hold.placed", "legal_hold.edited"] : []), "\(asker.name)")
      }
      for session in Set(world.askers.compactMap { $0.session?.role }) {
        try await library.projections.setPassword(role: session, password: "secret")
        let connection = try await PostgresConnection.connect(
          signingIn(to: library.models.url, as: session, password: "secret"))
        let rows = try await connection.query(
          """
          SELECT (SELECT count(*) FROM daybook.legal_holds),
            (SELECT count(*) FROM daybook.audit_trail WHERE resource_type = 'legal_hold')
          """)
        await connection.close()
        #expect(rows.rows == [["0", "0"]])
      }
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `auditors and officers read what happened to the accounts of their people while these were members`()
    async throws
  {
    try await TestQueries.with { library in
      let world = try await AudienceWorld(library)
      let both = try #require(world.users["Both"])
      try await library.call("user.edit", ["id": .string(both), "role": "developer"])
      let membership = try #require(
        try await library.list(
          "membership", ["where": ["user_id": .string(both), "organization_id": .string(world.acme)]]
        )
        .first)
      try await settle(library)
      for name in ["Audrey", "Oscar", "Inspector", "Root", "Olga", "Adam", "a key that administers"] {
        let events = try await events(library, "user.", try asker(world, name), about: both)
        #expect(events?.last == "user.edited", "\(name)")
      }
      let seen = try await library.ask("audit.search", ["resource_id": .string(both)], as: asker(world, "Audrey")).items
      #expect(seen.first?["changes"]?["role"] == ["from": "viewer", "to": "developer"])
      try await library.call("membership.delete", ["id": .string(membership)])
      try await library.call("user.edit", ["id": .string(both), "role": "viewer"])
      try await settle(library)
      let since = try await library.ask("audit.search", ["resource_id": .string(both)], as: asker(world, "Audrey"))
        .items
      #expect(since.first?["changes"]?["role"]?["to"] == "developer", "what came after they left is not theirs to read")
      #expect(try await events(library, "user.", asker(world, "Inspector"), about: both)?.count == seen.count + 2)
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `what became of a deleted account stays for officers and auditors of where the person was a member`()
    async throws
  {
    try await TestQueries.with { library in
      let world = try await AudienceWorld(library)
      let otto = try await library.member("otto@example.org", of: world.other, role: "officer")
      let gone = try #require(
        try await library.member("gone@example.org", of: world.acme).subject
      ).text
      let id: JSONObject = ["id": .string(gone)]
      try await library.call("user.delete", id)
      try await settle(library)
      for name in ["Audrey", "Oscar", "Inspector", "Root"] {
        let principal = try asker(world, name)
        let history = try await library.ask("user.history", id, as: principal).items
        #expect(history.map { $0.text("event") } == ["user.created", "user.deleted"], "\(name)")
        // Whose address it was, an auditor is not told.
        let isShown = history.first?["changes"]?["email"] != nil
        #expect(isShown == (name == "Root"), "\(name)")
        let audited = try await library.ask("audit.search", ["resource_id": .string(gone)], as: principal).items
        #expect(audited.map { $0.text("event") } == ["user.deleted", "user.created"], "\(name)")
      }
      for (name, principal) in [("Olga", try asker(world, "Olga")), ("Ann", try asker(world, "Ann")), ("Otto", otto)] {
        #expect(try await library.refusal("user.history", id, as: principal).code == .notFound, "\(name)")
      }
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `an auditor of the whole service reads everything, what was deleted too, and changes nothing`() async throws {
    try await TestQueries.with { library in
      let world = try await AudienceWorld(library)
      let inspector = try asker(world, "Inspector")
      let gone = try await library.make("user", ["email": "gone@example.org", "role": "viewer"])
      try await library.call("user.delete", ["id": .string(gone)])
      var draft = EventDraft(
        event: "session.refused", type: "session", resource: .version7(at: .now), actor: "server")
      draft.data = ["method": "password", "attempts": 3]
      _ = try await library.models.append([draft])
      try await settle(library)
      let all = try await library.ask("audit.search", ["limit": 1000]).items.map { $0.integer("position") }
      let audited = try await library.ask("audit.search", ["limit": 1000], as: inspector).items
      #expect(audited.map { $0.integer("position") } == all)
      #expect(audited.contains { $0.text("event") == "session.refused" })
      let read = try await library.ask("log.read", ["limit": 10_000], as: inspector)
      #expect(read["records"]?.arrayValue?.count == Int(library.log.head.position))
      let history = try await library.ask("user.history", ["id": .string(gone)], as: inspector)
      #expect(history.items.map { $0.text("event") } == ["user.created", "user.deleted"])
      let ann = try #require(world.users["Ann"])
      let refused: [(String, JSONObject)] = [
        ("pipeline.create", ["name": "p", "organization_id": .string(world.acme)]),
        ("workspace.create", ["name": "w", "organization_id": .string(world.acme)]),
        ("organization.edit", ["id": .string(world.acme), "name": "n"]),
        ("user.edit", ["id": .string(ann), "full_name": "n"]), ("user.deactivate", ["id": .string(ann)]),
        ("legal_hold.place", ["held_id": .string(ann), "name": "h", "reason": "r"]),
        ("retention.sweep", [:]), ("workspace.join", ["token": "t"]),
        ("notification.mark_all_read", ["organization_id": .string(world.acme)]),
      ]
      for (method, params) in refused {
        let error = try await library.models.domain.refusal(method, params, as: inspector)
        #expect(error.code == .forbidden || error.code == .invalidParams, "\(method): \(error)")
      }
      try await library.call(
        "user.edit", ["id": .string(world.users["Inspector"] ?? ""), "full_name": "Ida"], as: inspector)
    }
  }

  @Test func `who loses their last organization, or makes themselves staff, audits no more than before`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let auditor = try await book.member("auditor", of: acme, platformRole: "auditor")
    let owner = try await book.member("owner", of: acme, role: "owner")
    for principal in [auditor.principal, owner.principal] {
      let params: JSONObject = ["id": .string(auditor.id), "is_staff": true]
      #expect(try await book.refusal("user.edit", params, as: principal).code == .forbidden)
    }
    try await book.call("organization.edit", ["id": .string(acme), "is_active": false])
    let alone = try book.principal(auditor.id)
    #expect(alone.organizations.isEmpty && alone.visibleOrganizations == [])
    try await book.call("user.edit", ["id": .string(auditor.id), "is_staff": true])
    #expect(try book.principal(auditor.id).visibleOrganizations == nil)
  }
}
