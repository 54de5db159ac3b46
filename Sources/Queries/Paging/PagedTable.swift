import CanonicalJSON
import Postgres
import Projections

/// A read model that is read page by page: the one statement that answers a page and how the read models stand in one
/// snapshot, whatever is shown of it and in whatever order.
struct PagedTable: Sendable {
  /// The read model's name; the table's too.
  let name: String
  /// What is selected of a row: SQL over `t`, the read model, and `p`, its personal table.
  let selections: [String]
  /// Whether any of it stands in the personal table.
  let hasPersonal: Bool
  /// Other read models that the conditions speak of.
  let besides: [String]

  init(name: String, selections: [String], hasPersonal: Bool, besides: [String] = []) {
    self.name = name
    self.selections = selections
    self.hasPersonal = hasPersonal
    self.besides = besides
  }

  /// A read model of which columns are shown.
  init(name: String, columns: [ListColumn], besides: [String] = []) {
    self.init(
      name: name, selections: columns.map(\.selection), hasPersonal: columns.contains(where: \.isPersonal),
      besides: besides)
  }

  /// What a page reads.
  var need: ReadModelNeed { ReadModelNeed(rows: [name] + besides, personal: hasPersonal ? [name] : []) }

  /// A page ends early once its values have so many bytes.
  static let maximumBytes = 16 << 20

  /// The statement: one row more than the limit says whether there is a next page; where there is no row at all, one
  /// row still tells how the read models stand. Rows beyond ``maximumBytes`` are left out; each tells how many bytes
  /// the page has with it.
  /// - Parameters:
  ///   - order: ` ORDER BY …` over `t` and `p`.
  ///   - sql: Holds the values that the conditions speak of.
  func statement(where conditions: SQLConditions, _ order: String, limit: Int, in sql: SQLBuilder) -> SQLBuilder {
    var sql = sql
    let selected = selections.enumerated().map { "\($1) AS c\($0)" }.joined(separator: ", ")
    let shown = selections.indices.map { "page.c\($0)" }.joined(separator: ", ")
    let size = selections.indices.map { "coalesce(octet_length(listed.c\($0)), 0)" }.joined(separator: " + ")
    let personal = hasPersonal ? " LEFT JOIN personal.\"\(name)\" p ON p.id = t.id" : ""
    sql.append(
      """
      SELECT standing.position, standing.is_whole, page.through, \(shown) FROM \(need.standing) standing LEFT JOIN \
      (SELECT sized.*, sum(sized.size) OVER (ROWS UNBOUNDED PRECEDING) AS through \
      FROM (SELECT listed.*, (\(size))::float8 AS size FROM (SELECT \(selected), row_number() OVER (\(order.dropFirst())) AS place FROM daybook."\(name)" t\
      \(personal)\(conditions.clause)\(order) LIMIT \(limit + 1)) listed) sized) page \
      ON page.through - page.size < \(Self.maximumBytes) ORDER BY page.place
      """)
    return sql
  }

  /// One row of a page.
  struct Row {
    fileprivate let result: PostgresResult
    fileprivate let number: Int

    /// The text of what the selection of that place gave; nil for NULL.
    subscript(place: Int) -> String? { result[number, place + 3] }
  }
}

extension QueryEngine {
  /// A page of a read model that has what the call waits for.
  /// - Parameters:
  ///   - wait: What must be there, and until when it is waited for.
  ///   - moment: The position that the page is about, where it is about the past; else that of the read models.
  ///   - identity: What the next page's cursor is bound to.
  ///   - besides: What the answer says besides.
  ///   - read: The item of a row, and the place by which the next page would follow it.
  func page(
    of table: PagedTable, where conditions: SQLConditions, _ order: String, limit: Int, in sql: SQLBuilder,
    _ wait: ReadWait, asOf moment: UInt64? = nil, identity: JSON, besides: JSONObject = [:],
    read: (PagedTable.Row) throws -> (item: JSON, place: JSON?)
  ) async throws -> [UInt8] {
    let statement = table.statement(where: conditions, order, limit: limit, in: sql)
    // The first columns tell how the read models stood as the same snapshot saw them; a page without rows is one row of
    // them and NULLs. The third says how many bytes the page has with the row: whether rows behind it may have been
    // left out.
    let result = try await ask(statement, table.need, wait)
    let position = moment ?? result[0, 0].flatMap { UInt64($0) } ?? 0
    let count = result[0, 2] == nil ? 0 : min(result.rowCount, limit)
    var items: [JSON] = []
    items.reserveCapacity(count)
    var last: JSON?
    for number in 0..<count {
      let (item, place) = try read(PagedTable.Row(result: result, number: number))
      items.append(item)
      if number == count - 1 { last = place }
    }
    let bytes = count == 0 ? 0 : result[count - 1, 2].flatMap { Double($0) } ?? 0
    let isCut = result.rowCount > limit || bytes >= Double(PagedTable.maximumBytes)
    return try page(items, next: isCut ? last : nil, position: position, query: identity, besides: besides)
  }

  /// The answer of a query that gives its items page by page.
  func page(
    _ items: [JSON], next: JSON?, position: UInt64, query: JSON, besides: JSONObject = [:]
  ) throws -> [UInt8] {
    let cursor = try next.map { JSON.string(try cursors.seal($0, query: query)) } ?? .null
    let page: JSONObject = ["items": .array(items), "next_cursor": cursor, "position": JSON(position: position)]
    return JSON.object(page.merging(besides)).canonicalBytes
  }
}
