import CanonicalJSON

extension TypeReader {
  /// `recipients` of a type: which offices of an organization see its resources, and nobody else there; where its
  /// administrators are among them, also who made the resource.
  mutating func readOffices(_ member: SourceNode.Member) -> [Recipient] {
    let recipients = readRecipients(member, of: "'recipients'")
    let offices: [Recipient] = [.officers, .auditors, .organizationAdministrators, .administrators]
    for recipient in recipients where !offices.contains(recipient) {
      report(
        member.line,
        "'recipients' of a type may name officers, auditors, organization administrators and administrators, not "
          + recipient.rawValue)
    }
    if organization == .none {
      report(member.line, "'recipients' is for resources that belong to an organization")
    }
    return recipients
  }

  /// A list of recipients; whoever is shown everything has to be in it, or a record would be false.
  mutating func readRecipients(_ member: SourceNode.Member, of place: String) -> [Recipient] {
    if isRecorded, case .scalar = member.value.content { return [.administrators] }
    let words = Recipient.allCases.map(\.rawValue)
    var recipients: [Recipient] = []
    for (word, line) in texts(member.value, of: place) {
      guard let recipient = Recipient(rawValue: word) else {
        report(
          line,
          "\(place): '\(word)' is no recipient; there are \(words.joined(separator: ", "))"
            + Suggestion.hint(for: word, in: words))
        continue
      }
      recipients.append(recipient)
    }
    if case .sequence = member.value.content, !recipients.contains(.administrators) {
      report(member.line, "\(place) must name administrators, to whom everything is shown")
    }
    return recipients
  }

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
