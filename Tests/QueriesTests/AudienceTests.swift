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
import TestBasics
import Testing

@testable import Queries

/// Who sees what is one rule in three renderings: they agree with one table of cases, for every type of the catalog.
@Suite struct AudienceTests {
  @Test(.timeLimit(.minutes(5)))
  func `get, list and SQL roles show everybody the same of every type`() async throws {
    try await TestQueries.with { library in
      let (world, cases) = try await Self.prepare(library)
      for asker in world.askers {
        for type in library.engine.catalog.types where type.hasReadModel {
          let cases = cases.of(type.name)
          try #require(!cases.isEmpty, "\(type.name)")
          if let principal = asker.principal {
            let got = try await Self.got(cases, principal, library)
            Self.compare("get", got, asker, cases)
            Self.compare("list", try await Self.listed(type, principal, library), asker, cases)
          }
        }
        guard let session = asker.session else { continue }
        let seen = try await Self.seen(by: session, of: library.engine.catalog, library)
        for type in library.engine.catalog.types where type.hasReadModel {
          Self.compare("SQL", seen[type.name] ?? [], asker, cases.of(type.name))
        }
      }
    }
  }

  /// If this fails, the table lacks a case: then a rendering could drop a rule, and the test above wouldn't notice.
  @Test(.seeded, .timeLimit(.minutes(5)))
  func `whichever rule one rendering drops, the table notices`() async throws {
    try await TestQueries.with { library in
      let (world, cases) = try await Self.prepare(library)
      var broken = 0
      // A third of the types in a usual run, by chance: each asks everything several times.
      let all = library.engine.catalog.types.filter(\.hasReadModel)
      var random = try Seeded()
      let types = isThorough ? all : Array(all.shuffled(using: &random).prefix(all.count / 3))
      for type in types {
        let audience = Audience(type)
        let cases = cases.of(type.name)
        let unbroken = try await Self.mistakes(of: audience, type, cases, world, library)
        #expect(unbroken == Mistakes(get: 0, list: 0, sql: 0), "\(type.name): \(unbroken)")
        for mutant in Self.mutants(of: audience, type) {
          let found = try await Self.mistakes(of: mutant, type, cases, world, library)
          #expect(found.get > 0, "get of \(type.name) by \(mutant.rules)")
          #expect(found.list > 0, "list of \(type.name) by \(mutant.rules)")
          // An SQL role is no user and holds no office, so that such rules say nothing of it.
          let isSeen = mutant.policy ?? "false" != audience.policy ?? "false"
          #expect((found.sql > 0) == isSeen, "SQL of \(type.name) by \(mutant.rules)")
          #expect(mutant.policy != audience.policy || !mutant.rules.contains(.oneself))
          broken += 1
        }
      }
      #expect(broken >= types.count)
    }
  }

