import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Refusals

extension QueryMethod {
  /// `run.logs`, `run.metrics`, `run.previews`, and the same of a task: what one run told, in the order of time, page
  /// by page, from PostgreSQL. Whoever may read the run reads what it told.
  static func runRecords(_ records: RunRecords, of type: ResourceType) -> QueryMethod {
    QueryMethod(
      "\(type.name).\(records.verb)", records.summary(type.name), records.fields(type),
      result: Schemas.page(of: Schemas.row(records.columns)), errors: [.forbidden, .notFound, .gone],
      example: type.exampleTarget,
      read: { try RunRecordsQuery($0, records, of: type) },
      answer: { try await $1.engine.runRecords($0, $1) })
  }
}

extension QueryEngine {
  fileprivate func runRecords(_ query: RunRecordsQuery, _ call: QueryCall) async throws -> [UInt8] {
    let access = call.access(to: query.type)
    try await log.whileWanted { snapshot in
      let identifier = query.identifier
      let state = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      if let since = state.deletedAt {
        throw Refusal.gone(type: access.type.name, id: identifier.text, since: since.text)
      }
    }
    let place = try cursors.place(query.cursor, of: query.identity, TimePlace.init)
    let records = query.records
    var sql = SQLBuilder()
    let conditions = query.conditions(after: place, now: clock(), in: &sql)
    return try await page(
      of: PagedTable(name: records.table, columns: records.columns), where: conditions, query.order.clause,
      limit: query.limit, in: sql, call.wait, identity: query.identity
    ) { row in
      let item = try row.item(records.columns)
      return (.object(item), TimePlace(of: item, column: records.time)?.json)
    }
  }
}

extension PagedTable.Row {
  /// The row as an object of its columns.
  func item(_ columns: [ListColumn]) throws -> JSONObject {
    JSONObject(
      members: try columns.enumerated().map { index, column in
        (key: column.field.name, value: try self[index].map { try column.value(of: $0) } ?? .null)
      })
  }
}
