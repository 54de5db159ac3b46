import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Evidence
import Postgres
import Projections
import Records
import Refusals

extension QueryMethod {
  /// `subject.list_exports`: to whom records about a person were handed out (GDPR Art. 19).
  static let subjectListExports = QueryMethod(
    "subject.list_exports",
    "The exports, backups and key exports that hold records about or by a person: whom to tell (GDPR Art. 19).",
    [.parameter("id", .uuid, "The person's id.", isRequired: true)],
    result: Schemas.object([
      "id": Schemas.identifier, "items": Schemas.array(of: Schemas.anyObject), "other_organizations": Schemas.integer,
      "position": Schemas.integer,
    ]),
    errors: [.forbidden, .notFound],
    example: ["id": .string(ExampleWorld.identifier(of: "user").text)],
    answer: { try await $1.engine.subjectExports($0, $1) })
}

extension QueryEngine {
  /// How many of the person's events, or of the exports, one look takes in.
  private static let stretch = 500
  /// The events by which a copy of everything leaves the log, and what each is called here.
  private static let copies = ["installation.backed_up": "backup", "installation.keys_exported": "keys"]

  fileprivate func subjectExports(_ arguments: Arguments, _ call: QueryCall) async throws -> [UInt8] {
    let id = try arguments.required("id")
    let scope = SubjectScope(principal: call.principal)
    _ = try await log.whileWanted { try scope.person(id, in: $0, alsoFor: [.auditors]) }
    let found = try await exports(holding: id, call.wait)
    let told = found.filter { scope.isTold(of: $0.organization, about: id) }
    let others = Set(found.compactMap(\.organization)).subtracting(told.compactMap(\.organization))
    let purposes = try await purposes(of: told.compactMap(\.export), call)
    return JSON.object([
      "id": .string(id.text),
      "items": .array(
        told.map { holding in
          var item = holding.facts
          if let export = holding.export { item["purpose"] = purposes[export] ?? .null }
          return .object(item)
        }),
      "other_organizations": .integer(Int64(others.count)), "position": JSON(position: log.head.position),
    ]).canonicalBytes
  }

  /// What was handed out that holds records about or by a person, oldest first: for the receipt of an erasure.
  package func exports(holding person: Identifier) async throws -> [JSON] {
    let wait = ReadWait(position: log.head.position, timeoutMilliseconds: 60_000)
    return try await exports(holding: person, wait).map { .object($0.facts) }
  }

  /// One such copy.
  private struct Holding: Sendable {
    /// The export; nil for a backup.
    var export: Identifier?
    var organization: Identifier?
    var position: UInt64
    var facts: JSONObject
  }

  private func exports(holding person: Identifier, _ wait: ReadWait) async throws -> [Holding] {
    let acts = try await log.whileWanted { [self] snapshot in
      guard let state = try snapshot.state(person) else { throw Refusal.notFound(type: "user", id: person.text) }
      let holdings = try SubjectHoldings(of: state, rules, view, snapshot) { _ in true }
      return PersonsActs(
        actors: ["user:\(person.text)"] + holdings.keys.map { "api_key:\($0.text)" }, own: holdings.own)
    }
    var found: [Holding] = []
    for export in try await allExports(wait) {
      guard let terms = ExportTerms(export), let first = try await first(of: person, acts, in: terms, wait) else {
        continue
      }
      found.append(
        Holding(
          export: export.id, organization: export.organization, position: terms.treeSize,
          facts: [
            "kind": "export", "id": .string(export.id.text), "at": .string(export.createdAt.text),
            "actor": .string(terms.actor), "status": export.fields["status"] ?? .null,
            "organization_id": export.organization.map { .string($0.text) } ?? .null,
            "decrypted": .bool(terms.isDecrypted), "first_record": JSON(position: first),
          ]))
    }
    return (found + (try await copies(holding: person, acts, wait))).sorted { $0.position < $1.position }
  }

