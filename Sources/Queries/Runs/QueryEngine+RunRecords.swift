import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Refusals

extension QueryEngine {
  /// What types tell of their runs by which query: a run everything, its tasks' lines and measurements included; a task its own.
  static func runRecords(_ verb: String, of type: ResourceType) -> RunRecords? {
    switch (type.name, verb) {
    case ("run", "logs"), ("task_run", "logs"): .logs
    case ("run", "metrics"), ("task_run", "metrics"): .metrics
    case ("run", "previews"): .previews
    default: nil
    }
  }

  /// `run.logs`, `run.metrics`, `run.previews`, and the same of a task: what one run told, in the order of time, page by page, from
  /// PostgreSQL. Whoever may read the run reads what it told.
  func runRecords(
    _ records: RunRecords, method: String, _ parameters: inout QueryParameters, _ access: Access, _ wait: ReadModelWait
  ) async throws -> [UInt8] {
    let query = try RunRecordsQuery(&parameters, method: method, records: records, type: access.type)
    try await log.background { snapshot in
      let identifier = query.identifier
      let state = try access.require(try snapshot.state(identifier), id: identifier.text, in: snapshot)
      if let since = state.deletedAt {
        throw Refusal.gone(type: access.type.name, id: identifier.text, since: since.text)
      }
    }
    let place = try query.cursor.map { cursor -> RunRecordPlace in
      guard let place = RunRecordPlace(try cursors.open(cursor, query: query.identity)) else {
        throw Refusal.invalidParam("/cursor", "is not a cursor of this query")
      }
      return place
    }
    try await reach([records.table], wait)
    let statement = query.statement(after: place, now: clock())
    let result = try await ask(needsPersonal: records.needsPersonal) { connection in
      try await connection.query(statement.text, statement.parameters)
    }
    guard result.rowCount > 0 else { throw ProjectionColumnsMissing(table: records.table) }
    let position = result[0, 0].flatMap { UInt64($0) } ?? 0
    let count = result[0, 1] == nil ? 0 : min(result.rowCount, query.limit)
    var items: [JSON] = []
    items.reserveCapacity(count)
    var last: RunRecordPlace?
    for row in 0..<count {
      let item = try Self.item(row, of: result, records)
      if row == count - 1 { last = RunRecordPlace(of: item, records) }
      items.append(.object(item))
    }
    let next = result.rowCount > query.limit ? last?.json : nil
    return try page(items, next: next, position: position, query: query.identity)
  }

  private static func item(_ row: Int, of result: PostgresResult, _ records: RunRecords) throws -> JSONObject {
    JSONObject(
      members: try records.columns.enumerated().map { index, column in
        (key: column.field.name, value: try result[row, index + 1].map { try column.value(of: $0) } ?? .null)
      })
  }
}
