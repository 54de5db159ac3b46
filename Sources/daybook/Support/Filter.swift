import CanonicalJSON
import Catalog
import DaybookClient

/// Conditions of a list as people write them: `status=failed`, `rows_processed>=1000`, `name~ship`.
struct Filter {
  private let type: String
  private let types: ServerTypes
  private let client: DaybookClient
  private var conditions: [(field: String, operation: String, value: JSON)] = []

  /// What is understood, for helps and refusals.
  static let understood = """
    field=value, field!=value, field>value, field>=value, field<value, field<=value, field~text (contains), \
    field^text (begins with); field= finds what has none
    """

  /// Operators as they are written, the longest first.
  private static let operators = [
    ("!=", "ne"), (">=", "gte"), ("<=", "lte"), ("=", "eq"), (">", "gt"), ("<", "lt"), ("~", "contains"),
    ("^", "prefix"),
  ]

  init(_ type: String, _ types: ServerTypes, _ client: DaybookClient) {
    self.type = type
    self.types = types
    self.client = client
  }

  /// Takes in a condition.
  /// - Throws: ``Failure`` that says what is understood, or which fields there are.
  mutating func add(_ text: String) async throws {
    guard let start = text.firstIndex(where: { "=!<>~^".contains($0) }),
      let (sign, operation) = Self.operators.first(where: { text[start...].hasPrefix($0.0) }), start > text.startIndex
    else {
      throw Failure(.usage, "“\(Terminal.plain(text))” is no condition.", next: "Write \(Self.understood).")
    }
    let name = try field(String(text[..<start]).trimmed)
    let word = String(text[start...].dropFirst(sign.count)).trimmed
    guard !word.isEmpty else {
      conditions.append((name, "is_null", .bool(operation != "ne")))
      return
    }
    conditions.append((name, operation, try await value(word, of: name, operation)))
  }

  /// The field of this name; `pipeline` stands for `pipeline_id`.
  private func field(_ word: String) throws -> String {
    for name in [word, "\(word)_id"] where types.field(name, of: type) != nil { return name }
    let fields = types.fields(of: type)
    let near = Suggestion.nearest(to: word, in: fields, atMost: 3)
    throw Failure(
      .usage, "A \(type) has no field “\(Terminal.plain(word))”.",
      next: near.isEmpty
        ? "Its fields are \(fields.joined(separator: ", "))." : "Did you mean \(near.joined(separator: " or "))?")
  }

  private func value(_ word: String, of field: String, _ operation: String) async throws -> JSON {
    guard let schema = types.field(field, of: type), operation != "contains", operation != "prefix" else {
      return .string(word)
    }
    if schema.isSchema("string", format: "date-time") {
      // A day's end is meant where what comes after it is looked for, or up to it.
      return try Moment.parameter(word, operation == "gt" || operation == "lte" ? .until : .since)
    }
    if schema.isSchema("string", format: "uuid") {
      if Lookup.isIdentifier(word) { return .string(word.lowercased()) }
      guard let referred = field == "id" ? type : types.reference(field) else { return .string(word) }
      return .string(try await Lookup.resource(word, type: referred, client))
    }
    if schema.isSchema("string") { return .string(word) }
    if schema.isSchema("boolean") {
      switch word.lowercased() {
      case "yes", "true": return true
      case "no", "false": return false
      default: throw Failure(.usage, "\(field) is yes or no, not “\(Terminal.plain(word))”.")
      }
    }
    guard let parsed = try? JSON.parse(Array(word.utf8)) else {
      if schema.isSchema("integer") || schema.isSchema("number") {
        throw Failure(.usage, "\(field) is a number, not “\(Terminal.plain(word))”.")
      }
      return .string(word)
    }
    return parsed
  }

  /// The `where` of a list: all conditions must hold; a field that is to equal several values may have any of them.
  var parameter: JSONObject {
    var fields = JSONObject()
    for (field, operation, value) in conditions {
      var operations = fields[field]?.objectValue ?? [:]
      if operation == "eq", let others = operations["in"]?.arrayValue {
        operations["in"] = .array(others + [value])
      } else if operation == "eq" {
        operations["in"] = [value]
      } else {
        operations[operation] = value
      }
      fields[field] = .object(operations)
    }
    return fields
  }
}
