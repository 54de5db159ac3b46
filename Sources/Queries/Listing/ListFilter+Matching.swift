import BasicTypes
import CanonicalJSON
import Catalog

/// Conditions decided here instead of by PostgreSQL, for states folded from the log. Text is compared by its bytes.
extension ListCondition {
  /// Whether a value (null for none) meets the condition.
  func holds(_ stored: JSON) -> Bool {
    let wanted = values.first ?? .null
    if comparison == .isNull { return stored.isNull == (wanted.boolValue == true) }
    guard !stored.isNull else { return comparison == .ne }
    let value = comparable(stored)
    switch comparison {
    case .eq: return value == wanted
    case .ne: return value != wanted
    case .in: return values.contains(value)
    case .gt: return ListOrder.isBefore(wanted, value)
    case .gte: return !ListOrder.isBefore(value, wanted)
    case .lt: return ListOrder.isBefore(value, wanted)
    case .lte: return !ListOrder.isBefore(wanted, value)
    case .prefix:
      guard let text = value.stringValue, let prefix = wanted.stringValue else { return false }
      return text.utf8.starts(with: prefix.utf8)
    case .contains:
      if column.isText, let text = value.stringValue, let part = wanted.stringValue {
        return Self.contains(Array(text.utf8), Array(part.utf8))
      }
      return Self.contains(value, wanted, isTop: true)
    case .isNull: return false
    }
  }

  private func comparable(_ value: JSON) -> JSON {
    guard column.field.comparison != nil, let text = value.stringValue else { return value }
    return .string(column.compared(text))
  }

  private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
    guard !part.isEmpty else { return true }
    guard part.count <= text.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
  }

  /// Containment as jsonb's `@>` has it: objects by members, arrays by elements wherever they stand, an array may
  /// contain a bare scalar at the top.
  private static func contains(_ value: JSON, _ part: JSON, isTop: Bool) -> Bool {
    switch (value, part) {
    case (.object(let value), .object(let part)):
      return part.allSatisfy { member in value[member.key].map { contains($0, member.value, isTop: false) } ?? false }
    case (.array(let value), .array(let part)):
      return part.allSatisfy { wanted in value.contains { contains($0, wanted, isTop: false) } }
    case (.array(let value), _) where isTop: return value.contains(part)
    default: return value == part
    }
  }
}

extension ListOrder {
  /// Whether one value of a column comes before another.
  static func isBefore(_ left: JSON, _ right: JSON) -> Bool {
    switch (left, right) {
    case (.integer(let left), .integer(let right)): return left < right
    case (.string(let left), .string(let right)): return left.utf8.lexicographicallyPrecedes(right.utf8)
    case (.bool(let left), .bool(let right)): return !left && right
    default:
      guard let left = left.doubleValue, let right = right.doubleValue else { return false }
      return left < right
    }
  }

  /// Whether one place comes before another in this order: nulls last, equal keys by id.
  func isBefore(_ left: ListPlace, _ right: ListPlace) -> Bool {
    if left.key.isNull != right.key.isNull { return right.key.isNull }
    if left.key != right.key {
      return isDescending ? Self.isBefore(right.key, left.key) : Self.isBefore(left.key, right.key)
    }
    let (first, second) = isDescending ? (right, left) : (left, right)
    return first.identifier.utf8.lexicographicallyPrecedes(second.identifier.utf8)
  }
}
