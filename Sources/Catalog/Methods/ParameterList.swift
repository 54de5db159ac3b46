import CanonicalJSON
import Refusals

/// What a method takes, laid out for reading calls: the one place where given params are compared with declared fields,
/// for commands, queries and the server's own methods alike. `rpc.discover` describes the same fields, so what it says
/// of names, ranges and defaults is what is checked.
///
/// Made once for each method; reading builds nothing besides what it hands out.
package final class ParameterList: Sendable {
  /// One parameter; a class, so that a call's reading copies no field.
  package final class Parameter: Sendable {
    /// What it may be.
    package let field: Field
    /// What it is where nothing is given; nil for nothing.
    package let defaultValue: JSON?
    /// Whether a null is handed on, because it clears a field, instead of being the same as nothing.
    package let keepsNull: Bool
    /// Whether the value is handed on as it is, because its content is checked where it is taken apart.
    package let checksLater: Bool
    /// Where a fault of it is: the JSON Pointer into the params.
    package let path: String

    /// A parameter that is checked against its field.
    package init(_ field: Field, keepsNull: Bool = false, checksLater: Bool = false, fillsDefault: Bool = true) {
      self.field = field
      self.keepsNull = keepsNull
      self.checksLater = checksLater
      defaultValue = fillsDefault ? field.defaultValue : nil
      path = "/" + JSONPointer.escape(field.name)
    }
  }

  /// The method that takes them.
  package let method: String
  /// All parameters, in the order in which they are described.
  package let all: [Parameter]
  private let indexes: [String: Int]
  /// Names that callers may try, and why they are no parameters.
  private let refused: [String: String]

  /// The parameters of a method.
  /// - Parameter refused: Names that get an explanation of their own instead of being unknown.
  package init(method: String, _ parameters: [Parameter], refused: [String: String] = [:]) {
    self.method = method
    all = parameters
    indexes = Dictionary(
      parameters.enumerated().map { ($1.field.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.refused = refused
  }

  /// The place of the parameter of that name in ``all``.
  package func index(of name: String) -> Int? { indexes[name] }

  /// Takes given params apart: hands out each value in its normal form, by its parameter's place in ``all``, and the
  /// defaults of those not given; every fault is added to `problems`.
  package func read(
    _ given: JSONObject, problems: inout [ValueProblem], take: (_ index: Int, _ value: JSON, _ isDefault: Bool) -> Void
  ) {
    /// Whether each has been given something other than a null that counts as nothing; a faulty value too.
    var isGiven = [Bool](repeating: false, count: all.count)
    for (name, value) in given {
      guard let index = indexes[name] else {
        // What is refused anyway is told as far as anybody reads it, and costs no more than that.
        guard problems.count <= Refusal.problemLimit else { continue }
        let reason = reasonAgainst(name, hints: problems.count < Suggestion.mostHints)
        problems.append(ValueProblem(path: "/" + JSONPointer.escape(name), problem: reason))
        continue
      }
      let parameter = all[index]
      if parameter.checksLater, !value.isNull {
        isGiven[index] = true
        take(index, value, false)
        continue
      }
      let before = problems.count
      let checked = FieldCheck.check(value, field: parameter.field, path: parameter.path, problems: &problems)
      guard problems.count == before else {
        isGiven[index] = true
        continue
      }
      if checked.isNull, !parameter.keepsNull { continue }
      isGiven[index] = true
      take(index, checked, false)
    }
    for index in all.indices where !isGiven[index] {
      if let value = all[index].defaultValue {
        take(index, value, true)
      } else if all[index].field.isRequired {
        problems.append(ValueProblem(path: all[index].path, problem: "is required"))
      }
    }
  }

  private func reasonAgainst(_ name: String, hints: Bool) -> String {
    if let reason = refused[name] { return reason }
    guard hints else { return "is not a parameter of \(method)" }
    let hint = Suggestion.nearest(to: name, in: all.lazy.map(\.field.name)).map { "; did you mean \($0)?" } ?? ""
    return "is not a parameter of \(method)\(hint)"
  }
}
