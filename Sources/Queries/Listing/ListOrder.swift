import CanonicalJSON
import Catalog
import Postgres

/// What a list is ordered by. Nulls come last in either direction; equal values are in the order of their ids.
struct ListOrder: Sendable {
  let column: ListColumn
  let isDescending: Bool

  /// The order that a word such as `name` or `-created_at` stands for; nil where there is none.
  init?(_ text: String, columns: ListColumns) {
    isDescending = text.utf8.first == UInt8(ascii: "-")
    guard let column = columns.column(isDescending ? String(text.dropFirst()) : text) else { return nil }
    self.column = column
  }

  /// Every word that a list by those columns can be ordered by.
  static func words(_ columns: ListColumns) -> [String] {
    let names = columns.all.filter { $0.isOrdered && !$0.field.isHidden }.map(\.field.name)
    return names.flatMap { [$0, "-\($0)"] }
  }

  /// The text, as a caller would send it.
  var text: String { (isDescending ? "-" : "") + column.field.name }

  /// The ORDER BY.
  var clause: String {
    let direction = isDescending ? "DESC" : "ASC"
    if column.field.name == "id" { return " ORDER BY t.\"id\" \(direction)" }
    return " ORDER BY \(column.sql) \(direction) NULLS LAST, t.\"id\" \(direction)"
  }

  /// The condition that a row comes after the place where a page ended.
  func after(_ place: ListPlace, in sql: inout SQLBuilder) -> String {
    let beyond = isDescending ? "<" : ">"
    let identifier = sql.bind(.uuid(place.identifier), as: "uuid")
    if column.field.name == "id" { return "t.\"id\" \(beyond) \(identifier)" }
    guard !place.key.isNull else { return "(\(column.sql) IS NULL AND t.\"id\" \(beyond) \(identifier))" }
    let key = sql.bind(place.key, as: column.cast)
    return
      "(\(column.sql) \(beyond) \(key) OR (\(column.sql) = \(key) AND t.\"id\" \(beyond) \(identifier)) OR \(column.sql) IS NULL)"
  }
}

/// Where a page ended: the sort key and the id of its last row.
struct ListPlace: Sendable {
  let key: JSON
  let identifier: String
  /// The position that all pages of a list of the past are about: a time may stand for another one by now.
  var moment: UInt64?

  init(key: JSON, identifier: String, moment: UInt64? = nil) {
    self.key = key
    self.identifier = identifier
    self.moment = moment
  }

  init?(_ json: JSON) {
    guard let key = json["key"], let identifier = json["id"]?.stringValue else { return nil }
    self.init(
      key: key, identifier: identifier, moment: json["as_of"]?.integerValue.flatMap { UInt64(exactly: $0) })
  }

  var json: JSON {
    var json: JSONObject = ["key": key, "id": .string(identifier)]
    if let moment { json["as_of"] = JSON(position: moment) }
    return .object(json)
  }
}
