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
  /// `audit.search`: who did what, when, to what, from where and why, with what it was before and after.
  static func auditSearch(_ catalog: Catalog) -> QueryMethod {
    QueryMethod(
      "audit.search", "The audit trail: who, what, when, where from, why, before and after.",
      AuditQuery.fields(catalog),
      result: Schemas.page(
        of: Schemas.object(
          Schemas.event.merging([
            "action": Schemas.string, "changes": Schemas.anyObject, "id": Schemas.identifier,
            "ip": JSONSchema.orUnreadable(Schemas.optionalString), "organization_id": Schemas.optionalIdentifier,
            "resource_id": Schemas.identifier, "resource_type": Schemas.string,
            "user_agent": JSONSchema.orUnreadable(Schemas.optionalString),
            "user_id": Schemas.optionalIdentifier,
          ]), besides: ["data": Schemas.anyObject, "on_behalf_of": Schemas.identifier]),
        besides: ["archived_left_out": Schemas.integer]),
      errors: [.forbidden],
      read: { AuditQuery(&$0) }, answer: { try await $1.engine.searchAudit($0, $1) })
  }
}

extension QueryEngine {
  fileprivate func searchAudit(_ query: AuditQuery, _ call: QueryCall) async throws -> [UInt8] {
    guard let scope = RecordScope(.audit, of: call.principal, in: catalog) else {
      throw Refusal.forbidden(permission: "audit:read")
    }
    let start = try cursors.place(query.cursor, of: query.identity, AuditPlace.init)
    var moment = start?.moment
    if moment == nil, let asOf = query.asOf { moment = try await resolve(asOf) }
    var needed = moment
    if needed == nil, let until = query.until { needed = try await end(before: until) }
    let wait = needed.map(call.wait.reaching) ?? call.wait
    let archived = try await countArchived(query, scope, moment, call.principal, wait)
    var sql = SQLBuilder()
    let reason = scope.reason(for: call.principal, in: &sql)
    let table = AuditQuery.table(
      reason: reason, origin: scope.origin(for: call.principal, in: &sql), besides: query.readBesides)
    var conditions = query.conditions(scope, reasonIf: reason, through: moment, in: &sql)
    if query.leavesOutArchived(at: moment) { conditions.add("NOT \(AuditQuery.isArchived)") }
    if let start { conditions.add(query.isAfter(start.position, in: &sql)) }
    var persons = ShownPersons()
    let answer = try await page(
      of: table, where: conditions, query.order, limit: query.limit, in: sql, wait, asOf: moment,
      identity: query.identity, besides: ["archived_left_out": .integer(archived)]
    ) { row in
      let item = try auditItem(row, call)
      try persons.add(self.persons(shownBy: item, call))
      return (.object(item), AuditPlace(item, moment: moment)?.json)
    }
    if !persons.all.isEmpty { call.note(.persons(persons.all, .audit)) }
    return answer
  }

  /// The persons of whom a row shows what a personal value was or became.
  private func persons(shownBy item: JSONObject, _ call: QueryCall) throws -> [Identifier] {
    guard let changes = item["changes"]?.objectValue, !changes.isEmpty,
      let type = item["resource_type"]?.stringValue.flatMap({ catalog.type($0) }),
      let resource = item["resource_id"]?.stringValue.flatMap({ Identifier($0) })
    else { return [] }
    let access = call.access(to: type)
    guard access.personal.contains(where: { changes.contains($0.name) }) else { return [] }
    // Who is meant, the resource says, which the row may not.
    let fields =
      type.name == "user" ? [:] : try log.read { snapshot in try snapshot.state(resource)?.fields } ?? [:]
    return access.persons(shownBy: changes, of: resource, fields)
  }

  /// How many rows of all pages fit the question and are left out, because a retention sweep has archived them.
  private func countArchived(
    _ query: AuditQuery, _ scope: RecordScope, _ moment: UInt64?, _ principal: Principal, _ wait: ReadWait
  ) async throws -> Int64 {
    guard query.leavesOutArchived(at: moment) else { return 0 }
    var sql = SQLBuilder()
    let reason = query.words.isEmpty ? nil : scope.reason(for: principal, in: &sql)
    var conditions = query.conditions(scope, reasonIf: reason, through: moment, in: &sql)
    // Nothing behind the last sweep is looked at: mostly there is none.
    conditions.add("t.id <= (SELECT max(r.through) FROM daybook.retentions r WHERE r.class = 'audit')")
    conditions.add(AuditQuery.isArchived)
    let need = AuditQuery.table(reason: nil, origin: nil, besides: query.readBesides).need
    let statement = sql.wrapped(
      before: "",
      after: """
        SELECT standing.position, standing.is_whole, (SELECT count(*) FROM daybook.audit_trail t \
        LEFT JOIN personal.audit_trail p ON p.id = t.id\(conditions.clause)) FROM \(need.standing) standing
        """)
    return try await ask(statement, need, wait)[0, 2].flatMap { Int64($0) } ?? 0
  }

  /// The last position before a time that is over by the log's own clock; nil for one to which events may still come.
  private func end(before time: Timestamp) async throws -> UInt64? {
    try await log.whileWanted { snapshot in
      guard let last = snapshot.head.at, time <= last else { return nil }
      return try snapshot.position(at: Timestamp(microseconds: time.microseconds - 1))
    }
  }

