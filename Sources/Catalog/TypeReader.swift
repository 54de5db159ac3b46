import CanonicalJSON

/// Reads one file of the catalog into a resource type, and notes what can only be checked against the other files.
struct TypeReader {
  /// A name used in this file that other files or the program must know.
  struct Mention {
    enum Kind { case resourceType, behaviour, platform }
    let kind: Kind
    let name: String
    let line: Int
    let place: String
  }

  let file: String
  /// Whether an older program may have written the file: then a free text may stand for recipients, and fields may have
  /// the key `administrators_only`.
  let isRecorded: Bool
  var problems: [CatalogProblem] = []
  var mentions: [Mention] = []
  /// The line of each key of the file's top mapping, and of each unique constraint (`unique.NAME`).
  var lines: [String: Int] = [:]
  var fields: [Field] = []
  var fieldLines: [String: Int] = [:]
  var organization: OrganizationRule = .none
  var lifecycle: Lifecycle?

  init(file: String, isRecorded: Bool = false) {
    self.file = file
    self.isRecorded = isRecorded
  }

  static let typeKeys = [
    "resource", "plural", "summary", "organization", "natural_keys", "read_model", "processing", "fields", "unique",
    "lifecycle", "versioned", "versions", "public", "visible_to", "recipients", "commands", "facts",
    "mentions",
  ]

  /// The longest name: PostgreSQL's identifiers have 63 bytes, and the read models put endings to names.
  static let maximumNameLength = 48

  /// The resource type that the file describes, or nil where so much is wrong that
  /// there is none; either way ``problems`` tells.
  mutating func read(_ root: SourceNode, fileName: String) -> ResourceType? {
    guard let top = members(root, of: "the file", known: Self.typeKeys) else { return nil }
    for (key, member) in top { lines[key] = member.line }
    for key in ["resource", "plural", "summary", "organization"] where top[key] == nil {
      report(1, "missing key '\(key)'")
    }
    let name = top["resource"].flatMap { nameText($0.value, of: "'resource'") }
    let plural = top["plural"].flatMap { nameText($0.value, of: "'plural'") }
    let summary = top["summary"].flatMap { text($0.value, of: "'summary'") } ?? ""
    if let name, let member = top["resource"], fileName != "\(name).yaml" {
      report(member.line, "resource '\(name)' belongs in a file named \(name).yaml")
    }
    if let member = top["organization"], let word = text(member.value, of: "'organization'") {
      organization =
        choice(word, OrganizationRule.init(rawValue:), ["required", "optional", "none"], member, "'organization'")
        ?? .none
    }
    if let member = top["fields"] { readFields(member.value) }
    checkPersonalSubjects()
    let unique = top["unique"].map { readUnique($0.value) } ?? []
    markIndexed(unique)
    markCompared(unique)
    if let member = top["lifecycle"] { lifecycle = readLifecycle(member) }
    let commands = top["commands"].map { readCommands($0.value) } ?? []
    let naturalKeys = top["natural_keys"].map { readNaturalKeys($0.value, unique: unique) } ?? []
    let versioned = top["versioned"].map { readVersioned($0) } ?? []
    let publicFields = top["public"].map { readPublic($0) } ?? []
    let facts = top["facts"].map { readFacts($0.value) } ?? []
    let hasReadModel = top["read_model"].flatMap { flag($0.value, of: "'read_model'") } ?? true
    if let member = top["processing"] { readProcessing(member.value) }
    guard let name, let plural else { return nil }
    var type = ResourceType(
      name: name, plural: plural, summary: summary, organization: organization, naturalKeys: naturalKeys,
      fields: fields, unique: unique, lifecycle: lifecycle, versionedContent: versioned, commands: commands,
      facts: facts, hasReadModel: hasReadModel, publicFields: publicFields)
    type.visibility = top["visible_to"].flatMap { readVisibility($0) }
    type.recipients = top["recipients"].map { readOffices($0) }
    type.mentions = top["mentions"].map { readMentions($0.value, of: name, facts) } ?? []
    type.versionTable = top["versions"].flatMap { readVersions($0, type: name, of: versioned) }
    return type
  }

  /// `processing` stands for itself only: it carries the anchor of a record of processing that fields merge.
  private mutating func readProcessing(_ node: SourceNode) {
    _ = members(node, of: "'processing'", known: Self.personalKeys)
  }

