import CanonicalJSON

extension TypeReader {
  /// `visible_to`: a field that refers to a user, and perhaps a boolean that makes exceptions.
  mutating func readVisibility(_ member: SourceNode.Member) -> Visibility? {
    guard let keys = members(member.value, of: "'visible_to'", known: ["field", "unless"]) else { return nil }
    guard let fieldMember = keys["field"], let name = text(fieldMember.value, of: "'field' of 'visible_to'") else {
      if keys["field"] == nil { report(member.line, "missing key 'field' in 'visible_to'") }
      return nil
    }
    guard let field = knownField(name, line: fieldMember.line, "'visible_to'") else { return nil }
    if field.reference?.types != ["user"] || field.personal != nil {
      report(fieldMember.line, "'visible_to': '\(name)' must be a reference to a user")
    }
    if organization != .required {
      report(member.line, "'visible_to' needs resources that belong to an organization ('organization: required')")
    }
    guard let flagMember = keys["unless"] else { return Visibility(field: name, unless: nil) }
    guard let flag = text(flagMember.value, of: "'unless' of 'visible_to'"),
      let flagField = knownField(flag, line: flagMember.line, "'visible_to'")
    else { return nil }
    if flagField.type != .boolean || flagField.personal != nil {
      report(flagMember.line, "'visible_to': '\(flag)' must be a boolean")
    }
    return Visibility(field: name, unless: flag)
  }
}
