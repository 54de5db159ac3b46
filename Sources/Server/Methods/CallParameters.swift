import BasicTypes
import CanonicalJSON
import Domain
import Refusals

/// The params of a call to the server itself as they are read: every fault is kept, and all are told at once.
struct CallParameters: Sendable {
  private let given: JSONObject
  private var known: Set<String> = []
  private var problems: [(path: String, problem: String)] = []

  init(_ given: JSONObject) {
    self.given = given
  }

  /// Keeps a fault.
  mutating func refuse(_ name: String, _ problem: String) {
    problems.append(("/\(name)", problem))
  }

  /// The value; nil where it is absent or null.
  mutating func value(_ name: String) -> JSON? {
    known.insert(name)
    guard let value = given[name], !value.isNull else { return nil }
    return value
  }

  mutating func string(_ name: String, maximumBytes: Int = 4096, isRequired: Bool = false) -> String? {
    guard let value = value(name) else {
      if isRequired { refuse(name, "is required") }
      return nil
    }
    guard let text = value.stringValue else {
      refuse(name, "must be a string")
      return nil
    }
    guard text.utf8.count <= maximumBytes, !text.utf8.contains(0) else {
      refuse(name, "must have at most \(maximumBytes) bytes, none of them zero")
      return nil
    }
    return text
  }

  mutating func integer(_ name: String, in range: ClosedRange<Int64>) -> Int64? {
    guard let value = value(name) else { return nil }
    guard let integer = value.integerValue, range.contains(integer) else {
      refuse(name, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return integer
  }

  mutating func boolean(_ name: String) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let flag = value.boolValue else {
      refuse(name, "must be true or false")
      return nil
    }
    return flag
  }

  mutating func identifier(_ name: String) -> Identifier? {
    guard let text = string(name) else { return nil }
    guard let identifier = Identifier(text) else {
      refuse(name, "must be a UUID")
      return nil
    }
    return identifier
  }

  mutating func strings(_ name: String) -> [String]? {
    guard let value = value(name) else { return nil }
    guard let elements = value.arrayValue else {
      refuse(name, "must be an array of strings")
      return nil
    }
    let texts = elements.compactMap(\.stringValue)
    if texts.count != elements.count { refuse(name, "must be an array of strings") }
    return texts
  }

  /// - Throws: ``Refusal`` `invalid_params` with every fault, parameters that nobody asked for included.
  mutating func finish() throws {
    for key in given.keys where !known.contains(key) {
      problems.append(("/\(JSONPointer.escape(key))", "is not a parameter of this method"))
    }
    try finishKnown()
  }

  /// - Throws: ``Refusal`` `invalid_params` with every fault of the parameters asked for.
  func finishKnown() throws {
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
  }
}
