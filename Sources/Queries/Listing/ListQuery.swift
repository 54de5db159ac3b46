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

  /// Reads the parameters.
  /// - Throws: ``Refusal`` `invalid_params` with every fault.
  init(_ parameters: inout QueryParameters, type: ResourceType) throws {
    self.type = type
    let columns = ListColumns(type)
    self.columns = columns
    let conditions = parameters.value("where") ?? .null
    filter = ListFilter(&parameters, columns: columns, type: type)
    let order = ListOrder(&parameters, columns: columns, default: "created_at")
    limit = parameters.limit()
    cursor = parameters.string("cursor")
    let moment = parameters.value("as_of") ?? .null
    asOf = parameters.asOf()
    includesDeleted = parameters.boolean("include_deleted") ?? false
    try parameters.finish()
    // A faulty order was a fault of the parameters, which were refused just now.
    guard let order else { preconditionFailure("an order that could not be read was let through") }
    self.order = order
    identity = [
      "method": .string("\(type.name).list"), "where": conditions, "order": .string(order.text), "as_of": moment,
      "include_deleted": .bool(includesDeleted),
    ]
  }

  /// Whether any part of it needs the personal table.
  var needsPersonal: Bool { columns.all.contains(where: \.isPersonal) }

  /// The FROM clause: the read model, and its personal columns beside it.
  var source: String {
    let table = " FROM daybook.\"\(type.plural)\" t"
    return needsPersonal ? table + " LEFT JOIN personal.\"\(type.plural)\" p ON p.id = t.id" : table
  }
}
