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
  /// `R.list`: the resources that a caller may see, filtered, ordered, page by page, from PostgreSQL.
  static func list(_ type: ResourceType) -> QueryMethod {
    let columns = ListColumns(type)
    return QueryMethod(
      "\(type.name).list", "The \(type.plural) that the caller may see, filtered, ordered, page by page.",
      [
        .parameter("where", .object, "Conditions by field: a value, or operators such as {\"gte\":…,\"lt\":…}."),
        .choice(
          "order", "A field to order by, with a minus before it to turn the order round.",
          of: ListOrder.words(columns), default: "created_at"),
        .limit(), .cursor, .asOf, .flag("include_deleted", "List deleted ones too."),
      ],
      checkingLater: ["where"], result: Schemas.page(of: Schemas.item(type)), errors: [.forbidden, .tooLarge],
      read: { try ListQuery(&$0, type: type, columns: columns) },
      answer: { try await $1.engine.list($0, $1) })
  }
}

extension QueryEngine {
  fileprivate func list(_ query: ListQuery, _ call: QueryCall) async throws -> [UInt8] {
    let access = call.access(to: query.type)
    let scope = try access.reach()
    let withheld = access.administratorsFields
    if !withheld.isEmpty {
      let asked = query.filter.conditions.map(\.column.field.name) + [query.order.column.field.name]
      guard withheld.isDisjoint(with: asked) else {
        throw Refusal.forbidden(
          permission: "administrator",
          "Only administrators list \(query.type.plural) by \(withheld.sorted().joined(separator: ", ")).")
      }
    }
    let place = try cursors.place(query.cursor, of: query.identity, ListPlace.init)
    // Which users a caller may see, their memberships say.
    let needed = query.type.name == "user" ? ["users", "memberships"] : [query.type.plural]
    try await reach(needed, call.wait)
    if let asOf = query.asOf { return try await list(query, access, scope, place, asOf: asOf) }
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let condition = access.condition.sql(scope, in: &sql) { conditions.add(condition) }
    if !query.includesDeleted { conditions.add("t.\"deleted_at\" IS NULL") }
    for condition in query.filter.conditions { conditions.add(condition.sql(in: &sql)) }
    if let place { conditions.add(query.order.after(place, in: &sql)) }
    return try await page(
      of: query.table, where: conditions, query.order.clause, limit: query.limit, in: sql, identity: query.identity
    ) { row in
      let fields = try fields(of: row, query)
      guard let id = fields["id"]?.stringValue.flatMap({ Identifier($0) }) else {
        throw ProjectionColumnsMissing(table: query.type.plural)
      }
      return (
        .object(try view.item(fields: fields, id: id, type: query.type.name, principal: call.principal)),
        ListPlace(key: fields[query.order.column.field.name] ?? .null, identifier: id.text).json
      )
    }
  }

  /// One row by field, the implicit ones included, without nulls; what is personal stands in it opened.
  private func fields(of row: PagedTable.Row, _ query: ListQuery) throws -> JSONObject {
    var fields = JSONObject(minimumCapacity: query.columns.all.count)
    for (index, column) in query.columns.all.enumerated() {
      guard let text = row[index] else { continue }
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
  func reach(_ names: [String], _ wait: ReadWait) async throws {
    do {
      try await projections.wait(
        for: wait.position ?? 0, projections: names, timeoutMilliseconds: wait.timeoutMilliseconds)
    } catch let error as ProjectionError {
      throw Refusal(error, waitingFor: wait.position)
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
      throw Refusal(error)
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
