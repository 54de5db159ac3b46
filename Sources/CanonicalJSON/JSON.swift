/// A JSON value (RFC 8259) in the form that its canonical text (RFC 8785) dictates.
///
/// Two values are equal exactly when their canonical bytes are equal: strings and keys are compared by their UTF-8
/// bytes, never by Unicode normalization, and `1`, `1.0` and `10e-1` are one value. The one departure from RFC 8785: an
/// integer literal beyond 2^53 is kept as written, digit by digit, where the RFC would round it to the nearest double.
///
/// Nesting as deep as the parser accepts by default (512) is safe to write, compare, hash and release on a 512 KiB
/// stack.
public enum JSON: Sendable {
  /// The literal `null`.
  case null
  /// The literals `true` and `false`.
  case bool(Bool)
  /// An integral number whose canonical text fits an `Int64`.
  case integer(Int64)
  /// Any other number. It must be finite: a value that isn't can't be written. The parser, the literals and
  /// ``init(finite:)`` use this case only where no integer case fits; one made by hand is equal to, and written as, the
  /// integer it stands for.
  case number(Double)
  /// An integer whose canonical text doesn't fit an `Int64`: an optional minus sign, then digits without a leading
  /// zero, written as they stand. Make one with ``init(integerText:)``, which checks that.
  case bigInteger(String)
  /// A string of Unicode scalars.
  case string(String)
  /// An ordered list of values.
  case array([JSON])
  /// Members sorted by key.
  case object(JSONObject)
}

extension JSON {
  /// The number `value` in its canonical case, or nil where it is infinite or not a number.
  ///
  /// An integral value below 1e21 becomes the integer that RFC 8785 §3.2.2.3 writes for it, which above 2^53 may differ
  /// from the double's exact value in the last digits: `1234567890123456768.0` is `1234567890123456800`.
  public init?(finite value: Double) {
    guard value.isFinite else { return nil }
    if value.magnitude <= 9_007_199_254_740_992 {
      let integer = Int64(value)
      self = Double(integer) == value ? .integer(integer) : .number(value)
    } else if value.magnitude < 1e21 {
      var text: [UInt8] = []
      JSONText.writeDouble(value, into: &text)
      let digits = String(decoding: text, as: UTF8.self)
      self = Int64(digits).map(JSON.integer) ?? .bigInteger(digits)
    } else {
      self = .number(value)
    }
  }

  /// The integer that `text` writes as a JSON integer literal, however long; nil where it isn't one (`01`, `+1`, `1.0`,
  /// spaces).
  public init?(integerText text: String) {
    let isLiteral = UTF8Bytes.withBytes(of: text) { bytes in
      let start = bytes.first == ASCII.minus ? 1 : 0
      guard start < bytes.count, bytes[start] != ASCII.zero || bytes.count == start + 1 else { return false }
      return bytes[start...].allSatisfy(ASCII.isDigit)
    }
    guard isLiteral else { return nil }
    self = Int64(text).map(JSON.integer) ?? .bigInteger(text)
  }

  /// The string, or nil for any other value.
  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The integer, or nil for any other value and for integers beyond `Int64`.
  public var integerValue: Int64? {
    switch self {
    case .integer(let value): value
    case .number, .bigInteger: if case .integer(let value) = canonicalNumber { value } else { nil }
    default: nil
    }
  }

  /// The number as the nearest double, integers included; nil for other values and for integers that no finite double
  /// is near.
  public var doubleValue: Double? {
    switch self {
    case .integer(let value): return Double(value)
    case .number(let value): return value
    case .bigInteger(let text):
      guard let value = Double(text), value.isFinite else { return nil }
      return value
    default: return nil
    }
  }

  /// The truth value, or nil for any other value.
  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The elements, or nil where this is no array.
  public var arrayValue: [JSON]? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The object, or nil for any other value.
  public var objectValue: JSONObject? {
    if case .object(let value) = self { value } else { nil }
  }

  /// Whether this is `null`. An absent member is nil, not null.
  public var isNull: Bool {
    if case .null = self { true } else { false }
  }

  /// The member of that key, or nil where there is none or where this is no object.
  public subscript(_ key: String) -> JSON? {
    if case .object(let object) = self { object[key] } else { nil }
  }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// `null`. Beware of `condition ? value : nil` where a `JSON?` is wanted: with a `JSON` on the other side that `nil`
  /// is `null`; write `.none`.
  public init(nilLiteral: ()) {
    self = .null
  }

  /// `true` or `false`.
  public init(booleanLiteral value: Bool) {
    self = .bool(value)
  }

  /// An integer.
  public init(integerLiteral value: Int64) {
    self = .integer(value)
  }

  /// A number in its canonical case: `1.0` is the integer 1. The literal must be finite.
  public init(floatLiteral value: Double) {
    guard let number = JSON(finite: value) else { preconditionFailure("JSON has no number that isn't finite") }
    self = number
  }

  /// A string.
  public init(stringLiteral value: String) {
    self = .string(value)
  }

  /// An array.
  public init(arrayLiteral elements: JSON...) {
    self = .array(elements)
  }

  /// An object; of two members with the same key the later one stays.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(JSONObject(members: elements))
  }
}
