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
      schema["pattern"] = "^[A-Za-z0-9_-]+$"
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
    case .json:
      if !alternatives.isEmpty { schema["anyOf"] = .array(alternatives.map(\.jsonSchema)) }
    case .object:
      schema["type"] = "object"
      if !items.isEmpty { schema = schema.merging(JSONSchema.object(items).objectValue ?? [:]) }
    case .tags:
      schema["type"] = "array"
      schema["items"] = elementType.map { Field(name: "", type: $0).jsonSchema } ?? ["type": "string"]
    case .list:
      schema["type"] = "array"
      schema["items"] = JSONSchema.object(items)
    case .enum:
      schema["type"] = "string"
      if let otherWords {
        schema["minLength"] = 1
        schema["maxLength"] = .integer(Int64(otherWords))
        schema["examples"] = .array(values.map(JSON.string))
      } else {
        schema["enum"] = .array((values + synonyms.keys.sorted()).map(JSON.string))
      }
    case .reference, .uuid:
      schema["type"] = "string"
      schema["format"] = "uuid"
    case .ip:
      schema["type"] = "string"
      schema["anyOf"] = [["format": "ipv4"], ["format": "ipv6"]]
    }
    // Whatever is too long in characters is too long in bytes.
    if let length = maximumLength ?? maximumBytes { schema["maxLength"] = .integer(Int64(length)) }
    if minimumLength ?? 0 > 0 { schema["minLength"] = 1 }
    if let maximumCount { schema["maxItems"] = .integer(Int64(maximumCount)) }
    if let minimum { schema["minimum"] = JSON(finite: minimum) }
    if let maximum { schema["maximum"] = JSON(finite: maximum) }
    if let defaultValue { schema["default"] = defaultValue }
    if !summary.isEmpty { schema["description"] = .string(summary) }
    switch secret {
    case .whole, .hash, .password, .members: schema["writeOnly"] = true
    case .configuration, .texts, .refused, nil: break
    }
    return .object(schema)
  }

  /// The schema of what a call may give for this field: null too, unless it must have a value.
  public var parameterSchema: JSON {
    isRequired || refusesNull ? jsonSchema : nullableJSONSchema
  }

  /// The schema of a value of this field or null.
  public var nullableJSONSchema: JSON {
    guard case .object(var schema) = jsonSchema else { return jsonSchema }
    guard let type = schema["type"] else {
      if let forms = schema["anyOf"]?.arrayValue { schema["anyOf"] = .array(forms + [["type": "null"]]) }
      return .object(schema)
    }
    schema["type"] = .array([type, "null"])
    if let values = schema["enum"]?.arrayValue { schema["enum"] = .array(values + [.null]) }
    // `anyOf` of formats applies to strings alone, so null passes it.
    return .object(schema)
  }
}
