import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Records
import Refusals

extension QueryEngine {
  /// The most resources of a type that a list of the past folds.
  private static let maximumFolded = 50_000
  /// How many are folded in one read transaction, so that none lasts long.
  private static let foldedAtOnce = 200

  /// A list as it was at a moment: the read model says which resources there are, the log what each of them was then.
  ///
  /// Each page folds all of them, so this is for looking back, not for walking through many pages.
  func list(
    _ query: ListQuery, _ access: Access, _ scope: Audience.Reach, _ place: ListPlace?, asOf: AsOf
  ) async throws -> [UInt8] {
    let position = try await log.background { snapshot in try snapshot.resolve(asOf) }
    let identifiers = try await identifiers(of: query, access, scope)
    var found = PastPage(order: query.order, limit: query.limit)
    for start in stride(from: 0, to: identifiers.count, by: Self.foldedAtOnce) {
      let chunk = identifiers[start..<min(identifiers.count, start + Self.foldedAtOnce)]
      let before = found
      found = try await log.background { [self] snapshot in
        var found = before
        for identifier in chunk {
          guard let state = try snapshot.fold(identifier, through: position), query.includesDeleted || !state.isDeleted,
            !access.isVisitor(of: state) || access.audience.publishes(state.fields, to: access.principal)
          else { continue }
          let item = try view.item(state, principal: access.principal)
          guard query.filter.conditions.allSatisfy({ $0.holds(item[$0.column.field.name] ?? .null) }) else { continue }
          let own = ListPlace(key: item[query.order.column.field.name] ?? .null, identifier: identifier.text)
          if let place, !query.order.isBefore(place, own) { continue }
          found.add(item, at: own)
        }
        return found
      }
    }
    let (items, last) = found.finished()
    return try page(items, next: last?.json, position: position, query: query.identity)
  }

  private func identifiers(of query: ListQuery, _ access: Access, _ scope: Audience.Reach) async throws -> [Identifier]
  {
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let condition = access.condition.sql(scope, in: &sql) { conditions.add(condition) }
    let limit = Self.maximumFolded
    sql.append("SELECT t.id::text FROM daybook.\"\(query.type.plural)\" t\(conditions.clause) LIMIT \(limit + 1)")
    let statement = sql
    let result = try await ask(needsPersonal: false) { connection in
      try await connection.query(statement.text, statement.parameters)
    }
    guard result.rowCount <= limit else {
      throw Refusal.tooLarge(
        limit: Int64(limit), "There are more \(query.type.plural) than a list of the past looks through.")
    }
    return (0..<result.rowCount).compactMap { result[$0, 0].flatMap { Identifier($0) } }
  }
}
