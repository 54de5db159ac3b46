extension JSON: Hashable {
  /// Whether both have the same canonical bytes.
  public static func == (left: JSON, right: JSON) -> Bool {
    switch (left, right) {
    case (.string(let left), .string(let right)): return UTF8Bytes.areEqual(left, right)
    case (.integer(let left), .integer(let right)): return left == right
    case (.object(let left), .object(let right)): return left == right
    case (.array(let left), .array(let right)): return left == right
    case (.bool(let left), .bool(let right)): return left == right
    case (.null, .null): return true
    case (.bigInteger(let left), .bigInteger(let right)): return UTF8Bytes.areEqual(left, right)
    // The second half keeps equality reflexive for a value that can't be written anyway.
    case (.number(let left), .number(let right)): return left == right || (left.isNaN && right.isNaN)
    case (.integer, .number), (.integer, .bigInteger), (.number, .integer), (.number, .bigInteger),
      (.bigInteger, .integer), (.bigInteger, .number):
      return equalAcrossCases(left.canonicalNumber, right.canonicalNumber)
    default: return false
    }
  }

  private static func equalAcrossCases(_ left: JSON, _ right: JSON) -> Bool {
    switch (left, right) {
    case (.integer(let left), .integer(let right)): left == right
    case (.bigInteger(let left), .bigInteger(let right)): UTF8Bytes.areEqual(left, right)
    default: false
    }
  }

  /// Feeds what equality compares.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0 as UInt8)
    case .bool(let value): hasher.combine(value ? 1 as UInt8 : 2 as UInt8)
    case .integer, .number, .bigInteger: hashNumber(into: &hasher)
    case .string(let value):
      hasher.combine(6 as UInt8)
      UTF8Bytes.hash(value, into: &hasher)
    case .array(let elements):
      hasher.combine(7 as UInt8)
      hasher.combine(elements.count)
      for element in elements { element.hash(into: &hasher) }
    case .object(let object):
      hasher.combine(8 as UInt8)
      object.hash(into: &hasher)
    }
  }

  private func hashNumber(into hasher: inout Hasher) {
    switch canonicalNumber {
    case .integer(let value):
      hasher.combine(3 as UInt8)
      hasher.combine(value)
    case .bigInteger(let text):
      hasher.combine(4 as UInt8)
      UTF8Bytes.hash(text, into: &hasher)
    case .number(let value):
      hasher.combine(5 as UInt8)
      hasher.combine(value.isNaN ? Double.nan.bitPattern : value.bitPattern)
    case .null, .bool, .string, .array, .object:
      break
    }
  }

  /// A number in the case that the parser would have chosen for its text; anything else unchanged.
  var canonicalNumber: JSON {
    switch self {
    case .number(let value): JSON(finite: value) ?? self
    case .bigInteger(let text): Int64(text).map(JSON.integer) ?? self
    default: self
    }
  }
}
