import CanonicalJSON

extension TypeReader {
  /// Where a field's description stands: that decides which keys make sense.
  enum FieldPlace {
    /// A field of the resource.
    case field
    /// A parameter of a command.
    case parameter(command: String)
    /// A member of a list's objects.
    case item(list: String)

    var keys: [String] {
      let common = [
        "type", "summary", "required", "default", "max", "min", "visible", "values", "synonyms", "other_words", "items",
        "to",
        "secret",
      ]
      return switch self {
      case .field: common + ["on_delete", "personal", "immutable", "assignable"]
      case .parameter: common
      case .item: common.filter { $0 != "to" }
      }
    }

    func describe(_ name: String) -> String {
      switch self {
      case .field: "field '\(name)'"
      case .parameter(let command): "parameter '\(name)' of command '\(command)'"
      case .item(let list): "member '\(name)' of '\(list)'"
      }
    }
  }

  static let personalKeys = ["subject", "purpose", "legal_basis", "category", "retention", "recipients"]

  mutating func readFields(_ node: SourceNode) {
    fields = readFieldList(node, of: "'fields'", in: .field)
  }

  mutating func readFieldList(_ node: SourceNode, of place: String, in position: FieldPlace) -> [Field] {
    guard let entries = mapping(node, of: place) else { return [] }
    var list: [Field] = []
    for entry in entries {
      if case .field = position {
        fieldLines[entry.key] = entry.line
        if ResourceType.implicitFields.contains(entry.key) {
          report(entry.line, "field '\(entry.key)' is there without being declared")
          continue
        }
      }
      if let field = readField(entry, in: position) { list.append(field) }
    }
    return list
  }

  private mutating func readField(_ entry: SourceNode.Member, in position: FieldPlace) -> Field? {
    let place = position.describe(entry.key)
    checkName(entry.key, line: entry.line, place)
    let former = isRecorded ? ["administrators_only"] : []
    guard let keys = members(entry.value, of: place, known: position.keys + former) else { return nil }
    guard let typeMember = keys["type"] else {
      report(entry.line, "missing key 'type' in \(place)")
      return nil
    }
    guard let word = text(typeMember.value, of: "'type' of \(place)") else { return nil }
    guard let type = FieldType(rawValue: word) else {
      let hint = Suggestion.hint(for: word, in: FieldType.allCases.map(\.rawValue))
      report(typeMember.line, "unknown type '\(word)' of \(place)\(hint)")
      return nil
    }
    var field = Field(name: entry.key, type: type)
    if let member = keys["summary"] { field.summary = text(member.value, of: "'summary' of \(place)") ?? "" }
    func isSet(_ key: String, _ reader: inout TypeReader) -> Bool? {
      keys[key].flatMap { reader.flag($0.value, of: "'\(key)' of \(place)") }
    }
    field.isRequired = isSet("required", &self) ?? false
    field.isImmutable = isSet("immutable", &self) ?? false
    field.isAssignable = isSet("assignable", &self) ?? true
    readLimits(keys, entry, place, &field)
    if let member = keys["visible"] {
      field.isVisible = isSet("visible", &self) ?? false
      if !type.isLongText { report(member.line, "'visible' makes no sense for \(place) of type \(type.rawValue)") }
    }
    readValues(keys, entry, place, &field)
    readItems(keys, entry, place, &field)
    readReference(keys, entry, place, position, &field)
    readSecret(keys, place, position, &field)
    if let member = keys["personal"] {
      field.personal = readPersonal(member, place)
      if field.secret != nil { report(member.line, "\(place) can't be both personal and secret") }
    }
    // Last, since a default must satisfy everything else that its field says.
    if let member = keys["default"] { readDefault(member, place, &field) }
    return field
  }

