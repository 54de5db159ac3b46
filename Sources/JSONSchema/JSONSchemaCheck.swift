import CanonicalJSON
import Catalog

/// Checks a JSON value against a JSON Schema (draft 2020-12), for the keywords
/// that can be checked in time linear in both:
///
/// `type`, `enum`, `const`, `properties`, `patternProperties`, `required`, `additionalProperties`, `propertyNames`,
/// `minProperties`, `maxProperties`, `dependentRequired`, `dependentSchemas`, `prefixItems`, `items`, `contains`,
/// `minContains`, `maxContains`, `minItems`, `maxItems`, `uniqueItems`, `minimum`, `maximum`, `exclusiveMinimum`,
/// `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength`, `pattern` (a ``TextPattern``), `anyOf`, `allOf`,
/// `oneOf`, `not`, `if`, `then`, `else`, `$ref` to `#/$defs/NAME` or `#/definitions/NAME`, and `$defs` and
/// `definitions` at the top. `title`, `description`, `default`, `format` (an annotation, as the draft has it),
/// `examples`, `deprecated`, `readOnly`, `writeOnly`, `$schema`, `$id` and `$comment` say something and check nothing.
/// Every other keyword is
/// refused by ``schemaProblems(_:path:)``.
///
/// Only schemas that ``schemaProblems(_:path:)`` finds nothing wrong with may be used.
package struct JSONSchemaCheck {
  /// How many steps one command may take: `allOf` and `$ref` together could ask for more than anyone can wait for. A
  /// step is a visit of a value by a schema, or what comparing or counting ``bytesPerStep`` bytes costs.
  static let stepLimit = 200_000
  /// How many bytes are compared or counted in the time of one visit.
  static let bytesPerStep = 64
  /// How many problems are listed; a value that has more is refused all the same.
  static let problemLimit = 100
  /// How many misspelled names are answered with the one that was meant.
  static let hintLimit = 10
  /// How many bytes of a schema's value a problem quotes.
  static let quoteLimit = 200
  /// How deep values and references may go together.
  static let depthLimit = 256

  private(set) var stepsLeft = JSONSchemaCheck.stepLimit
  private var isExhausted = false
  private var hintsLeft = JSONSchemaCheck.hintLimit

  /// A check with all its steps left.
  package init() {}

  /// What is wrong with a value; nothing where it satisfies the schema.
  package mutating func problems(of value: JSON, schema: JSON, path: String) -> [ValueProblem] {
    var problems: [ValueProblem] = []
    check(value, schema, Place(root: schema, path: path, depth: 0), &problems)
    if isExhausted { return [ValueProblem(path: path, problem: "takes too many steps to check against its schema")] }
    return problems
  }

  /// Where a value stands.
  private struct Place {
    let root: JSON
    let path: String
    let depth: Int

    func member(_ name: String) -> Place {
      Place(root: root, path: "\(path)/\(JSONPointer.escape(name))", depth: depth + 1)
    }

    /// The same value, looked at by another schema.
    var again: Place { Place(root: root, path: path, depth: depth + 1) }
  }

  /// Takes steps off what is left; false where there are no more.
  @discardableResult
  private mutating func spend(_ steps: Int) -> Bool {
    stepsLeft -= steps
    if stepsLeft <= 0 { isExhausted = true }
    return !isExhausted
  }

  /// Takes off what looking at the whole of a value costs; false where there are no
  /// more steps, perhaps before it was all counted.
  private mutating func spend(on value: JSON) -> Bool {
    switch value {
    case .string(let text): return spend(1 + text.utf8.count / JSONSchemaCheck.bytesPerStep)
    case .bigInteger(let text): return spend(1 + text.utf8.count / JSONSchemaCheck.bytesPerStep)
    case .array(let elements):
      guard spend(1) else { return false }
      for element in elements where !spend(on: element) { return false }
      return true
    case .object(let object):
      guard spend(1) else { return false }
      for (name, member) in object {
        guard spend(name.utf8.count / JSONSchemaCheck.bytesPerStep), spend(on: member) else { return false }
      }
      return true
    case .null, .bool, .integer, .number: return spend(1)
    }
  }

  /// A value of the schema as a problem quotes it.
  static func quoted(_ value: JSON) -> String {
    let text = value.canonicalString
    guard text.utf8.count > quoteLimit else { return text }
    return String(decoding: text.utf8.prefix(quoteLimit), as: UTF8.self) + "…"
  }

  private mutating func isValid(_ value: JSON, _ schema: JSON, _ place: Place) -> Bool {
    var problems: [ValueProblem] = []
    check(value, schema, place, &problems)
    return problems.isEmpty
  }

  private mutating func check(_ value: JSON, _ schema: JSON, _ place: Place, _ problems: inout [ValueProblem]) {
    guard spend(1), problems.count < JSONSchemaCheck.problemLimit else { return }
    guard place.depth <= JSONSchemaCheck.depthLimit else {
      isExhausted = true
      return
    }
    if let all = schema.boolValue {
      if !all { problems.append(ValueProblem(path: place.path, problem: "is not allowed here")) }
      return
    }
    guard let keywords = schema.objectValue else { return }
    for (keyword, operand) in keywords {
      switch keyword {
      case "$ref":
        if let (container, name) = JSONSchemaCheck.definition(operand), let target = place.root[container]?[name] {
          check(value, target, place.again, &problems)
        }
      case "type", "enum", "const": checkKind(value, keyword, operand, place, &problems)
      case "allOf", "anyOf", "oneOf", "not": checkCombination(value, keyword, operand, place, &problems)
      case "if":
        let holds = isValid(value, operand, place.again)
        if let schema = keywords[holds ? "then" : "else"] { check(value, schema, place.again, &problems) }
      case "then", "else", "minContains", "maxContains": break
      case "pattern":
        if let text = value.stringValue, let pattern = operand.stringValue, !matches(text, pattern) {
          problems.append(
            ValueProblem(path: place.path, problem: "must match the pattern \(JSONSchemaCheck.quoted(operand))"))
        }
      case "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
        "maxProperties", "dependentRequired", "dependentSchemas":
        if let object = value.objectValue { checkMembers(object, keyword, keywords, place, &problems) }
      case "items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems":
        if let elements = value.arrayValue { checkElements(elements, keyword, keywords, place, &problems) }
      default:
        // The length of a text is counted in characters, from its beginning.
        if let text = value.stringValue, !spend(text.utf8.count / JSONSchemaCheck.bytesPerStep) { return }
        if let problem = JSONSchemaLimits.problem(of: value, keyword, operand) {
          problems.append(ValueProblem(path: place.path, problem: problem))
        }
      }
      if isExhausted { return }
    }
  }

  private mutating func checkKind(
    _ value: JSON, _ keyword: String, _ operand: JSON, _ place: Place, _ problems: inout [ValueProblem]
  ) {
    switch keyword {
    case "type":
      let names = operand.stringValue.map { [$0] } ?? (operand.arrayValue ?? []).compactMap(\.stringValue)
      if !names.contains(where: { JSONSchemaCheck.isOfType(value, $0) }) {
        problems.append(ValueProblem(path: place.path, problem: "must be of type \(names.joined(separator: " or "))"))
      }
    case "enum":
      let choices = operand.arrayValue ?? []
      // Comparing reads as much of both as they have in common: at most the value, for each choice.
      let before = stepsLeft
      guard spend(on: value), spend(choices.count * (1 + before - stepsLeft)) else { return }
      if !choices.contains(value) {
        let shown = choices.count <= 20 ? ": " + choices.map(JSONSchemaCheck.quoted).joined(separator: ", ") : ""
        problems.append(ValueProblem(path: place.path, problem: "must be one of \(choices.count) values\(shown)"))
      }
    default:
      guard spend(on: value) else { return }
      if value != operand {
        problems.append(ValueProblem(path: place.path, problem: "must be the value that the schema names"))
      }
    }
  }

  private mutating func checkCombination(
    _ value: JSON, _ keyword: String, _ operand: JSON, _ place: Place, _ problems: inout [ValueProblem]
  ) {
    let schemas = operand.arrayValue ?? [operand]
    switch keyword {
    case "allOf":
      for schema in schemas { check(value, schema, place.again, &problems) }
    case "not":
      if isValid(value, operand, place.again) {
        problems.append(ValueProblem(path: place.path, problem: "must not be what the schema excludes (not)"))
      }
    default:
      var matching = 0
      for schema in schemas {
        if isValid(value, schema, place.again) { matching += 1 }
        if isExhausted || (keyword == "anyOf" && matching > 0) { return }
      }
      if matching == 0 {
        problems.append(
          ValueProblem(path: place.path, problem: "is none of the \(schemas.count) things that it may be (\(keyword))"))
      } else if matching > 1 {
        problems.append(
          ValueProblem(path: place.path, problem: "is \(matching) of the things of which it must be one (oneOf)"))
      }
    }
  }

  /// Whether a pattern is found in a text; what it costs is taken off.
  private mutating func matches(_ text: String, _ source: String) -> Bool {
    guard spend(1 + source.utf8.count), let pattern = try? TextPattern(source) else { return false }
    var left = stepsLeft
    let isFound = pattern.matches(text) { steps in
      left -= steps
      return left > 0
    }
    spend(stepsLeft - left)
    return isFound
  }

  private mutating func checkMembers(
    _ object: JSONObject, _ keyword: String, _ keywords: JSONObject, _ place: Place, _ problems: inout [ValueProblem]
  ) {
    let properties = keywords["properties"]?.objectValue ?? [:]
    switch keyword {
    case "properties":
      for (name, schema) in properties {
        guard spend(1 + name.utf8.count / JSONSchemaCheck.bytesPerStep) else { return }
        if let member = object[name] { check(member, schema, place.member(name), &problems) }
      }
    case "required":
      let names = keywords["required"]?.arrayValue ?? []
      guard spend(names.count) else { return }
      for case let name? in names.map(\.stringValue) where !object.contains(name) {
        problems.append(ValueProblem(path: place.member(name).path, problem: "is required"))
      }
    case "patternProperties":
      for (pattern, schema) in keywords["patternProperties"]?.objectValue ?? [:] {
        for (name, member) in object where !isExhausted && matches(name, pattern) {
          check(member, schema, place.member(name), &problems)
        }
      }
    case "propertyNames":
      guard let schema = keywords["propertyNames"] else { return }
      for (name, _) in object where !isExhausted { check(.string(name), schema, place.member(name), &problems) }
    case "minProperties":
      if let limit = keywords["minProperties"]?.integerValue, object.count < limit {
        problems.append(ValueProblem(path: place.path, problem: "must have at least \(limit) members"))
      }
    case "maxProperties":
      if let limit = keywords["maxProperties"]?.integerValue, object.count > limit {
        problems.append(ValueProblem(path: place.path, problem: "must have at most \(limit) members"))
      }
    case "dependentRequired":
      for (name, wanted) in keywords["dependentRequired"]?.objectValue ?? [:] where object.contains(name) {
        let names = wanted.arrayValue ?? []
        guard spend(1 + names.count) else { return }
        for case let needed? in names.map(\.stringValue) where !object.contains(needed) {
          problems.append(ValueProblem(path: place.member(needed).path, problem: "is required with \(name)"))
        }
      }
    case "dependentSchemas":
      for (name, schema) in keywords["dependentSchemas"]?.objectValue ?? [:] where object.contains(name) {
        check(.object(object), schema, place.again, &problems)
      }
    default:
      guard let schema = keywords["additionalProperties"] else { return }
      let patterns = keywords["patternProperties"]?.objectValue ?? [:]
      for (name, member) in object where !properties.contains(name) {
        if patterns.contains(where: { matches(name, $0.key) }) { continue }
        if isExhausted { return }
        if schema == false {
          guard spend(1), problems.count < JSONSchemaCheck.problemLimit else { return }
          let hint = hint(for: name, in: properties)
          problems.append(
            ValueProblem(path: place.member(name).path, problem: "is no member that the schema knows\(hint)"))
        } else {
          check(member, schema, place.member(name), &problems)
        }
      }
    }
  }

  /// Which of a schema's names a member's was probably meant to be: said of the
  /// first few, where there are not too many to compare.
  private mutating func hint(for name: String, in properties: JSONObject) -> String {
    guard hintsLeft > 0, properties.count <= 50 else { return "" }
    hintsLeft -= 1
    return Suggestion.nearest(to: name, in: properties.keys).map { "; did you mean \($0)?" } ?? ""
  }

  private mutating func checkElements(
    _ elements: [JSON], _ keyword: String, _ keywords: JSONObject, _ place: Place, _ problems: inout [ValueProblem]
  ) {
    guard let operand = keywords[keyword] else { return }
    switch keyword {
    case "prefixItems":
      for (index, (element, schema)) in zip(elements, operand.arrayValue ?? []).enumerated() where !isExhausted {
        check(element, schema, place.member(String(index)), &problems)
      }
    case "items":
      let first = keywords["prefixItems"]?.arrayValue?.count ?? 0
      for (index, element) in elements.enumerated().dropFirst(first) where !isExhausted {
        check(element, operand, place.member(String(index)), &problems)
      }
    case "contains":
      let count = Int64(elements.filter { !isExhausted && isValid($0, operand, place.again) }.count)
      let least = keywords["minContains"]?.integerValue ?? 1
      if count < least {
        problems.append(
          ValueProblem(path: place.path, problem: "must have at least \(least) of the elements that it must contain"))
      }
      if let most = keywords["maxContains"]?.integerValue, count > most {
        problems.append(
          ValueProblem(path: place.path, problem: "must have at most \(most) of the elements that it may contain"))
      }
    case "minItems":
      if let limit = operand.integerValue, elements.count < limit {
        problems.append(ValueProblem(path: place.path, problem: "must have at least \(limit) elements"))
      }
    case "maxItems":
      if let limit = operand.integerValue, elements.count > limit {
        problems.append(ValueProblem(path: place.path, problem: "must have at most \(limit) elements"))
      }
    default:
      for element in elements where !spend(on: element) { return }
      if operand == true, Set(elements).count < elements.count {
        problems.append(ValueProblem(path: place.path, problem: "must not have the same element twice"))
      }
    }
  }

  private static func isOfType(_ value: JSON, _ name: String) -> Bool {
    switch (name, value) {
    case ("null", .null), ("boolean", .bool), ("object", .object), ("array", .array), ("string", .string): true
    case ("number", .integer), ("number", .number), ("number", .bigInteger): true
    case ("integer", .integer), ("integer", .bigInteger): true
    case ("integer", .number(let number)): number.rounded() == number
    default: false
    }
  }

  /// Where the schemas stand that others refer to: `definitions` is what earlier drafts call `$defs`.
  static let containers = ["$defs", "definitions"]

  /// The container and name that a `$ref` leads to; nil where it leads elsewhere.
  static func definition(_ reference: JSON) -> (container: String, name: String)? {
    guard let text = reference.stringValue, text.hasPrefix("#"),
      let tokens = JSONPointer(String(text.dropFirst()))?.tokens, tokens.count == 2, containers.contains(tokens[0])
    else { return nil }
    return (tokens[0], tokens[1])
  }
}

