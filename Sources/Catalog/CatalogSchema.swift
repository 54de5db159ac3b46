import CanonicalJSON

/// JSON Schemas (2020-12) of the catalog's values, as `rpc.discover` gives them.
extension Field {
  /// The schema of a value of this field.
  public var jsonSchema: JSON {
    var schema: JSONObject = [:]
    switch type {
    case .string, .text: schema["type"] = "string"
    case .slug:
      schema["type"] = "string"
      schema["pattern"] = "^[a-z0-9_-]+$"
    case .email:
      schema["type"] = "string"
      schema["format"] = "email"
    case .integer:
      schema["type"] = "integer"
      schema["minimum"] = .integer(Int64(Int32.min))
      schema["maximum"] = .integer(Int64(Int32.max))
    case .bigint:
      schema["type"] = "integer"
      schema["minimum"] = .integer(.min)
      schema["maximum"] = .integer(.max)
    case .float: schema["type"] = "number"
    case .boolean: schema["type"] = "boolean"
    case .timestamp:
      schema["type"] = "string"
      schema["format"] = "date-time"
    case .json: break
    case .object: schema["type"] = "object"
    case .tags:
      schema["type"] = "array"
      schema["items"] = ["type": "string"]
    case .list:
      schema["type"] = "array"
      schema["items"] = JSONSchema.object(items)
    case .enum:
      schema["type"] = "string"
      schema["enum"] = .array((values + synonyms.keys.sorted()).map(JSON.string))
    case .reference, .uuid:
      schema["type"] = "string"
      schema["format"] = "uuid"
    case .ip:
      schema["type"] = "string"
      schema["anyOf"] = [["format": "ipv4"], ["format": "ipv6"]]
    }
    if let maximumLength { schema["maxLength"] = .integer(Int64(maximumLength)) }
    if let minimum { schema["minimum"] = JSON(finite: minimum) }
    if let maximum { schema["maximum"] = JSON(finite: maximum) }
    if let defaultValue { schema["default"] = defaultValue }
    if !summary.isEmpty { schema["description"] = .string(summary) }
    if secret != nil { schema["writeOnly"] = true }
    return .object(schema)
  }

  /// The schema of a value of this field or null.
  public var nullableJSONSchema: JSON {
    guard case .object(var schema) = jsonSchema, let type = schema["type"] else { return jsonSchema }
    schema["type"] = .array([type, "null"])
    if let values = schema["enum"]?.arrayValue { schema["enum"] = .array(values + [.null]) }
    // `anyOf` of formats applies to strings alone, so null passes it.
    return .object(schema)
  }
}

extension ResourceType {
  /// The schema of the params of one of the type's commands, the common ones included: an object that takes nothing else.
  public func parametersSchema(of command: Command) -> JSON {
    var properties: JSONObject = [:]
    var required: [JSON] = []
    for parameter in parameters(of: command) {
      let declared = command.effect == .edit ? field(parameter.name) : nil
      let mayBeNull = !parameter.isRequired && declared?.isRequired != true
      properties[parameter.name] = mayBeNull ? parameter.nullableJSONSchema : parameter.jsonSchema
      if parameter.isRequired { required.append(.string(parameter.name)) }
    }
    for parameter in Command.commonParameters { properties[parameter.name] = parameter.jsonSchema }
    if command.requiresReason { required.append("reason") }
    var schema: JSONObject = [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
    ]
    if !required.isEmpty { schema["required"] = .array(required) }
    return .object(schema)
  }

  /// The schema of one resource as `get` and `list` show it: hashes and whole secrets left out, absent members where there is no value.
  public var itemSchema: JSON {
    var properties: JSONObject = [
      "id": ["type": "string", "format": "uuid"],
      "number": ["type": "integer", "minimum": 1],
      "created_by": ["type": ["string", "null"], "format": "uuid"],
      "created_at": ["type": "string", "format": "date-time"],
      "updated_at": ["type": "string", "format": "date-time"],
      "version": ["type": "integer", "minimum": 1],
      "deleted_at": ["type": ["string", "null"], "format": "date-time"],
    ]
    if let organizationField {
      properties["organization_id"] =
        organizationField.isRequired ? organizationField.jsonSchema : organizationField.nullableJSONSchema
    }
    for field in fields where field.secret != .whole && field.secret != .hash {
      var shown = field
      shown.synonyms = [:]
      shown.secret = nil
      shown.defaultValue = nil
      // A personal value may have been erased, and a required one of a deleted resource too.
      let isAlwaysThere = field.isRequired && field.personal == nil
      properties[field.name] = isAlwaysThere ? shown.jsonSchema : shown.nullableJSONSchema
    }
    return [
      "title": .string(name), "description": .string(summary), "type": "object",
      "properties": .object(properties),
      "required": ["id", "number", "created_at", "updated_at", "version"],
    ]
  }
}

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
