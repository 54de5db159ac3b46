import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Refusals

extension QueryEngine {
  /// `system.logs`: what programs logged about themselves, the latest first unless the order says otherwise, page by
  /// page, from PostgreSQL. Lines of the service as a whole are for administrators.
  func systemLogs(
    _ parameters: inout QueryParameters, _ principal: Principal, _ wait: ReadModelWait
  ) async throws -> [UInt8] {
    let query = try SystemLogQuery(&parameters)
    var organizations: Set<Identifier>?
    if let visible = principal.visibleOrganizations {
      let readable = visible.filter { principal.allows(.read, on: "systems", organization: $0) }
      guard !readable.isEmpty else { throw Refusal.forbidden(permission: "systems:read") }
      organizations = readable
    }
    let place = try query.cursor.map { cursor -> SystemLogPlace in
      guard let place = SystemLogPlace(try cursors.open(cursor, query: query.identity)) else {
        throw Refusal.invalidParam("/cursor", "is not a cursor of this query")
      }
      return place
    }
    try await reach([SystemLogQuery.table], wait)
    let statement = query.statement(organizations: organizations, after: place)
    let result = try await ask(needsPersonal: true) { connection in
      try await connection.query(statement.text, statement.parameters)
    }
    guard result.rowCount > 0 else { throw ProjectionColumnsMissing(table: SystemLogQuery.table) }
    let position = result[0, 0].flatMap { UInt64($0) } ?? 0
    let count = result[0, 1] == nil ? 0 : min(result.rowCount, query.limit)
    let items = try (0..<count).map { row in
      JSON.object(
        JSONObject(
          members: try SystemLogQuery.columns.enumerated().map { index, column in
            (key: column.field.name, value: try result[row, index + 1].map { try column.value(of: $0) } ?? .null)
          }))
    }
    let next = result.rowCount > query.limit ? items.last.flatMap { SystemLogPlace($0)?.json } : nil
    return try page(items, next: next, position: position, query: query.identity)
  }
}