  private mutating func readDefault(_ member: SourceNode.Member, _ place: String, _ field: inout Field) {
    var faults: [ValueProblem] = []
    var strict = field
    strict.isRequired = true
    let value = FieldCheck.check(member.value.json, field: strict, path: "", problems: &faults)
    for fault in faults {
      let location = fault.path.isEmpty ? "" : " at \(fault.path)"
      report(member.line, "the default of \(place) breaks the field's own rules\(location): \(fault.problem)")
    }
    if faults.isEmpty { field.defaultValue = value }
  }

  private mutating func readLimits(
    _ keys: [String: SourceNode.Member], _ entry: SourceNode.Member, _ place: String, _ field: inout Field
  ) {
    if let member = keys["max"], let maximum = number(member.value, of: "'max' of \(place)") {
      if field.type.isLongText {
        if let length = Int(exactly: maximum), (1...Self.longestText).contains(length) {
          field.maximumLength = length
        } else {
          report(
            member.line,
            "'max' of \(place) must be a whole number from 1 to \(Self.longestText): the greatest length in characters")
        }
      } else if field.type.isNumber {
        checkLimit(maximum, of: field.type, member.line, "'max' of \(place)")
        field.maximum = maximum
      } else {
        report(member.line, "'max' makes no sense for \(place) of type \(field.type.rawValue)")
      }
    } else if field.type == .string, keys["max"] == nil {
      report(entry.line, "missing key 'max' in \(place): a string has a length limit, a text has none")
    }
    if let member = keys["min"], let minimum = number(member.value, of: "'min' of \(place)") {
      if field.type.isNumber {
        checkLimit(minimum, of: field.type, member.line, "'min' of \(place)")
        field.minimum = minimum
        if let maximum = field.maximum, minimum > maximum {
          report(member.line, "'min' of \(place) is above its 'max'")
        }
      } else {
        report(member.line, "'min' makes no sense for \(place) of type \(field.type.rawValue)")
      }
    }
  }

  /// The greatest n of PostgreSQL's `varchar(n)`.
  static let longestText = 10_485_760

  /// A limit of an integer is one of its own values.
  private mutating func checkLimit(_ limit: Double, of type: FieldType, _ line: Int, _ place: String) {
    let isValue =
      switch type {
      case .integer: Int32(exactly: limit) != nil
      case .bigint: Int64(exactly: limit) != nil
      default: true
      }
    if !isValue { report(line, "\(place) is no \(type.rawValue)") }
  }

  private mutating func readValues(
    _ keys: [String: SourceNode.Member], _ entry: SourceNode.Member, _ place: String, _ field: inout Field
  ) {
    for key in ["values", "synonyms", "other_words"] where field.type != .enum {
      if let member = keys[key] {
        report(member.line, "'\(key)' makes no sense for \(place) of type \(field.type.rawValue)")
      }
    }
    guard field.type == .enum else { return }
    guard let member = keys["values"] else {
      report(entry.line, "missing key 'values' in \(place)")
      return
    }
    field.values = texts(member.value, of: "'values' of \(place)").map(\.name)
    if field.values.isEmpty { report(member.line, "'values' of \(place) has none") }
    if let member = keys["other_words"], let limit = number(member.value, of: "'other_words' of \(place)") {
      if let length = Int(exactly: limit), (1...Self.longestText).contains(length) {
        field.otherWords = length
      } else {
        report(
          member.line, "'other_words' of \(place) must be a whole number from 1 to \(Self.longestText): their length")
      }
    }
    guard let synonyms = keys["synonyms"], let pairs = mapping(synonyms.value, of: "'synonyms' of \(place)") else {
      return
    }
    for pair in pairs {
      guard let meant = text(pair.value, of: "synonym '\(pair.key)' of \(place)") else { continue }
      if field.values.contains(pair.key) {
        report(pair.line, "synonym '\(pair.key)' of \(place) is a value itself")
      } else if !field.values.contains(meant) {
        report(
          pair.line,
          "synonym '\(pair.key)' of \(place) stands for '\(meant)', which is no value"
            + Suggestion.hint(for: meant, in: field.values))
      } else {
        field.synonyms[pair.key] = meant
      }
    }
  }

