import CanonicalJSON

extension ResourceType {
  /// The schema of the params of one of the type's commands, the common ones
  /// included: an object that takes nothing else.
  public func parametersSchema(of command: Command) -> JSON {
    JSONSchema.parameters(allParameters(of: command))
  }

  /// The schema of one resource as `get` and `list` show it: hashes and whole
  /// secrets left out, absent members where there is no value.
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
    for field in fields where !field.isHidden {
      var shown = field
      shown.synonyms = [:]
      shown.secret = nil
      shown.defaultValue = nil
      // A personal value may have been erased, and a required one of a deleted resource too.
      let isAlwaysThere = field.isRequired && field.personal == nil
      let schema = isAlwaysThere ? shown.jsonSchema : shown.nullableJSONSchema
      properties[field.name] = field.personal == nil ? schema : JSONSchema.orUnreadable(schema)
    }
    return [
      "title": .string(name), "description": .string(summary), "type": "object",
      "properties": .object(properties),
      "required": ["id", "number", "created_at", "updated_at", "version"],
    ]
  }
}
