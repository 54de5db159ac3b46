import BasicTypes
import CanonicalJSON
import Postgres

/// Rows in the order of a time, those of one time in the order of their ids.
struct TimeOrder: Sendable {
  /// The column of the time.
  let column: String
  let isDescending: Bool

  private var time: String { "t.\"\(column)\"" }

  /// The ORDER BY.
  var clause: String {
    let direction = isDescending ? "DESC" : "ASC"
    return " ORDER BY \(time) \(direction), t.id \(direction)"
  }

  /// The conditions that rows lie between two instants, and after the place where a page ended.
  func add(
    since: Timestamp?, until: Timestamp?, after place: TimePlace?, to conditions: inout SQLConditions,
    in sql: inout SQLBuilder
  ) {
    if let since { conditions.add("\(time) >= \(sql.bind(.text(since.text), as: "timestamptz"))") }
    if let until { conditions.add("\(time) < \(sql.bind(.text(until.text), as: "timestamptz"))") }
    guard let place else { return }
    let at = sql.bind(.text(place.time), as: "timestamptz")
    conditions.add(
      "(\(time), t.id) \(isDescending ? "<" : ">") (\(at), \(sql.bind(.integer(place.identifier), as: "bigint")))")
  }
}

/// Where a page in the order of a time ended.
struct TimePlace: Sendable {
  let time: String
  let identifier: Int64

  /// The place of an item with such a column.
  init?(of item: JSONObject, column: String) {
    guard let time = item[column]?.stringValue, let identifier = item["id"]?.integerValue else { return nil }
    self.time = time
    self.identifier = identifier
  }

  /// What a cursor holds.
  init?(_ json: JSON) {
    guard let object = json.objectValue else { return nil }
    self.init(of: object, column: "at")
  }

  var json: JSON { ["at": .string(time), "id": .integer(identifier)] }
}