  @Test(.timeLimit(.minutes(5)))
  func `a deactivated organization's SQL role reads nothing, nor does a session that names a deactivated user`()
    async throws
  {
    try await TestQueries.with { library in
      let (world, _) = try await Self.prepare(library)
      func asker(_ name: String) throws -> AudienceWorld.Asker {
        try #require(world.askers.first { $0.name == name })
      }
      func isBlind(_ name: String) async throws -> Bool {
        let session = try #require(try asker(name).session)
        return try await Self.seen(by: session, of: library.engine.catalog, library).values.allSatisfy(\.isEmpty)
      }
      for name in ["Ann", "Stranger", "a key that administers", "a foreign key"] {
        #expect(try await isBlind(name) == false, "\(name)")
      }
      try await library.call("user.deactivate", ["id": .string(world.users["Stranger"] ?? "")])
      try await library.call("organization.edit", ["id": .string(world.acme), "is_active": false])
      try await library.projections.wait(
        for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
      for name in ["Ann", "Stranger", "a key that administers"] {
        #expect(try await isBlind(name), "\(name)")
      }
      #expect(try await isBlind("a foreign key") == false)
      // As the others who came through them: the key and the user may not act at all.
      for name in ["Stranger", "a key that administers"] {
        #expect(try library.engine.refresh(try #require(try asker(name).principal)) == nil, "\(name)")
      }
    }
  }

  @Test func `every type that nobody can get or list is without a read model`() throws {
    let catalog = try Catalog.load(
      folder: Repository.root + "/schema", knownBehaviours: CommandEngine.knownBehaviours)
    let methods = Set(QueryMethod.all(of: catalog).map(\.signature.name))
    for type in catalog.types {
      for verb in ["get", "list"] {
        #expect(methods.contains("\(type.name).\(verb)") == type.hasReadModel, "\(type.name)")
      }
    }
  }

  /// Whose rows each may read of what is no resource: the audit trail, the log, and the record of processing.
  @Test(.timeLimit(.minutes(5)))
  func `of members, owners, admins, officers and auditors alone read the audit trail and the log`() async throws {
    try await TestQueries.with { library in
      let (world, _) = try await Self.prepare(library)
      let ofAcme: Set<String> = [
        "Adam", "Olga", "Audrey", "Oscar", "a key that administers", "a key that reads", "Olga's key",
      ]
      for asker in world.askers {
        let organizations: Set<String>? =
          ofAcme.contains(asker.name)
          ? [world.acme]
          : ["a foreign key": [world.other], "Lars": [world.lab], "Mo": [world.meca]][asker.name]
        if let principal = asker.principal {
          let isAdministrator = AudienceWorld.administrators.contains(asker.name)
          for method in ["audit.search", "log.read"] {
            guard isAdministrator || organizations != nil else {
              #expect(try await library.refusal(method, [:], as: principal).code == .forbidden, "\(asker.name)")
              continue
            }
            let answer = try await library.ask(method, ["limit": 1000], as: principal)
            let rows = answer["records"]?.arrayValue?.compactMap { $0["header"] } ?? answer.items
            let seen = Set(rows.compactMap { ($0["organization"] ?? $0["organization_id"])?.stringValue })
            #expect(isAdministrator ? seen.count >= 2 : seen == organizations, "\(method) for \(asker.name)")
          }
          if isAdministrator || ["Audrey", "Oscar"].contains(asker.name) {
            #expect(try await library.ask("gdpr.records", [:], as: principal).objectValue?.isEmpty == false)
          } else {
            #expect(try await library.refusal("gdpr.records", [:], as: principal).code == .forbidden, "\(asker.name)")
          }
        }
        guard let session = asker.session else { continue }
        let connection = try await PostgresConnection.connect(
          signingIn(to: library.models.url, as: session.role, password: "secret"))
        if let user = session.user { try await connection.execute("SET app.current_user_id = '\(user)'") }
        let rows = try await connection.query("SELECT DISTINCT organization_id::text FROM daybook.audit_trail").rows
        await connection.close()
        // What happened tells of what members of these platforms don't share.
        if AudienceWorld.narrowed.contains(asker.name) {
          #expect(rows == [], "SQL for \(asker.name)")
          continue
        }
        let own =
          AudienceWorld.ofOther.contains(asker.name)
          ? world.other
          : ["a session of the lab": world.lab, "a session of meca": world.meca][asker.name] ?? world.acme
        #expect(rows.allSatisfy { $0 == [own] }, "SQL for \(asker.name)")
      }
      // Without its rule the condition of the audit trail would show nothing, and the table above would notice.
      let officer = try #require(world.askers.first { $0.name == "Oscar" }?.principal)
      let reach = try #require(Audience.audit.reach(of: officer))
      #expect(reach.organizations?.map(\.text) == [world.acme])
    }
  }

  // MARK: - The world

  private static func prepare(_ library: TestQueries) async throws -> (AudienceWorld, AudienceCases) {
    let world = try await AudienceWorld(library)
    let cases = AudienceCases(library.engine.catalog, world)
    let drafts = cases.all.compactMap(\.draft)
    _ = try await library.log.commit { transaction in
      for draft in drafts { try transaction.append(draft) }
    }
    // The roles of PostgreSQL are made after the commit of a chunk, and before the next one.
    for _ in 0..<2 {
      _ = try await library.make("workspace", ["name": "w", "organization_id": .string(world.acme)])
      try await library.projections.wait(
        for: library.log.head.position, projections: [], timeoutMilliseconds: 60_000)
    }
    for role in Set(world.askers.compactMap { $0.session?.role }) {
      try await library.projections.setPassword(role: role, password: "secret")
    }
    return (world, cases)
  }

  private static func compare(
    _ way: String, _ seen: Set<Identifier>, _ asker: AudienceWorld.Asker, _ cases: [AudienceCase]
  ) {
    for row in cases {
      #expect(
        seen.contains(row.id) == row.seenBy.contains(asker.name),
        "\(way): \(asker.name), \(row.type) (\(row.name))")
    }
  }

