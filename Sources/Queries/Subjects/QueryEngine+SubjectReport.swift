import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Projections
import Records
import Refusals

extension QueryMethod {
  /// `subject.report`: all that is held on a person (GDPR Art. 15 and 20), for the person and for officers.
  static let subjectReport = QueryMethod(
    "subject.report",
    "Every value held on a person, every reference to them, and every event about or by them, page by page.",
    [
      .parameter("id", .uuid, "The person's id.", isRequired: true),
      .count("from", "The position from which events are told.", in: 1...Int64.max, default: 1),
      .limit(100),
    ],
    result: Schemas.object([
      "api_keys": Schemas.array(of: Schemas.identifier), "events": Schemas.array(of: Schemas.anyObject),
      "id": Schemas.identifier, "next": ["type": ["integer", "null"]], "person": Schemas.anyObject,
      "position": Schemas.integer, "processing": Schemas.array(of: Schemas.anyObject),
      "references": Schemas.array(of: Schemas.anyObject), "values": Schemas.array(of: Schemas.anyObject),
    ]),
    errors: [.forbidden, .notFound], example: ["id": .string(ExampleWorld.identifier(of: "user").text)],
    answer: { try await $1.engine.subjectReport($0, SubjectScope(principal: $1.principal), $1) })
}

extension QueryEngine {
  /// How many bytes of events one page has at most, unless one alone is larger.
  private static let reportBytes = 4 << 20

  fileprivate func subjectReport(
    _ arguments: Arguments, _ scope: SubjectScope, _ call: QueryCall
  ) async throws -> [UInt8] {
    let id = try arguments.required("id")
    let from = arguments.position("from") ?? 1
    let limit = arguments.count("limit")
    let (held, actors, own) = try await log.whileWanted { [self] snapshot in
      let person = try scope.person(id, in: snapshot)
      let holdings = try SubjectHoldings(of: person, rules, view(for: scope.principal), snapshot) {
        scope.isTold(of: $0, about: id)
      }
      let named = Set(holdings.values.compactMap { $0["resource_type"]?.stringValue })
      let answer: JSONObject = [
        "id": .string(id.text), "person": .object(try subject(person, scope, snapshot)),
        "values": .array(holdings.values), "references": .array(holdings.references),
        "api_keys": .array(holdings.keys.map { .string($0.text) }),
        "processing": .array(
          (catalog.processingRecord.arrayValue ?? []).filter {
            $0["resource_type"]?.stringValue.map { $0 == "*" || named.contains($0) } ?? false
          }),
        "position": JSON(position: snapshot.head.position),
      ]
      return (answer, ["user:\(id.text)"] + holdings.keys.map { "api_key:\($0.text)" }, holdings.own)
    }
    let acts = try await positions(of: actors, own, from: from, limit: limit + 1, call.wait)
    let (events, next) = try await log.whileWanted { [self] snapshot -> ([JSON], UInt64?) in
      let about = try snapshot.positions(about: id, from: from, limit: limit + 1)
      let all = Set(about).union(acts).sorted()
      // Behind the last of a list that was cut, there may be what that list didn't say.
      let horizon = [about, acts].filter { $0.count > limit }.compactMap(\.last).min()
      var events: [JSON] = []
      var bytes = 0
      for position in all where horizon.map({ position <= $0 }) ?? true {
        guard events.count < limit, bytes < Self.reportBytes else { return (events, position) }
        guard let record = try snapshot.record(at: position),
          scope.isTold(of: try record.parsedHeader().organization, about: id)
        else { continue }
        events.append(try reported(record, of: id, actors, own, scope))
        bytes += record.body.count
      }
      return (events, horizon.map { $0 + 1 })
    }
    if id != scope.principal.subject { call.note(.persons([id], .subjectReport)) }
    var answer = held
    answer["events"] = .array(events)
    answer["next"] = next.map { JSON(position: $0) } ?? .null
    return JSON.object(answer).canonicalBytes
  }