  private mutating func readItems(
    _ keys: [String: SourceNode.Member], _ entry: SourceNode.Member, _ place: String, _ field: inout Field
  ) {
    if field.type == .list {
      guard let member = keys["items"] else {
        report(entry.line, "missing key 'items' in \(place)")
        return
      }
      field.items = readFieldList(member.value, of: "'items' of \(place)", in: .item(list: entry.key))
      if field.items.isEmpty { report(member.line, "'items' of \(place) has no members") }
    } else if let member = keys["items"] {
      report(member.line, "'items' makes no sense for \(place) of type \(field.type.rawValue)")
    }
  }

  private mutating func readReference(
    _ keys: [String: SourceNode.Member], _ entry: SourceNode.Member, _ place: String, _ position: FieldPlace,
    _ field: inout Field
  ) {
    guard field.type == .reference else {
      for key in ["to", "on_delete"] {
        if let member = keys[key] {
          report(member.line, "'\(key)' makes no sense for \(place) of type \(field.type.rawValue)")
        }
      }
      return
    }
    var targets: [(name: String, line: Int)] = []
    if let member = keys["to"] {
      if case .sequence = member.value.content {
        targets = texts(member.value, of: "'to' of \(place)")
      } else if let target = text(member.value, of: "'to' of \(place)") {
        targets = [(target, member.line)]
      }
      if case .sequence(let elements) = member.value.content, elements.isEmpty {
        report(member.line, "'to' of \(place) names no resource type")
      }
    } else {
      report(entry.line, "missing key 'to' in \(place)")
    }
    for (name, line) in targets {
      mentions.append(Mention(kind: .resourceType, name: name, line: line, place: place))
    }
    // A parameter refers only while its command is decided: nothing can be deleted meanwhile.
    var deletion = Reference.Deletion.restrict
    if case .field = position {
      if let member = keys["on_delete"], let word = text(member.value, of: "'on_delete' of \(place)") {
        let words = ["cascade", "restrict", "clear"]
        deletion =
          choice(word, Reference.Deletion.init(rawValue:), words, member, "'on_delete' of \(place)") ?? .restrict
        if deletion == .clear, field.isRequired {
          report(member.line, "'on_delete: clear' of \(place): a required field can't be cleared")
        }
      } else if keys["on_delete"] == nil {
        report(entry.line, "missing key 'on_delete' in \(place)")
      }
    }
    field.reference = Reference(types: targets.map(\.name), onDelete: deletion)
  }

  private mutating func readSecret(
    _ keys: [String: SourceNode.Member], _ place: String, _ position: FieldPlace, _ field: inout Field
  ) {
    guard let member = keys["secret"] else { return }
    if case .scalar(.string(let word)) = member.value.content {
      field.secret = choice(
        word, Self.secretRule, ["whole", "hash", "password", "configuration", "texts", "refused", "members"], member,
        "'secret' of \(place)")
      checkSecret(field, place, position, line: member.line)
      return
    }
    guard let inner = members(member.value, of: "'secret' of \(place)", known: ["members"]) else { return }
    guard let names = inner["members"] else {
      report(member.line, "missing key 'members' in 'secret' of \(place)")
      return
    }
    if field.type != .object && field.type != .json {
      report(member.line, "'secret' of \(place): only a field of type object or json has members")
    }
    field.secret = .members(texts(names.value, of: "'members' of 'secret' of \(place)").map(\.name))
    checkSecret(field, place, position, line: member.line)
  }

  private static func secretRule(_ word: String) -> SecretRule? {
    switch word {
    case "whole": .whole
    case "hash": .hash
    case "password": .password
    case "configuration": .configuration
    case "texts": .texts
    case "refused": .refused
    default: nil
    }
  }

