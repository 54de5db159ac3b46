import BasicTypes
import CanonicalJSON

/// The resources that the examples of `rpc.discover` speak of: one of each type, with an id that follows from the
/// type's name, so that the examples of all methods fit together. The example of a type's `create` makes its resource.
package enum ExampleWorld {
  /// The id of the world's resource of a type.
  package static func identifier(of type: String) -> Identifier {
    // FNV-1a; ids of versions 5 and 8 are the server's own to derive.
    let hash = type.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    return Identifier(high: 0x0199_0000_0000_7000, low: hash >> 2 | 0x8000_0000_0000_0000)
  }

  /// A value that a field allows.
  /// - Parameter type: The resource type whose method takes it: what its `id` stands for.
  package static func value(for field: Field, of type: String = "") -> JSON {
    switch field.type {
    case .string, .text: .string("example")
    case .slug: .string("example")
    case .email: .string("ann@example.org")
    case .integer, .bigint: .integer(Int64(field.minimum ?? 1))
    case .float: JSON(finite: field.minimum ?? 1) ?? 1
    case .boolean: true
    case .timestamp: "2030-01-01T00:00:00Z"
    case .json: field.alternatives.first.map { value(for: $0, of: type) } ?? ["key": "value"]
    case .object: ["key": "value"]
    case .tags: [field.elementType.map { value(for: Field(name: "", type: $0), of: "user") } ?? "example"]
    case .list:
      [
        .object(
          JSONObject(
            members: field.items.filter { $0.isRequired && $0.defaultValue == nil }
              .map { (key: $0.name, value: value(for: $0)) }))
      ]
    case .enum: .string(field.values.first ?? "")
    case .reference: .string(identifier(of: field.reference?.types.last ?? type).text)
    case .uuid: .string(identifier(of: field.name == "id" ? type : String(field.name.dropLast(3))).text)
    case .ip: "192.0.2.1"
    }
  }

  /// A value that a result schema of this server allows, with what it promises: its required members.
  /// - Parameter schemas: What `#/components/schemas/TYPE` stands for.
  package static func value(for schema: JSON, schemas: (String) -> JSON?) -> JSON {
    if let reference = schema["$ref"]?.stringValue, let name = reference.split(separator: "/").last {
      return schemas(String(name)).map { value(for: $0, schemas: schemas) } ?? [:]
    }
    if let first = (schema["examples"] ?? schema["enum"])?.arrayValue?.first { return first }
    if let first = schema["anyOf"]?.arrayValue?.first, schema["type"] == nil {
      return value(for: first, schemas: schemas)
    }
    switch schema["type"]?.stringValue ?? schema["type"]?.arrayValue?.first?.stringValue {
    case "string":
      switch schema["format"]?.stringValue {
      case "uuid": return .string(identifier(of: "result").text)
      case "date-time": return "2026-01-01T00:00:00.000000Z"
      case "email": return "ann@example.org"
      default: return "example"
      }
    case "integer", "number":
      let least = schema["minimum"]?.doubleValue ?? 1
      return .integer(least > 1 && least < 1e9 ? Int64(least) : 1)
    case "boolean": return true
    case "array": return .array(schema["items"].map { [value(for: $0, schemas: schemas)] } ?? [])
    case "object":
      var object = JSONObject()
      for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] {
        object[name] = schema["properties"]?[name].map { value(for: $0, schemas: schemas) } ?? .null
      }
      return .object(object)
    default: return .null
    }
  }
}
