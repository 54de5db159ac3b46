import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Projections
import Records
import Refusals

extension QueryEngine {
  /// `R.list`: the resources that a caller may see, filtered, ordered, page by page, from PostgreSQL.
  func list(_ parameters: inout QueryParameters, _ access: Access, _ wait: ReadModelWait) async throws -> [UInt8] {
    let query = try ListQuery(&parameters, type: access.type)
    let scope = try access.scope()
    let place = try query.cursor.map { cursor -> ListPlace in
      guard let place = ListPlace(try cursors.open(cursor, query: query.identity)) else {
        throw Refusal.invalidParam("/cursor", "is not a cursor of this query")
      }
      return place
    }
    // Which users a caller may see, their memberships say.
    let needed = access.type.name == "user" ? ["users", "memberships"] : [access.type.plural]
    try await reach(needed, wait)
    if let asOf = query.asOf { return try await list(query, access, scope, place, asOf: asOf) }
    let statement = statement(of: query, access, scope, after: place)
    let result = try await ask(needsPersonal: query.needsPersonal) { connection in
      try await connection.query(statement.text, statement.parameters)
    }
    guard result.rowCount > 0 else { throw ProjectionColumnsMissing(table: query.type.plural) }
    // The first column is the checkpoint as the same snapshot saw it; a page without rows is one row of it and NULLs.
    let position = result[0, 0].flatMap { UInt64($0) } ?? 0
    var items: [JSON] = []
    var last: ListPlace?
    let rows = result[0, 1] == nil ? 0 : min(result.rowCount, query.limit)
    for row in 0..<rows {
      let fields = try fields(row: row, of: result, query)
      guard let id = fields["id"]?.stringValue.flatMap({ Identifier($0) }) else {
        throw ProjectionColumnsMissing(table: query.type.plural)
      }
      items.append(
        .object(try view.item(fields: fields, id: id, type: query.type.name, principal: access.principal)))
      if row == rows - 1 {
        last = ListPlace(key: fields[query.order.column.field.name] ?? .null, identifier: id.text)
      }
    }
    let next = result.rowCount > query.limit ? last?.json : nil
    return try page(items, next: next, position: position, query: query.identity)
  }

  /// The one statement of a list: the page and the position of the read model in one snapshot.
  private func statement(
    of query: ListQuery, _ access: Access, _ scope: Access.Scope, after place: ListPlace?
  ) -> SQLBuilder {
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let condition = access.condition(scope, in: &sql) { conditions.add(condition) }
    if !query.includesDeleted { conditions.add("t.\"deleted_at\" IS NULL") }
    for condition in query.filter.conditions { conditions.add(condition.sql(in: &sql)) }
    if let place { conditions.add(query.order.after(place, in: &sql)) }
    let selected = query.columns.all.enumerated().map { "\($1.selection) AS c\($0)" }.joined(separator: ", ")
    let numbered = "row_number() OVER (\(query.order.clause.dropFirst())) AS place"
    let outer = query.columns.all.indices.map { "page.c\($0)" }.joined(separator: ", ")
    let name = sql.bind(.text(query.type.plural), as: "text")
    sql.append(
      """
      SELECT \(SQLBuilder.checkpoint(of: name)), \(outer) \
      FROM (SELECT 1) one LEFT JOIN (SELECT \(selected), \(numbered)\(query.source)\(conditions.clause)\
      \(query.order.clause) LIMIT \(query.limit + 1)) page ON true ORDER BY page.place
      """)
    return sql
  }

  /// One row by field, the implicit ones included, without nulls; what is personal stands in it opened.
  private func fields(row: Int, of result: PostgresResult, _ query: ListQuery) throws -> JSONObject {
    var fields = JSONObject(minimumCapacity: query.columns.all.count)
    for (index, column) in query.columns.all.enumerated() {
      guard let text = result[row, index + 1] else { continue }
      fields[column.field.name] = try column.value(of: text)
    }
    for name in ["version", "created_at", "updated_at"] where !fields.contains(name) {
      throw ProjectionColumnsMissing(table: query.type.plural)
    }
    return fields
  }

  /// Waits until read models have the position that a question needs; while a server starts, until there are read
  /// models at all.
  /// - Throws: ``Refusal`` `stale` or `unavailable`.
  func reach(_ names: [String], _ wait: ReadModelWait) async throws {
    do {
      try await projections.wait(
        for: wait.position, projections: names, timeoutMilliseconds: wait.timeoutMilliseconds)
    } catch let error as ProjectionError {
      throw Self.refusal(error, wait)
    }
  }

  /// Asks PostgreSQL.
  /// - Throws: ``Refusal`` `unavailable` where it is away.
  func ask<R: Sendable>(
    needsPersonal: Bool, _ body: @escaping @Sendable (PostgresConnection) async throws -> R
  ) async throws -> R {
    do {
      return try await projections.withConnection(needsPersonal: needsPersonal, body)
    } catch let error as ProjectionError {
      throw Self.refusal(error, ReadModelWait(position: 0, timeoutMilliseconds: 0))
    }
  }

  private static func refusal(_ error: ProjectionError, _ wait: ReadModelWait) -> Refusal {
    switch error.code {
    case .stale(let position) where wait.position > 0: .stale(position: position, atLeast: wait.position)
    case .stale: .unavailable(component: "postgres", "PostgreSQL is not up yet.")
    default: .unavailable(component: "postgres", error.message)
    }
  }
}

/// A read model that lacks what every read model has: it was made by another version of the catalog and needs a
/// rebuild.
struct ProjectionColumnsMissing: Error, CustomStringConvertible {
  let table: String
  var description: String {
    "the read model \(table) lacks columns of its resource type; run `daybook rebuild \(table)`"
  }
}