  /// Says where a rule can't be kept: a text has no members, and no JSON can be refused for a text in it.
  private mutating func checkSecret(_ field: Field, _ place: String, _ position: FieldPlace, line: Int) {
    let holdsJSON = field.type == .object || field.type == .json
    switch field.secret {
    case .configuration, .texts:
      if !holdsJSON { report(line, "'secret' of \(place): only a field of type object or json is a configuration") }
    case .refused:
      if field.type != .string && field.type != .text {
        report(line, "'secret' of \(place): only a field of type string or text can refuse what it carries")
      }
      if case .item = position { report(line, "'secret' of \(place): a list's member can't be refused alone") }
    case .whole, .hash, .password, .members:
      if case .item = position {
        report(line, "'secret' of \(place): a list's member is kept as a configuration or for its texts")
      }
    case nil: break
    }
  }

  private mutating func readPersonal(_ member: SourceNode.Member, _ place: String) -> PersonalData? {
    guard let (words, recipients) = readRecord(member, "'personal' of \(place)"), let subject = words["subject"] else {
      return nil
    }
    return PersonalData(
      subject: subject == "self" ? .resource : .field(subject), purpose: words["purpose"] ?? "",
      legalBasis: words["legal_basis"] ?? "", category: words["category"] ?? "", retention: words["retention"] ?? "",
      recipients: recipients)
  }

  /// The members of a record of processing, texts by their key.
  private mutating func readRecord(
    _ member: SourceNode.Member, _ place: String
  ) -> (words: [String: String], recipients: [Recipient])? {
    guard let keys = members(member.value, of: place, known: Self.personalKeys) else { return nil }
    var words: [String: String] = [:]
    var recipients: [Recipient] = []
    for key in Self.personalKeys {
      guard let value = keys[key] else {
        let why = key == "subject" ? "whose data it is" : "the record of processing needs it (GDPR Art. 30)"
        report(member.line, "missing key '\(key)' in \(place): \(why)")
        continue
      }
      if key == "recipients" {
        recipients = readRecipients(value, of: "'recipients' of \(place)")
        continue
      }
      guard let word = text(value.value, of: "'\(key)' of \(place)") else { continue }
      if word.isEmpty { report(value.line, "'\(key)' of \(place) is empty") }
      words[key] = word
    }
    return (words, recipients)
  }

  /// `mentions`: values that may name people and that no personal field holds. In the catalog's own file, `reason` and
  /// `origin` stand for those of every event.
  mutating func readMentions(_ node: SourceNode, of type: String, _ facts: [Fact]) -> [PersonalMention] {
    guard let entries = mapping(node, of: "'mentions'") else { return [] }
    let sealed = facts.flatMap { fact in fact.sealed.map { "\(fact.event).\($0)" } }
    let known = sealed + (type == "catalog" ? ["reason", "origin"] : [])
    return entries.compactMap { entry in
      let place = "'\(entry.key)' of 'mentions'"
      if !known.contains(entry.key) {
        guard let field = knownField(entry.key, line: entry.line, "'mentions'") else { return nil }
        if field.personal != nil { report(entry.line, "\(place): the field is personal, and its record says so") }
      }
      guard let (words, recipients) = readRecord(entry, place) else { return nil }
      return PersonalMention(
        place: entry.key, subject: words["subject"] ?? "", purpose: words["purpose"] ?? "",
        legalBasis: words["legal_basis"] ?? "", category: words["category"] ?? "",
        retention: words["retention"] ?? "", recipients: recipients)
    }
  }

  /// A personal field's subject is the resource itself or a user whom another of its fields names.
  mutating func checkPersonalSubjects() {
    for field in fields {
      guard let personal = field.personal, case .field(let name) = personal.subject else { continue }
      let line = fieldLines[field.name] ?? 1
      let place = "'personal' of field '\(field.name)'"
      guard let subject = knownField(name, line: line, place) else { continue }
      if subject.reference?.types != ["user"] {
        report(line, "\(place): the subject field '\(name)' is not a reference to user")
      }
    }
  }
}

extension FieldType {
  var isNumber: Bool { [.integer, .bigint, .float].contains(self) }
}
