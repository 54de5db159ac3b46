import BasicTypes
import CanonicalJSON
import Catalog

/// Pieces of the JSON Schemas of results.
enum Schemas {
  static let integer: JSON = ["type": "integer"]
  static let string: JSON = ["type": "string"]
  static let boolean: JSON = ["type": "boolean"]
  static let time: JSON = ["type": "string", "format": "date-time"]
  static let identifier: JSON = ["type": "string", "format": "uuid"]
  static let anyObject: JSON = ["type": "object"]
  static let optionalString: JSON = ["type": ["string", "null"]]
  static let optionalIdentifier: JSON = ["type": ["string", "null"], "format": "uuid"]

  /// An object that has all of these members.
  static func object(_ properties: JSONObject, besides optional: JSONObject = [:]) -> JSON {
    [
      "type": "object", "properties": .object(properties.merging(optional)),
      "required": .array(properties.keys.map(JSON.string)),
    ]
  }

  static func array(of items: JSON) -> JSON { ["type": "array", "items": items] }

  /// A page of items, and where the next one begins.
  static func page(of items: JSON = anyObject, besides: JSONObject = [:]) -> JSON {
    let page: JSONObject = ["items": array(of: items), "next_cursor": optionalString, "position": integer]
    return object(page.merging(besides))
  }

  /// A resource as `get` and `list` show it.
  static func item(_ type: ResourceType) -> JSON { ["$ref": .string("#/components/schemas/\(type.name)")] }

  /// A row of a read model that is shown by its columns.
  static func row(_ columns: [ListColumn]) -> JSON {
    object(JSONObject(members: columns.map { (key: $0.field.name, value: $0.field.nullableJSONSchema) }))
  }

  /// Who did something, when, and why.
  static let event: JSONObject = [
    "actor": string, "at": time, "event": string, "position": integer,
    "reason": JSONSchema.orUnreadable(optionalString),
    "version": integer,
  ]
}

extension Field {
  /// The id of the resource that a query is about.
  static func target(_ type: ResourceType) -> Field {
    .parameter("id", .uuid, "Which \(type.name).", isRequired: true)
  }

  /// How many items a page has at most.
  static func limit(_ standard: Int64 = 50, atMost maximum: Int64 = 1000) -> Field {
    .count("limit", "How many items at most.", in: 1...maximum, default: standard)
  }

  /// Where a page begins.
  static let cursor = Field.parameter("cursor", .text, "The next_cursor of the page before.")

  /// The moment that a question is about.
  static let asOf = Field.moment("as_of", "A position, or an RFC 3339 time: the answer as it was then.")

  static func flag(_ name: String, _ summary: String) -> Field { .parameter(name, .boolean, summary) }

  /// The order of a page by one column, the other way round with a minus before it.
  static func order(by column: String, default standard: String) -> Field {
    .choice("order", "By what the items are ordered.", of: [column, "-\(column)"], default: standard)
  }

  static let since = Field.parameter("since", .timestamp, "The first instant.")
  static let until = Field.parameter("until", .timestamp, "The instant before which they are.")
}

extension ResourceType {
  /// Params that name the example of the type.
  var exampleTarget: JSONObject { ["id": .string(ExampleWorld.identifier(of: name).text)] }
}