  // MARK: - The ways in

  /// What `get` answers, of these.
  private static func got(
    _ cases: [AudienceCase], _ principal: Principal, _ library: TestQueries
  ) async throws -> Set<Identifier> {
    var got: Set<Identifier> = []
    for row in cases {
      do {
        _ = try await library.ask(
          "\(row.type).get", ["id": .string(row.id.text), "include_deleted": true], as: principal)
        got.insert(row.id)
      } catch let refusal as Refusal where refusal.code == .notFound || refusal.code == .forbidden {}
    }
    return got
  }

  private static func listed(
    _ type: ResourceType, _ principal: Principal, _ library: TestQueries
  ) async throws -> Set<Identifier> {
    do {
      let params: JSONObject = ["include_deleted": true, "limit": 1000]
      let ids = try await library.list(type.name, params, as: principal)
      return Set(ids.compactMap { Identifier($0) })
    } catch let refusal as Refusal where refusal.code == .forbidden { return [] }
  }

  /// What an SQL role's own session selects, by type.
  private static func seen(
    by session: AudienceWorld.Session, of catalog: Catalog, _ library: TestQueries
  ) async throws -> [String: Set<Identifier>] {
    let connection = try await PostgresConnection.connect(signIn(library.models.url, session.role))
    var seen: [String: Set<Identifier>] = [:]
    do {
      if let user = session.user { try await connection.execute("SET app.current_user_id = '\(user)'") }
      for type in catalog.types where type.hasReadModel {
        let rows = try await connection.query("SELECT id::text FROM daybook.\(PostgresIdentifier.quote(type.plural))")
        seen[type.name] = Set(rows.rows.compactMap { $0[0].flatMap { Identifier($0) } })
      }
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
    return seen
  }

  private static func signIn(_ url: String, _ role: String) -> String {
    let rest = url.split(separator: "@", maxSplits: 1).last.map(String.init) ?? url
    if url.contains("@") { return "postgresql://\(role):secret@\(rest)" }
    return url + (url.contains("?") ? "&" : "?") + "user=\(role)&password=secret"
  }

  // MARK: - Broken renderings

  /// How many cells of the table each rendering of an audience gets wrong.
  private struct Mistakes: Equatable {
    var get: Int
    var list: Int
    var sql: Int
  }

  private static func mutants(of audience: Audience, _ type: ResourceType) -> [Audience] {
    func with(_ index: Int, _ replacement: Audience.Rule?) -> Audience {
      var rules = audience.rules
      if let replacement { rules[index] = replacement } else { rules.remove(at: index) }
      return Audience(plural: audience.plural, rules: rules)
    }
    return audience.rules.enumerated().flatMap { index, rule -> [Audience] in
      let dropped = with(index, nil)
      switch rule {
      case .stewards, .maker: return [dropped, with(index, .tenant)]
      case .tenant, .ownOrganization, .sharedOrganization, .oneself, .named, .ownOrShared: return [dropped]
      case .tenantExcept: return [dropped, with(index, .tenant)]
      case .unplaced: return [dropped, with(index, .maker)]
      case .colleague(let placement):
        return [dropped]
          + Audience.Placement.allCases.filter { $0 != placement && (type.field($0.field) != nil || $0 == .itself) }
          .map { with(index, .colleague($0)) }
      case .offices:
        return [dropped, with(index, .tenant), with(index, .offices([.officers])), with(index, .offices([.auditors]))]
      case .placed(let placement):
        return [dropped]
          + Audience.Placement.allCases.filter { $0 != placement && (type.field($0.field) != nil || $0 == .itself) }
          .map { with(index, .placed($0)) }
      case .addressee(_, nil): return [dropped, with(index, .tenant)]
      case .addressee(let field, _?):
        return [dropped, with(index, .tenant), with(index, .addressee(field: field, unless: nil))]
      case .published(let fields):
        return [dropped]
          + fields.map { field in with(index, .published(anyOf: fields.filter { $0 != field })) }
          .filter { $0.publicFields != [] }
      }
    }
  }

  private static func mistakes(
    of audience: Audience, _ type: ResourceType, _ cases: [AudienceCase], _ world: AudienceWorld, _ library: TestQueries
  ) async throws -> Mistakes {
    func wrong(_ seen: Set<Identifier>, _ asker: AudienceWorld.Asker) -> Int {
      cases.count { seen.contains($0.id) != $0.seenBy.contains(asker.name) }
    }
    var mistakes = Mistakes(get: 0, list: 0, sql: 0)
    let condition = AudienceCondition(audience)
    for asker in world.askers {
      if let principal = asker.principal {
        let permitted = try library.log.read { snapshot in
          try cases.filter { row in
            guard let state = try snapshot.state(row.id) else { return false }
            return try audience.permits(.reads, to: principal, on: state, in: snapshot)
          }
        }
        mistakes.get += wrong(Set(permitted.map(\.id)), asker)
        mistakes.list += wrong(try await selected(condition, type, principal, library), asker)
      }
      if let session = asker.session {
        mistakes.sql += wrong(try await seen(by: session, under: audience, type, library), asker)
      }
    }
    return mistakes
  }

  /// What a list by that condition selects.
  private static func selected(
    _ condition: AudienceCondition, _ type: ResourceType, _ principal: Principal, _ library: TestQueries
  ) async throws -> Set<Identifier> {
    guard let reach = condition.audience.reach(of: principal) else { return [] }
    var sql = SQLBuilder()
    let bounds = condition.sql(reach, in: &sql) ?? "true"
    sql.append("SELECT t.id::text FROM daybook.\(PostgresIdentifier.quote(type.plural)) t WHERE \(bounds)")
    let statement = sql
    let rows = try await library.projections.withConnection { connection in
      try await connection.query(statement.text, statement.parameters).rows
    }
    return Set(rows.compactMap { $0[0].flatMap { Identifier($0) } })
  }

  /// What a role selects where the table's policy is that of an audience; afterwards the policy is as it was.
  private static func seen(
    by session: AudienceWorld.Session, under audience: Audience, _ type: ResourceType, _ library: TestQueries
  ) async throws -> Set<Identifier> {
    let table = "daybook.\(PostgresIdentifier.quote(type.plural))"
    let connection = try await PostgresConnection.connect(library.models.url)
    do {
      try await connection.execute(
        """
        BEGIN;
        ALTER POLICY tenant ON \(table) USING (\(audience.policy ?? "false"));
        SET LOCAL app.current_user_id = '\(session.user ?? "")';
        SET LOCAL ROLE \(PostgresIdentifier.quote(session.role))
        """)
      let rows = try await connection.query("SELECT id::text FROM \(table)").rows
      try await connection.execute("ROLLBACK")
      await connection.close()
      return Set(rows.compactMap { $0[0].flatMap { Identifier($0) } })
    } catch {
      await connection.close()
      throw error
    }
  }
}
