import CanonicalJSON
import Catalog
import Refusals

/// One `R.list` as it was asked: checked, and not yet about any store.
struct ListQuery: Sendable {
  let type: ResourceType
  let columns: ListColumns
  let filter: ListFilter
  let order: ListOrder
  let limit: Int
  let cursor: String?
  let asOf: AsOf?
  let includesDeleted: Bool
  /// What a cursor is bound to: everything that decides which rows come in which order.
  let identity: JSON

  /// Reads a call's params; what is wrong with them is added to them.
  /// - Throws: ``Refusal`` `invalid_params` with every fault, where there is no order to go by.
  init(_ arguments: inout Arguments, type: ResourceType, columns: ListColumns) throws {
    self.type = type
    self.columns = columns
    filter = ListFilter(&arguments, columns: columns, type: type)
    limit = arguments.count("limit")
    cursor = arguments.text("cursor")
    asOf = AsOf(arguments)
    includesDeleted = arguments.isTrue("include_deleted")
    try arguments.check()
    guard let order = ListOrder(arguments.text("order") ?? "id", columns: columns) else {
      throw Refusal.invalidParam("/order", "is not a field that a list can be ordered by")
    }
    self.order = order
    identity = [
      "method": .string("\(type.name).list"), "where": arguments["where"] ?? .null, "order": .string(order.text),
      "as_of": arguments["as_of"] ?? .null, "include_deleted": .bool(includesDeleted),
    ]
  }

  /// The page that it asks for.
  var table: PagedTable { PagedTable(name: type.plural, columns: columns.all, besides: readBesides) }

  /// The read models that say whom the caller may see: which users, their memberships do.
  var readBesides: [String] { type.name == "user" ? ["memberships"] : [] }
}
