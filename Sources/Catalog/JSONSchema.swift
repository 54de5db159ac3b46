import CanonicalJSON

enum JSONSchema {
  /// The schema of a list's objects.
  static func object(_ members: [Field]) -> JSON {
    var properties: JSONObject = [:]
    var required: [JSON] = []
    for member in members {
      let isRequired = member.isRequired && member.defaultValue == nil
      properties[member.name] = isRequired ? member.jsonSchema : member.nullableJSONSchema
      if isRequired { required.append(.string(member.name)) }
    }
    var schema: JSONObject = [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
    ]
    if !required.isEmpty { schema["required"] = .array(required) }
    return .object(schema)
  }
}
