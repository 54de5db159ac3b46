import BasicTypes
import CanonicalJSON
import Catalog
import Records

/// One column of a read model, as a filter, an order or a row's value: which field it is, where it stands, how it is
/// read and written.
struct ListColumn: Sendable {
  /// The field that it holds; an implicit one is made up like a declared one.
  let field: Field
  /// Whether it stands in the `personal` table beside the read model.
  let isPersonal: Bool

  /// The column's name with the table's alias: `t` for the read model, `p` for its personal table.
  var sql: String { "\(isPersonal ? "p" : "t").\"\(field.name)\"" }

  /// How it is read: text that ``value(of:)`` understands whatever the connection's date style and time zone.
  var selection: String {
    switch field.type {
    case .timestamp: #"to_char(\#(sql) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#
    case .tags: "to_jsonb(\(sql))::text"
    case .ip: "host(\(sql))"
    default: "\(sql)::text"
    }
  }

  /// The type to which a parameter that is compared with it is cast.
  var cast: String {
    switch field.type {
    case .string, .text, .slug, .email, .enum: "text"
    case .integer, .bigint: "bigint"
    case .float: "double precision"
    case .boolean: "boolean"
    case .timestamp: "timestamptz"
    case .json, .object, .list, .tags: "jsonb"
    case .reference, .uuid: "uuid"
    case .ip: "inet"
    }
  }

  /// Whether values of it have an order that a list can follow.
  var isOrdered: Bool {
    switch field.type {
    case .json, .object, .list, .tags: false
    default: true
    }
  }

  /// Whether it is text that `prefix` and a substring search make sense of.
  var isText: Bool {
    switch field.type {
    case .string, .text, .slug, .email, .enum: true
    default: false
    }
  }

  /// A text as it is compared with the column's: an e-mail address is the same in any case.
  func compared(_ text: String) -> String { field.comparison?.form(of: text) ?? text }

  /// The column as it is compared, in SQL: the form of ``compared(_:)`` for every text.
  var comparedSQL: String {
    guard let comparison = field.comparison, let folded = field.foldedColumn else { return sql }
    return comparison.sql(sql, folded: "\(isPersonal ? "p" : "t").\"\(folded)\"")
  }

  /// The value that the text of ``selection`` stands for, as JSON shows it.
  func value(of text: String) throws -> JSON {
    switch field.type {
    case .string, .text: return text == Redactions.markText ? Redactions.mark : .string(text)
    case .slug, .email, .enum, .timestamp, .reference, .uuid, .ip: return .string(text)
    case .integer, .bigint:
      guard let number = JSON(integerText: text) else { throw ListColumnError(column: field.name) }
      return number
    case .float:
      guard let number = Double(text).flatMap({ JSON(finite: $0) }) else { throw ListColumnError(column: field.name) }
      return number
    case .boolean: return .bool(text == "true" || text == "t")
    case .json, .object, .list: return Self.canonical(try JSON.parse(text))
    case .tags:
      guard text.contains(Redactions.markName), let tags = try JSON.parse(text).arrayValue else {
        return try JSON.parse(text)
      }
      return .array(tags.map { $0.stringValue == Redactions.markText ? Redactions.mark : $0 })
    }
  }

  /// jsonb writes every number digit by digit; one that a double holds exactly and that RFC 8785 writes with an
  /// exponent is that double again.
  private static func canonical(_ value: JSON) -> JSON {
    switch value {
    case .bigInteger(let digits) where digits.utf8.count > 21:
      guard let double = Double(digits), let number = JSON(finite: double), case .number = number else { return value }
      return exactDigits(double) == digits ? number : value
    case .array(let elements): return .array(elements.map(canonical))
    case .object(let object): return .object(object.mapValues(canonical))
    default: return value
    }
  }

  /// The shortest digits of a double with zeros up to its exponent: what jsonb makes of `1e300`.
  private static func exactDigits(_ value: Double) -> String {
    let text = JSON.number(value).canonicalString
    let parts = text.split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1].drop { $0 == "+" }) else { return text }
    let mantissa = parts[0].split(separator: ".")
    let fraction = mantissa.count == 2 ? String(mantissa[1]) : ""
    return mantissa[0] + fraction + String(repeating: "0", count: max(0, exponent - fraction.utf8.count))
  }
}

/// A read model whose column holds what its field's type can't be: the model and the catalog have come apart.
struct ListColumnError: Error, CustomStringConvertible {
  let column: String
  var description: String { "the column \(column) holds a value that its field's type does not allow" }
}

/// The columns of one resource type's read model that are shown, declared and implicit: hashes and whole secrets are
/// shown to nobody.
struct ListColumns: Sendable {
  /// All of them, in the order in which they are selected; `id` is the first.
  let all: [ListColumn]
  private let places: [String: Int]

  init(_ type: ResourceType) {
    var columns = ResourceType.implicitFields.compactMap { name -> ListColumn? in
      if name == "organization_id", type.organization == .none { return nil }
      let kind: FieldType =
        switch name {
        case "number", "version": .bigint
        case "created_at", "updated_at", "deleted_at": .timestamp
        default: .uuid
        }
      return ListColumn(field: Field(name: name, type: kind), isPersonal: false)
    }
    for field in type.fields where !field.isHidden {
      columns.append(ListColumn(field: field, isPersonal: field.personal != nil))
    }
    all = columns
    places = Dictionary(columns.enumerated().map { ($1.field.name, $0) }) { first, _ in first }
  }

  /// The place of the column of that field; nil where the type has no such field, or shows it to nobody.
  func place(of name: String) -> Int? { places[name] }

  /// The column of that field.
  func column(_ name: String) -> ListColumn? { places[name].map { all[$0] } }

  /// The names, for a refusal that says what there is.
  var names: [String] { all.map(\.field.name) }
}
