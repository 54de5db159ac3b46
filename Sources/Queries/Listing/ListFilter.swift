import BasicTypes
import CanonicalJSON
import Catalog

#if canImport(Glibc)
  import Glibc
#endif

/// How a condition compares.
enum ListOperator: String, CaseIterable, Sendable {
  case eq, ne, gt, gte, lt, lte, `in`, contains, prefix
  case isNull = "is_null"
}

/// One condition of `where`: a column, how it is compared, and the values as the column's type writes them.
struct ListCondition: Sendable {
  let column: ListColumn
  let comparison: ListOperator
  /// Checked and in canonical form; several only for `in`.
  let values: [JSON]
}

/// The conditions of `where`, all of which must hold.
struct ListFilter: Sendable {
  let conditions: [ListCondition]

  /// The most values that one `in` takes.
  static let maximumAlternatives = 1000

  /// Reads `where`; every fault is kept in the arguments under its path.
  init(_ arguments: inout Arguments, columns: ListColumns, type: ResourceType) {
    guard let object = arguments["where"]?.objectValue else {
      if arguments["where"] != nil { arguments.refuse("/where", "must be an object of conditions") }
      conditions = []
      return
    }
    var conditions: [ListCondition] = []
    for (name, wanted) in object {
      let path = "/where/\(JSONPointer.escape(name))"
      guard let column = columns.column(name) else {
        let names = columns.names.joined(separator: ", ")
        arguments.refuse(
          path,
          type.field(name) == nil
            ? "is not a field of \(type.name); its fields are \(names)" : "is secret: nothing can be found by it")
        continue
      }
      if let operators = wanted.objectValue, Self.isOperators(operators, for: column) {
        for (word, operand) in operators {
          Self.read(word, operand, column, "\(path)/\(word)", &arguments).map { conditions.append($0) }
        }
      } else {
        Self.read(wanted.isNull ? "is_null" : "eq", wanted.isNull ? true : wanted, column, path, &arguments)
          .map { conditions.append($0) }
      }
    }
    self.conditions = conditions
  }

  /// A JSON field may be compared with an object as it stands, so there only known operators make an object of
  /// operators.
  private static func isOperators(_ object: JSONObject, for column: ListColumn) -> Bool {
    guard column.cast == "jsonb" else { return true }
    return !object.isEmpty && object.keys.allSatisfy { ListOperator(rawValue: $0) != nil }
  }

  private static func read(
    _ word: String, _ operand: JSON, _ column: ListColumn, _ path: String, _ arguments: inout Arguments
  ) -> ListCondition? {
    guard let comparison = ListOperator(rawValue: word) else {
      let words = ListOperator.allCases.map(\.rawValue).joined(separator: ", ")
      arguments.refuse(path, "is not an operator; there are \(words)")
      return nil
    }
    switch comparison {
    case .isNull:
      guard operand.boolValue != nil else {
        arguments.refuse(path, "must be true or false")
        return nil
      }
      return ListCondition(column: column, comparison: .isNull, values: [operand])
    case .in:
      guard let operands = operand.arrayValue, operands.count <= maximumAlternatives else {
        arguments.refuse(path, "must be an array of at most \(maximumAlternatives) values")
        return nil
      }
      let values = operands.enumerated().compactMap { index, operand in
        normalized(operand, column, "\(path)/\(index)", &arguments)
      }
      return ListCondition(column: column, comparison: .in, values: values)
    case .gt, .gte, .lt, .lte:
      guard column.isOrdered else {
        arguments.refuse(path, "compares an order, which values of \(column.field.type.rawValue) don't have")
        return nil
      }
    case .prefix:
      guard column.isText else {
        arguments.refuse(path, "is for text, and \(column.field.name) is \(column.field.type.rawValue)")
        return nil
      }
      return text(operand, column, .prefix, path, &arguments)
    case .contains:
      if column.isText { return text(operand, column, .contains, path, &arguments) }
      guard column.cast == "jsonb" else {
        arguments.refuse(path, "is for text, tags and JSON, and \(column.field.name) is \(column.field.type.rawValue)")
        return nil
      }
      guard isStorable(operand, path, &arguments) else { return nil }
      // A tag alone is an array of it.
      let wanted = column.field.type == .tags && operand.stringValue != nil ? JSON.array([operand]) : operand
      return ListCondition(column: column, comparison: .contains, values: [wanted])
    case .eq, .ne:
      if operand.isNull {
        return ListCondition(column: column, comparison: .isNull, values: [.bool(comparison == .eq)])
      }
    }
    return normalized(operand, column, path, &arguments).map {
      ListCondition(column: column, comparison: comparison, values: [$0])
    }
  }