  private mutating func readUnique(_ node: SourceNode) -> [UniqueConstraint] {
    guard let constraints = mapping(node, of: "'unique'") else { return [] }
    var unique: [UniqueConstraint] = []
    for constraint in constraints {
      let place = "unique constraint '\(constraint.key)'"
      lines["unique.\(constraint.key)"] = constraint.line
      checkName(constraint.key, line: constraint.line, place)
      let known = ["fields", "ignore_case", "ignore_form", "platforms"]
      guard let keys = members(constraint.value, of: place, known: known) else { continue }
      guard let fieldsMember = keys["fields"] else {
        report(constraint.line, "missing key 'fields' in \(place)")
        continue
      }
      let names = texts(fieldsMember.value, of: "'fields' of \(place)")
      if names.isEmpty { report(fieldsMember.line, "\(place) has no fields") }
      let ignoresCase = keys["ignore_case"].flatMap { flag($0.value, of: "'ignore_case' of \(place)") } ?? false
      for (name, line) in names {
        if name == "organization_id", organization != .none { continue }
        guard let field = knownField(name, line: line, place) else { continue }
        if [.json, .object, .list, .tags, .boolean].contains(field.type) {
          report(line, "\(place): a field of type \(field.type.rawValue) can't be unique ('\(name)')")
        } else if field.secret == .whole || field.secret == .password {
          report(line, "\(place): a sealed secret can't be unique ('\(name)')")
        }
      }
      let ignoresForm = keys["ignore_form"].flatMap { flag($0.value, of: "'ignore_form' of \(place)") } ?? false
      if ignoresCase || ignoresForm,
        !names.contains(where: { name, _ in fields.contains { $0.name == name && $0.type.isText } })
      {
        report(constraint.line, "\(place) ignores \(ignoresCase ? "case" : "form") but has no text field")
      }
      var platforms: [String] = []
      if let member = keys["platforms"] {
        for (platform, line) in texts(member.value, of: "'platforms' of \(place)") {
          mentions.append(Mention(kind: .platform, name: platform, line: line, place: place))
          platforms.append(platform)
        }
        if organization != .required {
          report(member.line, "\(place) is for platforms, but '\(file)' has no required organization")
        }
      }
      let isUnderParent = names.first.map { first in
        first.name == "organization_id" || fields.contains { $0.name == first.name && $0.reference != nil }
      }
      unique.append(
        UniqueConstraint(
          name: constraint.key, fields: names.map(\.name), ignoresCase: ignoresCase, ignoresForm: ignoresForm,
          platforms: platforms, isUnderParent: isUnderParent ?? false))
    }
    return unique
  }

  /// An index entry of PostgreSQL (at most 2,704 bytes) must hold all fields of a constraint together.
  private mutating func markIndexed(_ unique: [UniqueConstraint]) {
    for constraint in unique {
      let texts = constraint.fields.filter { name in fields.contains { $0.name == name && $0.type.isLongText } }
      guard !texts.isEmpty else { continue }
      let share = texts.count == 1 ? 2000 : 2400 / texts.count
      for index in fields.indices where texts.contains(fields[index].name) {
        fields[index].maximumBytes = min(fields[index].maximumBytes ?? share, share)
      }
    }
  }

  /// What a constraint passes over, lists and look-ups pass over, too.
  private mutating func markCompared(_ unique: [UniqueConstraint]) {
    for constraint in unique where constraint.ignoresForm {
      for index in fields.indices where constraint.fields.contains(fields[index].name) && fields[index].type.isText {
        if fields[index].comparison == .folded { continue }
        fields[index].comparison = constraint.ignoresCase ? .folded : .composed
      }
    }
    for field in fields {
      guard let column = field.foldedColumn, fields.contains(where: { $0.name == column }) else { continue }
      report(
        fieldLines[column] ?? 1,
        "field '\(column)': the read model keeps the form there in which '\(field.name)' is compared")
    }
  }

