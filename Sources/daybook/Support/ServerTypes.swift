import CanonicalJSON
import Catalog
import DaybookClient

/// What the server says of itself in `rpc.discover`: its resource types and methods.
struct ServerTypes {
  private let schemas: JSONObject
  private let methodList: [JSON]

  init(_ client: DaybookClient) async throws {
    let document = try await client.call("rpc.discover")
    schemas = document["components"]?["schemas"]?.objectValue ?? [:]
    methodList = document["methods"]?.arrayValue ?? []
  }

  /// What a type is: the first sentence that the catalog says of it.
  func summary(of type: String) -> String {
    let text = schemas[type]?["description"]?.stringValue ?? ""
    guard let end = text.firstRange(of: ". ") else { return text }
    return text[..<end.lowerBound] + "."
  }

  /// The names of the types.
  var names: [String] { schemas.keys }

  /// The type that is meant by a word, which the server is asked about only where the word has another form than types
  /// have: an unknown one shows at the first call.
  static func type(_ word: String, _ client: DaybookClient) async throws -> String {
    let isPlain = word.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "_")
    }
    return isPlain && !word.hasSuffix("s") ? word : try await ServerTypes(client).type(word)
  }

  /// The events that commands record.
  var events: [String] {
    methodList.compactMap { $0["x-event"]?.stringValue }
  }

  /// The names of the methods.
  var methods: [String] { methodList.texts("name") }

  /// A field's schema; nil where the type has no such field.
  func field(_ name: String, of type: String) -> JSON? { schemas[type]?["properties"]?[name] }

  /// The fields of a type.
  func fields(of type: String) -> [String] { schemas[type]?["properties"]?.objectValue?.keys ?? [] }

  /// The type that is meant by its name, in any case, or its plural.
  /// - Throws: ``Failure`` with those that may have been meant.
  func type(_ word: String) throws -> String {
    let wanted = word.lowercased().map { $0 == "-" || $0 == " " ? "_" : String($0) }.joined()
    let forms = [wanted] + Self.singulars(of: wanted)
    if let found = forms.first(where: { schemas.contains($0) }) { return found }
    let near = Suggestion.nearest(to: wanted, in: names, atMost: 3)
    throw Failure(
      .usage, "There is no resource type “\(Terminal.plain(word))”.",
      next: near.isEmpty
        ? "The types are \(names.joined(separator: ", "))." : "Did you mean \(near.joined(separator: " or "))?")
  }

  private static func singulars(of word: String) -> [String] {
    var forms: [String] = []
    if word.hasSuffix("ies") { forms.append(word.dropLast(3) + "y") }
    if word.hasSuffix("s") { forms.append(String(word.dropLast())) }
    if word.hasSuffix("es") { forms.append(String(word.dropLast(2))) }
    return forms
  }

  /// The type that an id field refers to: by its name, as the catalog names its references.
  func reference(_ field: String) -> String? {
    switch field {
    case "user_id", "owner_id", "created_by", "triggered_by", "acknowledged_by", "resolved_by", "invited_by": "user"
    case "parent_run_id": "run"
    case "rule_id": "alert_rule"
    case "output_file_id": "file"
    case _ where field.hasSuffix("_id") && schemas.contains(String(field.dropLast(3))): String(field.dropLast(3))
    default: nil
    }
  }

  /// A method's parameter schema; nil where it takes no such parameter.
  func parameter(_ name: String, of method: String) -> JSON? {
    let entry = methodList.first { $0["name"]?.stringValue == method }
    return entry?["params"]?.arrayValue?.first { $0["name"]?.stringValue == name }?["schema"]
  }
}

extension JSON {
  /// Whether a schema is of one kind of value, null besides.
  func isSchema(_ type: String, format: String? = nil) -> Bool {
    let types = self["type"]?.arrayValue?.compactMap(\.stringValue) ?? self["type"]?.stringValue.map { [$0] } ?? []
    return types.contains(type) && (format == nil || self["format"]?.stringValue == format)
  }
}
