import BasicTypes
import CanonicalJSON
import Refusals

/// The params of one call as its method's fields read them: in their normal form, with defaults, and with every fault
/// that was found.
///
/// A method may add faults of its own, about parameters that don't fit together, before ``check()`` throws them all at
/// once. What an accessor returns for a faulty parameter is nil, and ``check()`` then throws.
package struct Arguments: Sendable {
  private let list: ParameterList
  private var values = JSONObject()
  private var problems: [ValueProblem] = []

  /// Reads params by a method's parameters.
  package init(_ params: JSONObject, of list: ParameterList) {
    self.list = list
    var read = JSONObject(minimumCapacity: params.count)
    list.read(params, problems: &problems) { index, value, _ in
      read.append(key: list.all[index].field.name, value: value)
    }
    values = read
  }

  /// Adds a fault, under a JSON Pointer into the params.
  package mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  /// Whether nothing was found wrong so far.
  package var isSound: Bool { problems.isEmpty }

  /// - Throws: ``Refusal`` `invalid_params` with every fault.
  package func check() throws(Refusal) {
    guard problems.isEmpty else { throw .invalidParams(problems) }
  }

  /// The value; nil where the parameter is absent or null and has no default.
  package subscript(name: String) -> JSON? {
    assert(list.index(of: name) != nil, "\(list.method) reads \(name), which it does not declare")
    return values[name]
  }

  /// Text of any kind: strings, words of an enum, addresses.
  package func text(_ name: String) -> String? { self[name]?.stringValue }

  /// A boolean; false where it is absent.
  package func isTrue(_ name: String) -> Bool { self[name]?.boolValue ?? false }

  /// A whole number.
  package func integer(_ name: String) -> Int64? { self[name]?.integerValue }

  /// A position or a size of the log.
  package func position(_ name: String) -> UInt64? { integer(name).flatMap { UInt64(exactly: $0) } }

  /// An id.
  package func identifier(_ name: String) -> Identifier? { text(name).flatMap { Identifier($0) } }

  /// A time.
  package func time(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp($0) } }

  /// The strings of an array.
  package func texts(_ name: String) -> [String]? { self[name]?.arrayValue?.compactMap(\.stringValue) }

  /// The id that a call must name.
  /// - Throws: ``Refusal`` `invalid_params` with every fault, where it is missing or anything else is wrong.
  package func required(_ name: String) throws(Refusal) -> Identifier {
    try check()
    guard let identifier = identifier(name) else { throw .invalidParam("/\(name)", "is required") }
    return identifier
  }

  /// A whole number that has a default, so that only a faulty one is missing; then 0, and ``check()`` throws.
  package func count(_ name: String) -> Int { integer(name).flatMap { Int(exactly: $0) } ?? 0 }
}