  private func auditItem(_ row: PagedTable.Row, _ call: QueryCall) throws -> JSONObject {
    func text(_ column: Int) -> JSON { row[column].map(JSON.string) ?? .null }
    func integer(_ column: Int) -> JSON { row[column].flatMap { JSON(integerText: $0) } ?? .null }
    var item: JSONObject = [
      "position": integer(0), "id": text(1), "at": text(2), "actor": text(3), "user_id": text(4),
      "organization_id": text(5), "action": text(6), "event": text(7), "resource_type": text(8), "resource_id": text(9),
      "version": integer(10), "reason": text(14), "ip": text(15), "user_agent": text(16),
    ]
    // What is not for the caller is null, whatever the log says of it.
    let (lacksReason, lacksOrigin) = (row[14] == nil && row[17] == "true", row[15] == nil && row[18] == "true")
    if let position = row[0].flatMap({ UInt64($0) }) {
      if lacksReason || lacksOrigin, let found = try unreadable(at: position, call.principal) {
        if lacksReason { item["reason"] = found.reason }
        if lacksOrigin, !found.origin.isNull {
          let isMark = Unreadable.isMark(found.origin)
          item["ip"] = isMark ? found.origin : found.origin["ip"] ?? .null
          item["user_agent"] = isMark ? found.origin : found.origin["user_agent"] ?? .null
        }
      }
      if row[14] == nil, !lacksReason { item["reason"] = try restrictedReason(at: position, call) }
    }
    if row[3]?.hasPrefix("api_key:") == true, row[4] != nil { item["on_behalf_of"] = text(4) }
    if let correlation = row[12] { item["correlation_id"] = .string(correlation) }
    if let causation = row[13] { item["causation_id"] = .string(causation) }
    let changes = try row[11].map { try JSON.parse($0).objectValue ?? [:] } ?? [:]
    item["changes"] = .object(try opened(changes, item, call))
    if let data = try facts(item, call) { item["data"] = .object(data) }
    return item
  }

  /// What an event says that changes nothing: of reads, refused calls and what was done with the log as a whole.
  private func facts(_ item: JSONObject, _ call: QueryCall) throws -> JSONObject? {
    guard let type = item["resource_type"]?.stringValue, type == "access" || type == "installation",
      let position = item["position"]?.integerValue.flatMap({ UInt64(exactly: $0) })
    else { return nil }
    let data = try log.read { snapshot in try snapshot.record(at: position)?.parsedBody().data }
    return data.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The changes of a row, whose personal values stand in it as sealed tokens, as a history shows them.
  private func opened(_ changes: JSONObject, _ item: JSONObject, _ call: QueryCall) throws -> JSONObject {
    guard let type = item["resource_type"]?.stringValue,
      let resource = item["resource_id"]?.stringValue.flatMap({ Identifier($0) })
    else { return changes.mapValues { _ in ["from": StateView.hidden, "to": StateView.hidden] } }
    var shown = try view(for: call.principal).shownChanges(
      type: type, resource: resource, set: changes.mapValues { $0["to"] ?? .null },
      was: changes.mapValues { $0["from"] ?? .null })
    for name in try withheld(type, resource, item, changes, call) { shown.removeValue(forKey: name) }
    return shown
  }

  /// The personal fields whose values, of now and before, are not for the caller.
  private func withheld(
    _ name: String, _ resource: Identifier, _ item: JSONObject, _ changes: JSONObject, _ call: QueryCall
  ) throws -> Set<String> {
    guard !call.principal.isAdministrator, let type = catalog.type(name),
      type.fields.contains(where: { $0.personal != nil && changes.contains($0.name) })
    else { return [] }
    let access = call.access(to: type)
    return try log.read { snapshot in
      guard let state = try snapshot.state(resource) else { return Set(type.fields.map(\.name)) }
      return try access.withheld(of: state, .former, in: snapshot)
    }
  }
}

/// Where a page of the audit trail ended.
private struct AuditPlace: Sendable {
  let position: UInt64
  /// The position that all pages of a question about the past are about.
  let moment: UInt64?

  init?(_ item: JSONObject, moment: UInt64?) {
    guard let position = item["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }) else { return nil }
    self.position = position
    self.moment = moment
  }

  init?(_ json: JSON) {
    guard let object = json.objectValue else { return nil }
    self.init(object, moment: object["as_of"]?.integerValue.flatMap { UInt64(exactly: $0) })
  }

  var json: JSON {
    var json: JSONObject = ["position": JSON(position: position)]
    if let moment { json["as_of"] = JSON(position: moment) }
    return .object(json)
  }
}

extension Principal {
  /// The organizations whose rows the caller may read of something that has no resource type of its own; nil for all.
  /// - Throws: ``Refusal`` `forbidden` where there is none.
  func organizations(readable plural: String) throws -> Set<Identifier>? {
    guard let visibleOrganizations else { return nil }
    let readable = visibleOrganizations.filter { allows(.read, on: plural, organization: $0) }
    guard !readable.isEmpty else { throw Refusal.forbidden(permission: "\(plural):read") }
    return readable
  }
}