  /// Every export that there is.
  private func allExports(_ wait: ReadWait) async throws -> [ResourceState] {
    var exports: [ResourceState] = []
    var last: Identifier?
    while true {
      var sql = SQLBuilder("SELECT t.id FROM daybook.exports t")
      if let last { sql.append(" WHERE t.id > \(sql.bind(.uuid(last.text), as: "uuid"))") }
      sql.append(" ORDER BY t.id LIMIT \(Self.stretch)")
      let page = try await identifiers(sql, ReadModelNeed(rows: ["exports"]), wait)
      exports += try await log.whileWanted { snapshot in try page.compactMap { try snapshot.state($0) } }
      guard page.count == Self.stretch else { return exports }
      last = page.last
    }
  }

  /// By what a person's acts are found in the audit trail.
  private struct PersonsActs: Sendable {
    let actors: [String]
    let own: [Identifier]
  }

  /// The first record about or by the person that an export's terms let into its bundle.
  private func first(
    of person: Identifier, _ acts: PersonsActs, in terms: ExportTerms, _ wait: ReadWait
  ) async throws -> UInt64? {
    var next = terms.first
    while next <= terms.last {
      let positions = try await positions(of: person, acts, from: next, wait)
      let hit = try await log.whileWanted { snapshot in
        try positions.first { position in
          guard position <= terms.last, let record = try snapshot.record(at: position),
            let header = EvidenceHeader(try JSON.parse(record.header))
          else { return false }
          return terms.shows(header) && terms.filter.accepts(header)
        }
      }
      if let hit { return hit }
      guard let last = positions.last, positions.count >= Self.stretch else { return nil }
      next = last + 1
    }
    return nil
  }

  /// The first positions from one on at which something is about or by the person.
  private func positions(
    of person: Identifier, _ acts: PersonsActs, from: UInt64, _ wait: ReadWait
  ) async throws -> [UInt64] {
    let done = try await positions(of: acts.actors, acts.own, from: from, limit: Self.stretch, wait)
    let about = try await log.whileWanted { try $0.positions(about: person, from: from, limit: Self.stretch) }
    return Array(Set(done).union(about).sorted().prefix(Self.stretch))
  }

  /// The copies of the whole log, or of its keys, that were made when there was something of the person in it.
  private func copies(holding person: Identifier, _ acts: PersonsActs, _ wait: ReadWait) async throws -> [Holding] {
    guard let first = try await positions(of: person, acts, from: 1, wait).first else { return [] }
    let need = ReadModelNeed(rows: ["audit_trail"])
    var sql = SQLBuilder("SELECT standing.position, standing.is_whole, found.id, found.at, found.actor, found.event ")
    let names = sql.bind(.array(Self.copies.keys.sorted()), as: "text[]")
    let start = sql.bind(.integer(Int64(clamping: first)), as: "bigint")
    sql.append(
      """
      FROM \(need.standing) standing LEFT JOIN (SELECT id, to_char(at AT TIME ZONE 'UTC', \
      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, actor, event FROM daybook.audit_trail \
      WHERE resource_type = 'installation' AND event = ANY (\(names)) AND id >= \(start)) found ON true ORDER BY found.id
      """)
    return try await ask(sql, need, wait).rows.compactMap { row in
      guard let position = row[2].flatMap({ UInt64($0) }), let kind = row[5].flatMap({ Self.copies[$0] }) else {
        return nil
      }
      return Holding(
        position: position,
        facts: [
          "kind": .string(kind), "at": row[3].map(JSON.string) ?? .null, "actor": row[4].map(JSON.string) ?? .null,
          "position": JSON(position: position), "organization_id": .null,
        ])
    }
  }

  /// What each export was made for, where that is for the caller.
  private func purposes(of exports: [Identifier], _ call: QueryCall) async throws -> [Identifier: JSON] {
    guard let type = catalog.type("export"), !exports.isEmpty else { return [:] }
    let access = call.access(to: type)
    return try await log.whileWanted { [self] snapshot in
      var purposes: [Identifier: JSON] = [:]
      for export in exports {
        guard let state = try snapshot.state(export), try access.permits(state, in: snapshot),
          let record = try snapshot.history(of: export, versions: 1...1).first
        else { continue }
        purposes[export] = try reason(of: record.parsedHeader(), record.parsedBody(), state, access)
      }
      return purposes
    }
  }
}