/// The limits of numbers and texts.
private enum JSONSchemaLimits {
  static func problem(of value: JSON, _ keyword: String, _ limit: JSON) -> String? {
    let shown = JSONSchemaCheck.quoted(limit)
    switch (keyword, value) {
    case ("minLength", .string(let text)):
      return text.unicodeScalars.count < limit.integerValue ?? 0 ? "must have at least \(shown) characters" : nil
    case ("maxLength", .string(let text)):
      return text.unicodeScalars.count > limit.integerValue ?? .max ? "must have at most \(shown) characters" : nil
    case ("minimum", .integer), ("minimum", .number), ("minimum", .bigInteger):
      return isLess(value, limit) ? "must be at least \(shown)" : nil
    case ("maximum", .integer), ("maximum", .number), ("maximum", .bigInteger):
      return isLess(limit, value) ? "must be at most \(shown)" : nil
    case ("exclusiveMinimum", .integer), ("exclusiveMinimum", .number), ("exclusiveMinimum", .bigInteger):
      return isLess(limit, value) ? nil : "must be more than \(shown)"
    case ("exclusiveMaximum", .integer), ("exclusiveMaximum", .number), ("exclusiveMaximum", .bigInteger):
      return isLess(value, limit) ? nil : "must be less than \(shown)"
    case ("multipleOf", .integer), ("multipleOf", .number), ("multipleOf", .bigInteger):
      return isMultiple(value, of: limit) ? nil : "must be a multiple of \(shown)"
    default: return nil
    }
  }

  private static func isLess(_ left: JSON, _ right: JSON) -> Bool {
    if let left = left.integerValue, let right = right.integerValue { return left < right }
    guard let left = left.doubleValue, let right = right.doubleValue else { return false }
    return left < right
  }

  /// Whether a number is a whole multiple of another, which is more than 0; of what
  /// isn't whole, as near as doubles come.
  private static func isMultiple(_ value: JSON, of factor: JSON) -> Bool {
    if let value = value.integerValue, let factor = factor.integerValue, factor > 0 { return value % factor == 0 }
    guard let value = value.doubleValue, let factor = factor.doubleValue else { return false }
    let quotient = value / factor
    return quotient.isFinite && (quotient - quotient.rounded()).magnitude <= 1e-9 * max(1, quotient.magnitude)
  }
}
