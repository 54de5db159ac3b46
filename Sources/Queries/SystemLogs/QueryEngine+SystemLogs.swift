import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Refusals

extension QueryMethod {
  /// `system.logs`: what programs logged about themselves, the latest first unless the order says otherwise, page by
  /// page, from PostgreSQL. Lines of the service as a whole are for administrators.
  static let systemLogs = QueryMethod(
    "system.logs", "What programs logged about themselves (system.log), the latest first.", SystemLogQuery.fields,
    result: Schemas.page(of: Schemas.row(SystemLogQuery.columns)), errors: [.forbidden],
    read: { SystemLogQuery($0) }, answer: { try await $1.engine.systemLogs($0, $1) })
}

extension QueryEngine {
  fileprivate func systemLogs(_ query: SystemLogQuery, _ call: QueryCall) async throws -> [UInt8] {
    guard let scope = AudienceCondition.systemLogs.audience.reach(of: call.principal) else {
      throw Refusal.forbidden(permission: "systems:read")
    }
    let place = try cursors.place(query.cursor, of: query.identity, TimePlace.init)
    var sql = SQLBuilder()
    let conditions = query.conditions(scope, after: place, in: &sql)
    return try await page(
      of: SystemLogQuery.table, where: conditions, query.order.clause, limit: query.limit, in: sql,
      call.wait, identity: query.identity
    ) { row in
      let item = try row.item(SystemLogQuery.columns)
      return (.object(item), TimePlace(of: item, column: "at")?.json)
    }
  }
}
