import BasicTypes
import CanonicalJSON
import Refusals

/// The parameters of one query as they are read: each fault is kept, and all are told at once.
struct QueryParameters {
  private let given: JSONObject
  private var known: Set<String> = []
  private var problems: [(path: String, problem: String)] = []

  init(_ given: JSONObject) {
    self.given = given
  }

  /// Keeps a fault of one parameter, or of a place inside it.
  mutating func refuse(_ path: String, _ problem: String) {
    problems.append((path, problem))
  }

  /// The parameter as it is; nil where it is absent or null.
  mutating func value(_ name: String) -> JSON? {
    known.insert(name)
    guard let value = given[name], !value.isNull else { return nil }
    return value
  }

  mutating func string(_ name: String) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = value.stringValue else {
      refuse("/\(name)", "must be a string")
      return nil
    }
    guard !text.utf8.contains(0) else {
      refuse("/\(name)", "must not contain U+0000")
      return nil
    }
    return text
  }

  mutating func boolean(_ name: String) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let flag = value.boolValue else {
      refuse("/\(name)", "must be true or false")
      return nil
    }
    return flag
  }

  mutating func identifier(_ name: String) -> Identifier? {
    guard let value = value(name) else { return nil }
    guard let identifier = value.stringValue.flatMap({ Identifier($0) }) else {
      refuse("/\(name)", "must be a UUID")
      return nil
    }
    return identifier
  }

  mutating func requiredIdentifier(_ name: String) -> Identifier {
    let identifier = identifier(name)
    if given[name] == nil || given[name]?.isNull == true { refuse("/\(name)", "is required") }
    // A fault is kept in either case, so that `finish` throws and this value is never used.
    return identifier ?? Identifier(high: 0, low: 0)
  }

  mutating func integer(_ name: String, in range: ClosedRange<Int64>) -> Int64? {
    guard let value = value(name) else { return nil }
    guard let integer = value.integerValue, range.contains(integer) else {
      refuse(
        "/\(name)",
        range.upperBound == .max
          ? "must be an integer of at least \(range.lowerBound)"
          : "must be an integer from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return integer
  }

  mutating func time(_ name: String) -> Timestamp? {
    guard let text = string(name) else { return nil }
    guard let time = Timestamp(text) else {
      refuse("/\(name)", "must be an RFC 3339 time with a zone")
      return nil
    }
    return time
  }

  mutating func choice(_ name: String, of choices: [String]) -> String? {
    guard let text = string(name) else { return nil }
    guard choices.contains(text) else {
      refuse("/\(name)", "must be one of \(choices.joined(separator: ", "))")
      return nil
    }
    return text
  }

  mutating func strings(_ name: String) -> [String]? {
    guard let value = value(name) else { return nil }
    guard let elements = value.arrayValue else {
      refuse("/\(name)", "must be an array of strings")
      return nil
    }
    let texts = elements.compactMap(\.stringValue)
    if texts.count != elements.count { refuse("/\(name)", "must be an array of strings") }
    return texts
  }

  mutating func asOf(_ name: String = "as_of") -> AsOf? {
    guard let value = value(name) else { return nil }
    if let position = value.integerValue, position >= 1 { return .position(UInt64(position)) }
    if let time = value.stringValue.flatMap({ Timestamp($0) }) { return .time(time) }
    refuse("/\(name)", "must be a position (an integer of at least 1) or an RFC 3339 time with a zone")
    return nil
  }

  /// A page's size: 50 where none is given.
  mutating func limit(default standard: Int = 50, maximum: Int = 1000) -> Int {
    integer("limit", in: 1...Int64(maximum)).map(Int.init) ?? standard
  }

  /// Whether nothing was found wrong so far.
  var isSound: Bool { problems.isEmpty }

  /// - Throws: ``Refusal`` `invalid_params` with every fault, parameters that nobody asked for included.
  mutating func finish() throws {
    for key in given.keys where !known.contains(key) {
      problems.append(("/\(JSONPointer.escape(key))", "is not a parameter of this method"))
    }
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
  }
}

/// The moment that a question is about.
enum AsOf: Sendable, Equatable {
  /// After the event at this position.
  case position(UInt64)
  /// After the last event that was written at or before this time.
  case time(Timestamp)
}
