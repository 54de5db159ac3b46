import CanonicalJSON

/// Pieces of the JSON Schemas that follow from fields.
package enum JSONSchema {
  /// The schema of a value that may have been erased, whose key may be missing, or that may only be stored.
  package static func orUnreadable(_ schema: JSON) -> JSON {
    [
      "anyOf": [
        schema, ["type": "object", "properties": ["erased": ["const": true]], "required": ["erased"]],
        ["type": "object", "properties": ["locked": ["const": true]], "required": ["locked"]],
        ["type": "object", "properties": ["restricted": ["const": true]], "required": ["restricted"]],
      ]
    ]
  }

  /// The schema of a call's params: an object that takes nothing else.
  static func parameters(_ fields: [Field]) -> JSON {
    let required = fields.filter(\.isRequired).map { JSON.string($0.name) }
    var schema: JSONObject = [
      "type": "object", "additionalProperties": false,
      "properties": .object(JSONObject(members: fields.map { (key: $0.name, value: $0.parameterSchema) })),
    ]
    if !required.isEmpty { schema["required"] = .array(required) }
    return .object(schema)
  }

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
