import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Records
import Refusals

extension QueryEngine {
  /// `audit.search`: who did what, when, to what, from where and why, with what it was before and after.
  func searchAudit(
    _ parameters: inout QueryParameters, _ principal: Principal, _ wait: ReadModelWait
  ) async throws -> [UInt8] {
    let query = try AuditQuery(&parameters, catalog: catalog)
    var organizations: Set<Identifier>?
    if let visible = principal.visibleOrganizations {
      let readable = visible.filter { principal.allows(.read, on: "audit", organization: $0) }
      guard !readable.isEmpty else { throw Refusal.forbidden(permission: "audit:read") }
      organizations = readable
    }
    let start = try query.cursor.map {
      UInt64(try cursors.open($0, query: query.identity)["position"]?.integerValue ?? 0)
    }
    try await reach(["audit_trail", "retentions"], wait)
    let statement = query.statement(organizations: organizations, after: start)
    let result = try await ask(needsPersonal: true) { connection in
      try await connection.query(statement.text, statement.parameters)
    }
    guard result.rowCount > 0 else { throw ProjectionColumnsMissing(table: "audit_trail") }
    let position = result[0, 0].flatMap { UInt64($0) } ?? 0
    let count = result[0, 1] == nil ? 0 : min(result.rowCount, query.limit)
    var items: [JSON] = []
    for row in 0..<count { items.append(.object(try auditItem(row, of: result))) }
    let next = result.rowCount > query.limit ? items.last?["position"].map { JSON.object(["position": $0]) } : nil
    return try page(items, next: next, position: position, query: query.identity)
  }

  private func auditItem(_ row: Int, of result: PostgresResult) throws -> JSONObject {
    func text(_ column: Int) -> JSON { result[row, column + 1].map(JSON.string) ?? .null }
    func integer(_ column: Int) -> JSON { result[row, column + 1].flatMap { JSON(integerText: $0) } ?? .null }
    var item: JSONObject = [
      "position": integer(0), "id": text(1), "at": text(2), "actor": text(3), "user_id": text(4),
      "organization_id": text(5), "action": text(6), "event": text(7), "resource_type": text(8), "resource_id": text(9),
      "version": integer(10), "reason": text(14), "ip": text(15), "user_agent": text(16),
    ]
    if let correlation = result[row, 13] { item["correlation_id"] = .string(correlation) }
    if let causation = result[row, 14] { item["causation_id"] = .string(causation) }
    let changes = try result[row, 12].map { try JSON.parse($0).objectValue ?? [:] } ?? [:]
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