  private mutating func readLifecycle(_ member: SourceNode.Member) -> Lifecycle? {
    guard let keys = members(member.value, of: "'lifecycle'", known: ["field", "initial", "initial_choices"]) else {
      return nil
    }
    for key in ["field", "initial"] where keys[key] == nil {
      report(member.line, "missing key '\(key)' in 'lifecycle'")
    }
    guard let fieldMember = keys["field"], let name = text(fieldMember.value, of: "'field' of 'lifecycle'"),
      let initialMember = keys["initial"],
      let initial = text(initialMember.value, of: "'initial' of 'lifecycle'"),
      let field = knownField(name, line: fieldMember.line, "'lifecycle'")
    else { return nil }
    guard field.type == .enum else {
      report(fieldMember.line, "the lifecycle's field '\(name)' is not an enum")
      return nil
    }
    if field.isAssignable { report(fieldMember.line, "the lifecycle's field '\(name)' must be 'assignable: false'") }
    checkState(initial, of: field, line: initialMember.line, "'initial' of 'lifecycle'")
    let choices = keys["initial_choices"].map { texts($0.value, of: "'initial_choices' of 'lifecycle'") } ?? []
    for (choice, line) in choices { checkState(choice, of: field, line: line, "'initial_choices' of 'lifecycle'") }
    if let first = choices.first, !choices.contains(where: { $0.name == initial }) {
      report(first.line, "'initial_choices' of 'lifecycle' leaves out the initial state '\(initial)'")
    }
    return Lifecycle(field: name, initial: initial, initialChoices: choices.map(\.name))
  }

  mutating func checkState(_ state: String, of field: Field, line: Int, _ place: String) {
    if field.values.contains(state) { return }
    report(
      line, "\(place): '\(state)' is not a value of '\(field.name)'\(Suggestion.hint(for: state, in: field.values))")
  }

  private mutating func readNaturalKeys(_ node: SourceNode, unique: [UniqueConstraint]) -> [String] {
    let names = texts(node, of: "'natural_keys'")
    for (name, line) in names where knownField(name, line: line, "'natural_keys'") != nil {
      if !unique.contains(where: { $0.fields == [name] && $0.platforms.isEmpty }) {
        report(line, "'natural_keys': '\(name)' is not unique by itself")
      }
    }
    return names.map(\.name)
  }

  private mutating func readVersioned(_ member: SourceNode.Member) -> [String] {
    let names = texts(member.value, of: "'versioned'")
    for (name, line) in names { _ = knownField(name, line: line, "'versioned'") }
    let hasNumber = fields.contains { $0.name == "version_number" && $0.type == .integer && !$0.isAssignable }
    if !hasNumber {
      report(member.line, "'versioned' needs a field 'version_number' of type integer that is not assignable")
    }
    return names.map(\.name)
  }

  private mutating func readPublic(_ member: SourceNode.Member) -> [String] {
    let names = texts(member.value, of: "'public'")
    for (name, line) in names {
      guard let field = knownField(name, line: line, "'public'") else { continue }
      if field.type != .boolean || field.personal != nil || field.secret != nil {
        report(line, "'public': '\(name)' is not a boolean that anyone may see")
      }
    }
    if organization == .none { report(member.line, "'public' is for resources that belong to an organization") }
    return names.map(\.name)
  }

  private mutating func readFacts(_ node: SourceNode) -> [Fact] {
    guard let entries = mapping(node, of: "'facts'") else { return [] }
    var facts: [Fact] = []
    for entry in entries {
      let place = "fact '\(entry.key)'"
      checkName(entry.key, line: entry.line, place)
      guard let keys = members(entry.value, of: place, known: ["retention", "sealed"]) else { continue }
      let retention = keys["retention"].flatMap { text($0.value, of: "'retention' of \(place)") }
      if let retention, let member = keys["retention"] {
        checkName(retention, line: member.line, "retention of \(place)")
      }
      let sealed = keys["sealed"].map { texts($0.value, of: "'sealed' of \(place)") } ?? []
      if !sealed.isEmpty, retention == nil {
        report(entry.line, "missing key 'retention' in \(place): what is sealed needs the class whose key seals it")
      }
      if let member = keys["retention"], sealed.isEmpty {
        report(member.line, "\(place) has a retention class but nothing that is sealed with its key")
      }
      facts.append(Fact(event: entry.key, retentionClass: retention, sealed: sealed.map(\.name)))
    }
    return facts
  }
}

extension FieldType {
  /// Whether its values are strings of a free length.
  var isLongText: Bool { [.string, .text, .slug, .email].contains(self) }
  /// Whether case could matter.
  var isText: Bool { isLongText }
}
