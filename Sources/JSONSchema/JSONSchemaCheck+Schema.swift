import BasicTypes
import CanonicalJSON
import Catalog

extension JSONSchemaCheck {
  /// What is wrong with a schema: keywords that aren't supported, operands of the
  /// wrong kind, references that lead nowhere or in a circle.
  package static func schemaProblems(_ schema: JSON, path: String) -> [ValueProblem] {
    var definitions = JSONObject()
    for container in containers {
      for (name, definition) in schema[container]?.objectValue ?? [:] {
        definitions.append(key: "\(container)/\(name)", value: definition)
      }
    }
    var reader = SchemaReader(definitions: definitions)
    reader.read(schema, path: path, isTop: true)
    if reader.problems.isEmpty, reader.hasCircle {
      reader.refuse("\(path)/$defs", "refer to each other in a circle that no value ends")
    }
    return reader.problems
  }
}

private struct SchemaReader {
  let definitions: JSONObject
  var problems: [ValueProblem] = []

  init(definitions: JSONObject) { self.definitions = definitions }

  mutating func refuse(_ path: String, _ problem: String) {
    guard problems.count < JSONSchemaCheck.problemLimit else { return }
    problems.append(ValueProblem(path: path, problem: problem))
  }

  mutating func read(_ schema: JSON, path: String, isTop: Bool = false) {
    if schema.boolValue != nil { return }
    guard let keywords = schema.objectValue else { return refuse(path, "must be a schema: an object, true or false") }
    for (keyword, operand) in keywords {
      let place = "\(path)/\(JSONPointer.escape(keyword))"
      switch keyword {
      case "properties", "dependentSchemas": readSchemas(operand, place)
      case "patternProperties":
        readSchemas(operand, place)
        for (pattern, _) in operand.objectValue ?? [:] {
          readPattern(pattern, "\(place)/\(JSONPointer.escape(pattern))")
        }
      case "pattern":
        guard let pattern = operand.stringValue else {
          refuse(place, "must be a string")
          continue
        }
        readPattern(pattern, place)
      case "$defs", "definitions":
        if isTop { readSchemas(operand, place) } else { refuse(place, "belongs to the top of the schema") }
      case "items" where operand.arrayValue != nil:
        refuse(place, "must be a schema; one for each of the first elements is prefixItems")
      case "additionalProperties", "items", "not", "propertyNames", "contains", "if", "then", "else":
        read(operand, path: place)
      case "dependentRequired":
        let isRight = operand.objectValue?.allSatisfy {
          $0.value.arrayValue?.allSatisfy { $0.stringValue != nil } ?? false
        }
        if isRight != true { refuse(place, "must be an object of arrays of names") }
      case "anyOf", "allOf", "oneOf", "prefixItems":
        guard let schemas = operand.arrayValue, !schemas.isEmpty else {
          refuse(place, "must be an array of schemas")
          continue
        }
        for (index, schema) in schemas.enumerated() { read(schema, path: "\(place)/\(index)") }
      case "$ref":
        guard let target = JSONSchemaCheck.definition(operand),
          definitions.contains("\(target.container)/\(target.name)")
        else {
          refuse(place, "must lead to a schema in this one's own $defs, such as #/$defs/name")
          continue
        }
      default:
        if let problem = SchemaReader.problem(of: keyword, operand) { refuse(place, problem) }
      }
    }
  }

  private mutating func readSchemas(_ operand: JSON, _ place: String) {
    guard let schemas = operand.objectValue else { return refuse(place, "must be an object of schemas") }
    for (name, schema) in schemas { read(schema, path: "\(place)/\(JSONPointer.escape(name))") }
  }

  private mutating func readPattern(_ source: String, _ place: String) {
    do { _ = try TextPattern(source) } catch { refuse(place, error.message) }
  }

  private static let types = ["null", "boolean", "object", "array", "number", "string", "integer"]

  /// What is wrong with a keyword whose operand is no schema.
  private static func problem(of keyword: String, _ operand: JSON) -> String? {
    switch keyword {
    case "type":
      let names = operand.arrayValue ?? [operand]
      let isKnown = names.allSatisfy { $0.stringValue.map(types.contains) ?? false }
      return isKnown && !names.isEmpty ? nil : "must be, or list, some of \(types.joined(separator: ", "))"
    case "enum": return operand.arrayValue?.isEmpty == false ? nil : "must be an array of values"
    case "const", "default": return nil
    case "required":
      return operand.arrayValue?.allSatisfy { $0.stringValue != nil } == true ? nil : "must be an array of names"
    case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minContains",
      "maxContains":
      return operand.integerValue.map { $0 >= 0 } == true ? nil : "must be an integer, 0 or more"
    case "uniqueItems", "deprecated", "readOnly", "writeOnly":
      return operand.boolValue != nil ? nil : "must be true or false"
    case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
      return operand.doubleValue != nil ? nil : "must be a number"
    case "multipleOf":
      return operand.doubleValue.map { $0 > 0 } == true ? nil : "must be a number, more than 0"
    case "title", "description", "format", "$schema", "$id", "$comment":
      return operand.stringValue != nil ? nil : "must be a string"
    case "examples": return operand.arrayValue != nil ? nil : "must be an array"
    default:
      let hint = Suggestion.nearest(to: keyword, in: supported).map { "; did you mean \($0)?" } ?? ""
      return "is not a keyword that is supported here\(hint)"
    }
  }

  private static let supported = [
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "pattern", "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired",
    "dependentSchemas", "prefixItems", "contains", "minContains", "maxContains", "if", "then", "else", "definitions",
    "anyOf", "allOf", "oneOf", "not", "title", "description", "default", "format", "examples",
  ]

  /// Whether definitions lead to each other without going into the value: that would never end.
  var hasCircle: Bool {
    // Keyed by JSON texts, which are told apart by their bytes: to a dictionary of strings, two names of an object that
    // differ in normalization alone are one key.
    var places: [JSON: Int] = [:]
    for (index, name) in definitions.keys.enumerated() { places[.string(name)] = index }
    var edges: [(from: Int, to: Int)] = []
    for (name, schema) in definitions {
      guard let from = places[.string(name)] else { continue }
      for target in SchemaReader.references(in: schema) {
        if let to = places[.string(target)] { edges.append((from, to)) }
      }
    }
    return DirectedGraph.hasCycle(vertices: places.count, edges: edges)
  }

  /// The definitions by which a schema looks at the same value.
  private static func references(in schema: JSON) -> [String] {
    guard let keywords = schema.objectValue else { return [] }
    return keywords.flatMap { keyword, operand -> [String] in
      switch keyword {
      case "$ref": JSONSchemaCheck.definition(operand).map { ["\($0.container)/\($0.name)"] } ?? []
      case "not", "if", "then", "else": references(in: operand)
      case "dependentSchemas": (operand.objectValue ?? [:]).flatMap { references(in: $0.value) }
      case "anyOf", "allOf", "oneOf": (operand.arrayValue ?? []).flatMap { references(in: $0) }
      default: []
      }
    }
  }
}
