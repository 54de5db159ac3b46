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
  /// The most resources of a type that a list of the past folds.
  private static let maximumFolded = 50_000
  /// How many are folded in one read transaction, so that none lasts long.
  private static let foldedAtOnce = 200

  /// A list as it was at a moment: the read model, once it has come to that moment, says which resources there were,
  /// the log what each of them was then.
  ///
  /// Each page folds all of them, so this is for looking back, not for walking through many pages.
  func list(
    _ query: ListQuery, _ access: Access, _ scope: Audience.Reach, _ place: ListPlace?, asOf: AsOf, _ wait: ReadWait
  ) async throws -> [UInt8] {
    let position = if let moment = place?.moment { moment } else { try await resolve(asOf) }
    let identifiers = try await identifiers(of: query, access, scope, through: position, wait.reaching(position))
    let view = view(for: access.principal)
    var found = PastPage(order: query.order, limit: query.limit)
    for start in stride(from: 0, to: identifiers.count, by: Self.foldedAtOnce) {
      let chunk = identifiers[start..<min(identifiers.count, start + Self.foldedAtOnce)]
      let before = found
      found = try await log.whileWanted { snapshot in
        var found = before
        for identifier in chunk {
          guard let state = try snapshot.fold(identifier, through: position), query.includesDeleted || !state.isDeleted,
            !access.isVisitor(of: state) || access.audience.publishes(state.fields, to: access.principal)
          else { continue }
          let item = try access.item(
            state, current: snapshot.state(identifier) ?? state, view, in: snapshot)
          // What can't be read or may only be stored counts as null, as it does in the read model.
          func value(_ field: String) -> JSON { item[field].flatMap { Unreadable.isMark($0) ? nil : $0 } ?? .null }
          guard query.filter.conditions.allSatisfy({ $0.holds(value($0.column.field.name)) }) else { continue }
          let own = ListPlace(
            key: value(query.order.column.field.name), identifier: identifier.text, moment: position)
          if let place, !query.order.isBefore(place, own) { continue }
          found.add(item, at: own)
        }
        return found
      }
    }
    let (items, last) = found.finished()
    if !access.personal.isEmpty {
      var persons = ShownPersons()
      for case .object(let item) in items {
        guard let id = item["id"]?.stringValue.flatMap({ Identifier($0) }) else { continue }
        persons.add(access.persons(shownBy: item, of: id, item))
      }
      if !persons.all.isEmpty { access.note(.persons(persons.all, .history)) }
    }
    return try page(items, next: last?.json, position: position, query: query.identity)
  }

  /// The resources that a caller may see now, of those that were there at a position.
  private func identifiers(
    of query: ListQuery, _ access: Access, _ scope: Audience.Reach, through position: UInt64, _ wait: ReadWait
  ) async throws -> [Identifier] {
    let written = try await log.whileWanted { snapshot in try snapshot.record(at: position)?.parsedHeader().at }
    guard let written else { return [] }
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let condition = access.condition.sql(scope, in: &sql) { conditions.add(condition) }
    // However many have been made since, the answer stays the same. One whose first event was passed over has no time.
    let bound = sql.bind(.text(written.text), as: "timestamptz")
    conditions.add("(t.\"created_at\" <= \(bound) OR t.\"created_at\" IS NULL)")
    let limit = Self.maximumFolded
    sql.append("SELECT t.id FROM daybook.\"\(query.type.plural)\" t\(conditions.clause) LIMIT \(limit + 1)")
    let need = ReadModelNeed(rows: [query.type.plural] + query.readBesides)
    let found = try await self.identifiers(sql, need, wait)
    guard found.count <= limit else {
      throw Refusal.tooLarge(
        limit: Int64(limit), "There are more \(query.type.plural) than a list of the past looks through.")
    }
    return found
  }
}