  private static func text(
    _ operand: JSON, _ column: ListColumn, _ comparison: ListOperator, _ path: String,
    _ arguments: inout Arguments
  ) -> ListCondition? {
    guard let text = operand.stringValue, !text.utf8.contains(0) else {
      arguments.refuse(path, "must be a string without U+0000")
      return nil
    }
    return ListCondition(column: column, comparison: comparison, values: [.string(column.compared(text))])
  }

  /// The operand as the column's type writes it, or nil and a fault.
  private static func normalized(
    _ operand: JSON, _ column: ListColumn, _ path: String, _ arguments: inout Arguments
  ) -> JSON? {
    switch column.field.type {
    case .string, .text, .slug, .email, .enum:
      guard let text = operand.stringValue, !text.utf8.contains(0) else {
        return refused(path, "must be a string without U+0000", &arguments)
      }
      guard column.field.type == .enum else { return .string(column.compared(text)) }
      let word = column.field.synonyms[text] ?? text
      guard column.field.values.contains(word) else {
        return refused(path, "must be one of \(column.field.values.joined(separator: ", "))", &arguments)
      }
      return .string(word)
    case .integer, .bigint:
      guard let integer = operand.integerValue else { return refused(path, "must be a 64-bit integer", &arguments) }
      return .integer(integer)
    case .float:
      guard let number = operand.doubleValue.flatMap({ JSON(finite: $0) }) else {
        return refused(path, "must be a number", &arguments)
      }
      return number
    case .boolean:
      guard operand.boolValue != nil else { return refused(path, "must be true or false", &arguments) }
      return operand
    case .timestamp:
      guard let time = operand.stringValue.flatMap({ Timestamp($0) }) else {
        return refused(path, "must be an RFC 3339 time with a zone", &arguments)
      }
      return .string(time.text)
    case .reference, .uuid:
      guard let identifier = operand.stringValue.flatMap({ Identifier($0) }) else {
        return refused(path, "must be a UUID", &arguments)
      }
      return .string(identifier.text)
    case .ip:
      guard let text = operand.stringValue, IPAddress.canonical(text) != nil else {
        return refused(path, "must be an IPv4 or IPv6 address", &arguments)
      }
      return .string(text)
    case .json, .object, .list, .tags:
      return isStorable(operand, path, &arguments) ? operand : Optional.none
    }
  }

  private static func refused(_ path: String, _ problem: String, _ arguments: inout Arguments) -> JSON? {
    arguments.refuse(path, problem)
    return nil
  }

  /// Whether jsonb can hold it: U+0000 and an absurd depth can't be compared with anything stored.
  private static func isStorable(_ value: JSON, _ path: String, _ arguments: inout Arguments) -> Bool {
    guard holdsNoNull(value, depth: 0) else {
      arguments.refuse(path, "must not contain U+0000, nor nest deeper than 256")
      return false
    }
    return true
  }

  private static func holdsNoNull(_ value: JSON, depth: Int) -> Bool {
    guard depth <= 256 else { return false }
    switch value {
    case .string(let text): return !text.utf8.contains(0)
    case .array(let elements): return elements.allSatisfy { holdsNoNull($0, depth: depth + 1) }
    case .object(let object):
      return object.allSatisfy { !$0.key.utf8.contains(0) && holdsNoNull($0.value, depth: depth + 1) }
    default: return true
    }
  }
}
