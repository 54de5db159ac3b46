import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
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
          ]))),
      errors: [.forbidden],
      read: { AuditQuery(&$0) }, answer: { try await $1.engine.searchAudit($0, $1) })
  }
}

extension QueryEngine {
  fileprivate func searchAudit(_ query: AuditQuery, _ call: QueryCall) async throws -> [UInt8] {
    guard let scope = AudienceCondition.audit.audience.reach(of: call.principal) else {
      throw Refusal.forbidden(permission: "audit:read")
    }
    let start = try cursors.place(query.cursor, of: query.identity, AuditPlace.init)
    var moment = start?.moment
    if moment == nil, let asOf = query.asOf { moment = try await resolve(asOf) }
    var needed = moment
    if needed == nil, let until = query.until { needed = try await end(before: until) }
    var sql = SQLBuilder()
    let conditions = query.conditions(scope, after: start?.position, through: moment, in: &sql)
    return try await page(
      of: AuditQuery.table, where: conditions, query.order, limit: query.limit, in: sql,
      needed.map(call.wait.reaching) ?? call.wait, asOf: moment, identity: query.identity
    ) { row in
      let item = try auditItem(row)
      return (.object(item), AuditPlace(item, moment: moment)?.json)
    }
  }

  /// The last position before a time that is over by the log's own clock; nil for one to which events may still come.
  private func end(before time: Timestamp) async throws -> UInt64? {
    try await log.whileWanted { snapshot in
      guard let last = snapshot.head.at, time <= last else { return nil }
      return try snapshot.position(at: Timestamp(microseconds: time.microseconds - 1))
    }
  }

  private func auditItem(_ row: PagedTable.Row) throws -> JSONObject {
    func text(_ column: Int) -> JSON { row[column].map(JSON.string) ?? .null }
    func integer(_ column: Int) -> JSON { row[column].flatMap { JSON(integerText: $0) } ?? .null }
    var item: JSONObject = [
      "position": integer(0), "id": text(1), "at": text(2), "actor": text(3), "user_id": text(4),
      "organization_id": text(5), "action": text(6), "event": text(7), "resource_type": text(8), "resource_id": text(9),
      "version": integer(10), "reason": text(14), "ip": text(15), "user_agent": text(16),
    ]
    if row[14] == nil || row[15] == nil, let position = row[0].flatMap({ UInt64($0) }),
      let marks = try unreadable(at: position)
    {
      if row[14] == nil { item["reason"] = marks.reason }
      if row[15] == nil, !marks.origin.isNull { (item["ip"], item["user_agent"]) = (marks.origin, marks.origin) }
    }
    if let correlation = row[12] { item["correlation_id"] = .string(correlation) }
    if let causation = row[13] { item["causation_id"] = .string(causation) }
    let changes = try row[11].map { try JSON.parse($0).objectValue ?? [:] } ?? [:]
    item["changes"] = .object(try opened(changes, item))
    return item
  }

  /// The changes of a row, whose personal values stand in it as sealed tokens, as a history shows them.
  private func opened(_ changes: JSONObject, _ item: JSONObject) throws -> JSONObject {
    guard let type = item["resource_type"]?.stringValue,
      let resource = item["resource_id"]?.stringValue.flatMap({ Identifier($0) })
    else { return changes.mapValues { _ in ["from": StateView.hidden, "to": StateView.hidden] } }
    return try view.shownChanges(
      type: type, resource: resource, set: changes.mapValues { $0["to"] ?? .null },
      was: changes.mapValues { $0["from"] ?? .null })
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
