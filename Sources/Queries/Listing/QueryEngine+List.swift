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
    let unsearchable = access.unsearchable
    if !unsearchable.isEmpty {
      let asked = query.filter.conditions.map(\.column.field.name) + [query.order.column.field.name]
      let refused = unsearchable.intersection(asked)
      guard refused.isEmpty else {
        throw Refusal.forbidden(
          permission: "recipient",
          "You are not among those to whom \(refused.sorted().joined(separator: ", ")) is shown, so you can't list "
            + "\(query.type.plural) by it.")
      }
    }
    let place = try cursors.place(query.cursor, of: query.identity, ListPlace.init)
    if let asOf = query.asOf { return try await list(query, access, scope, place, asOf: asOf, call.wait) }
    var sql = SQLBuilder()
    var conditions = SQLConditions()
    if let condition = access.condition.sql(scope, in: &sql) { conditions.add(condition) }
    if !query.includesDeleted { conditions.add("t.\"deleted_at\" IS NULL") }
    for condition in query.filter.conditions { conditions.add(condition.sql(in: &sql)) }
    if let place { conditions.add(query.order.after(place, in: &sql)) }
    let view = view(for: call.principal)
    var persons = ShownPersons()
    let answer = try await page(
      of: query.table, where: conditions, query.order.clause, limit: query.limit, in: sql, call.wait,
      identity: query.identity
    ) { row in
      let fields = try fields(of: row, query)
      guard let id = fields["id"]?.stringValue.flatMap({ Identifier($0) }) else {
        throw ProjectionColumnsMissing(table: query.type.plural)
      }
      let withheld = try withheld(ofRow: fields, id, access)
      let item = try view.item(
        fields: marked(fields, of: id, query.type, call.principal), id: id, type: query.type.name, withholding: withheld
      )
      if !access.personal.isEmpty { persons.add(access.persons(shownBy: item, of: id, fields)) }
      return (
        .object(item), ListPlace(key: fields[query.order.column.field.name] ?? .null, identifier: id.text).json
      )
    }
    if !persons.all.isEmpty { call.note(.persons(persons.all, .list)) }
    return answer
  }

  /// The personal fields of a row that are withheld from the caller; who is a member of what, the log says.
  private func withheld(ofRow fields: JSONObject, _ id: Identifier, _ access: Access) throws -> Set<String> {
    let organization = fields["organization_id"]?.stringValue.flatMap { Identifier($0) }
    return try access.withheld(of: id, organization: organization, fields: fields) {
      try log.read { try $0.memberships(of: id) }
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

  /// Asks read models once they have what a question needs; what the statement gives first is how they stand
  /// (``ReadModelNeed/standing``): it has one row at least.
  /// - Throws: ``Refusal`` `stale`, or `unavailable` where PostgreSQL is away or what is needed is being filled again.
  func ask(_ statement: SQLBuilder, _ need: ReadModelNeed, _ wait: ReadWait) async throws -> PostgresResult {
    do {
      return try await projections.ask(need, at: wait.position ?? 0, deadline: wait.deadline) { connection in
        let result = try await connection.query(statement.text, statement.parameters)
        guard result.rowCount > 0 else { throw ProjectionColumnsMissing(table: need.rows.joined(separator: ", ")) }
        return (ReadModelStanding(position: result[0, 0], isWhole: result[0, 1]), result)
      }
    } catch let error as ProjectionError {
      throw Refusal(error, waitingFor: wait.position)
    }
  }

  /// The ids that a statement gives of read models that have what a question needs, in their order.
  /// - Parameter select: `SELECT … AS id FROM …`.
  /// - Throws: As ``ask(_:_:_:)``.
  func identifiers(_ select: SQLBuilder, _ need: ReadModelNeed, _ wait: ReadWait) async throws -> [Identifier] {
    let statement = select.wrapped(
      before: "SELECT standing.position, standing.is_whole, found.id::text FROM \(need.standing) standing LEFT JOIN (",
      after: ") found ON true ORDER BY found.id")
    let result = try await ask(statement, need, wait)
    return (0..<result.rowCount).compactMap { result[$0, 2].flatMap { Identifier($0) } }
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