  /// The positions of what some actors did and of what happened to some resources, the first ones from a position on.
  func positions(
    of actors: [String], _ resources: [Identifier], from: UInt64, limit: Int, _ wait: ReadWait
  ) async throws -> [UInt64] {
    let need = ReadModelNeed(rows: ["audit_trail"])
    var sql = SQLBuilder(
      "SELECT standing.position, standing.is_whole, found.id FROM \(need.standing) standing LEFT JOIN (")
    let start = sql.bind(.integer(Int64(clamping: from)), as: "bigint")
    let doers = sql.bind(.array(actors), as: "text[]")
    let targets = sql.bind(.array(resources.map(\.text)), as: "uuid[]")
    // Each half by its own index.
    sql.append(
      """
      SELECT id FROM ((SELECT id FROM daybook.audit_trail WHERE actor = ANY (\(doers)) \
      AND (user_id IS NULL OR actor LIKE 'user:%') AND id >= \(start) \
      ORDER BY id LIMIT \(limit)) UNION (SELECT id FROM daybook.audit_trail WHERE resource_id = ANY (\(targets)) \
      AND id >= \(start) ORDER BY id LIMIT \(limit))) u ORDER BY id LIMIT \(limit)) found ON true ORDER BY found.id
      """)
    let result = try await ask(sql, need, wait)
    return (0..<result.rowCount).compactMap { result[$0, 2].flatMap { UInt64($0) } }
  }

  /// An event as a person's report tells it: what of it is sealed for them in the clear, of everything else the names
  /// of the fields alone, since it may be another person's.
  private func reported(
    _ record: LogRecord, of person: Identifier, _ actors: [String], _ own: [Identifier], _ scope: SubjectScope
  ) throws -> JSON {
    let view = view(for: scope.principal)
    let header = try record.parsedHeader()
    let body = try record.parsedBody()
    func isTheirs(_ value: JSON?, _ field: String) -> Bool {
      rules.persons(sealing: value, resource: header.resource, field: field).contains(person)
    }
    var changes = JSONObject()
    var others: [JSON] = []
    for (name, value) in body.set {
      let before = body.was[name]
      guard isTheirs(value, name) || isTheirs(before, name) else {
        others.append(.string(name))
        continue
      }
      let shown = try view.shownChanges(
        type: header.type, resource: header.resource, set: [name: isTheirs(value, name) ? value : .null],
        was: [name: isTheirs(before, name) ? before ?? .null : .null])
      changes[name] = shown[name]
    }
    // What somebody's key did for another person is what that one did.
    let isActor = header.onBehalfOf.map { $0 == person } ?? actors.contains(header.actor)
    let facts = try view.data(body.data, resource: header.resource)
    // Why something was done to what is theirs is about them, too. A reason that belongs to no organization says in
    // which it was given.
    let givenIn = ReasonGivenIn.organizations(facts)
    let isReasonTold =
      (isTheirs(body.reason, "reason") || own.contains(header.resource))
      && (header.organization != nil || isActor || scope.isTold(ofReasonIn: givenIn, about: person))
    var event: JSONObject = [
      "position": JSON(position: header.position), "at": .string(header.at.text), "event": .string(header.event),
      "actor": .string(header.actor), "is_actor": .bool(isActor), "resource_type": .string(header.type),
      "resource_id": .string(header.resource.text),
      "organization_id": header.organization.map { .string($0.text) } ?? .null,
      "changes": .object(changes), "other_fields": .array(others),
      "reason": isReasonTold ? try view.reason(body.reason, resource: header.resource) : .null,
    ]
    if let person = header.onBehalfOf { event["on_behalf_of"] = .string(person.text) }
    if isTheirs(body.origin, "origin") { event["origin"] = try view.origin(body.origin, resource: header.resource) }
    var shown = ErasureFacts.shown(facts.filter { $0.key != ReasonGivenIn.member }, where: scope.knows)
    if isActor {
      // Whom they read is not about them, but about those.
      if header.event == AccessFacts.read { shown.removeValue(forKey: AccessFacts.persons) }
    } else {
      shown = AccessFacts.told(of: header.event, body.data, to: person, vault: vault)
    }
    if !shown.isEmpty { event["data"] = .object(shown) }
    return .object(event)
  }
}
