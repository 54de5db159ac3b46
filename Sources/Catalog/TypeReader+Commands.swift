import CanonicalJSON

extension TypeReader {
  static let commandKeys = [
    "event", "effect", "summary", "permission", "from", "to", "sets", "behaviour", "params", "requires_reason",
    "needs_id", "administrative", "internal",
  ]

  /// Names that a command's own parameters can't have: those of every command.
  static let reservedParameters = ["id"] + Command.commonParameters.map(\.name)

  mutating func readCommands(_ node: SourceNode) -> [Command] {
    guard let entries = mapping(node, of: "'commands'") else { return [] }
    var commands: [Command] = []
    var events: [String: Command] = [:]
    for entry in entries {
      guard let command = readCommand(entry) else { continue }
      // What makes a resource may be asked for in several ways.
      if let other = events[command.event], other.effect != .create || command.effect != .create {
        report(entry.line, "commands '\(other.name)' and '\(command.name)' record the same event '\(command.event)'")
      }
      events[command.event] = command
      commands.append(command)
    }
    return commands
  }

  private mutating func readCommand(_ entry: SourceNode.Member) -> Command? {
    let place = "command '\(entry.key)'"
    checkName(entry.key, line: entry.line, place)
    if Self.queryVerbs.contains(entry.key) { report(entry.line, "\(place) has the name of a query") }
    guard let keys = members(entry.value, of: place, known: Self.commandKeys) else { return nil }
    let plain: [String: (event: String, effect: Command.Effect)] = [
      "create": ("created", .create), "edit": ("edited", .edit), "delete": ("deleted", .delete),
    ]
    guard let effect = readEffect(keys, entry, plain[entry.key]?.effect, place) else { return nil }
    var event = plain[entry.key]?.event
    if let member = keys["event"] { event = nameText(member.value, of: "'event' of \(place)") }
    guard let event else {
      if keys["event"] == nil { report(entry.line, "missing key 'event' in \(place)") }
      return nil
    }
    var command = Command(name: entry.key, event: event, effect: effect)
    if let member = keys["summary"] { command.summary = text(member.value, of: "'summary' of \(place)") ?? "" }
    if let member = keys["permission"], let word = text(member.value, of: "'permission' of \(place)") {
      let words = Permission.allCases.map(\.rawValue)
      command.permission = choice(word, Permission.init(rawValue:), words, member, "'permission' of \(place)") ?? .admin
    }
    func isSet(_ key: String, _ reader: inout TypeReader) -> Bool? {
      keys[key].flatMap { reader.flag($0.value, of: "'\(key)' of \(place)") }
    }
    command.requiresReason = isSet("requires_reason", &self) ?? false
    command.isAdministrative = isSet("administrative", &self) ?? false
    command.isInternal = isSet("internal", &self) ?? false
    command.needsIdentifier = (isSet("needs_id", &self) ?? true) && effect != .create
    if let member = keys["needs_id"], !command.needsIdentifier, effect != .create, effect != .behaviour {
      report(member.line, "\(place) changes a resource: it can't do without an id")
    }
    if let member = keys["behaviour"], let name = text(member.value, of: "'behaviour' of \(place)") {
      command.behaviour = name
      mentions.append(Mention(kind: .behaviour, name: name, line: member.line, place: place))
    }
    readStates(keys, place, &command)
    if let member = keys["sets"] { readSets(member, place, &command) }
    if let member = keys["params"] { readParameters(member, place, &command) }
    return command
  }

  /// Verbs that the protocol gives to queries of every resource type.
  static let queryVerbs = ["get", "list", "history", "diff"]

  private mutating func readEffect(
    _ keys: [String: SourceNode.Member], _ entry: SourceNode.Member, _ implied: Command.Effect?, _ place: String
  ) -> Command.Effect? {
    if let member = keys["effect"] {
      let words = ["create", "edit", "delete", "transition", "behaviour"]
      guard let word = text(member.value, of: "'effect' of \(place)"),
        let effect = choice(word, Command.Effect.init(rawValue:), words, member, "'effect' of \(place)")
      else { return nil }
      if let implied, implied != effect {
        report(member.line, "\(place) has the effect \(implied.rawValue) by its name")
      }
      if effect == .behaviour, keys["behaviour"] == nil {
        report(entry.line, "missing key 'behaviour' in \(place)")
      }
      return effect
    }
    if let implied { return implied }
    if keys["behaviour"] != nil, keys["to"] == nil { return .behaviour }
    if keys["to"] != nil || keys["sets"] != nil { return .transition }
    report(entry.line, "\(place) does nothing: it needs 'effect', 'to', 'sets' or 'behaviour'")
    return nil
  }

  private mutating func readStates(
    _ keys: [String: SourceNode.Member], _ place: String, _ command: inout Command
  ) {
    for key in ["from", "to"] {
      guard let member = keys[key] else { continue }
      if command.effect == .create {
        report(member.line, "'\(key)' of \(place): what is made only now has no state before")
      }
      guard let lifecycle, let field = fields.first(where: { $0.name == lifecycle.field }) else {
        // Where a lifecycle is declared but wrong, that is reported already.
        if lines["lifecycle"] == nil { report(member.line, "'\(key)' of \(place), but there is no lifecycle") }
        continue
      }
      if key == "from" {
        let states = texts(member.value, of: "'from' of \(place)")
        for (state, line) in states { checkState(state, of: field, line: line, "'from' of \(place)") }
        command.from = states.map(\.name)
      } else if let state = text(member.value, of: "'to' of \(place)") {
        checkState(state, of: field, line: member.line, "'to' of \(place)")
        command.to = state
      }
    }
  }

  private mutating func readSets(_ member: SourceNode.Member, _ place: String, _ command: inout Command) {
    guard let entries = mapping(member.value, of: "'sets' of \(place)") else { return }
    for entry in entries {
      guard let field = knownField(entry.key, line: entry.line, "'sets' of \(place)") else { continue }
      if field.name == lifecycle?.field {
        report(entry.line, "'sets' of \(place): '\(field.name)' moves by 'to' only")
      }
      let value = entry.value.json
      if let word = value.stringValue, word.hasPrefix("$") {
        switch word {
        case "$now":
          if field.type != .timestamp {
            report(entry.line, "'sets' of \(place): '$now' is a time and '\(field.name)' is none")
          }
        case "$actor":
          if field.reference?.types.contains("user") != true {
            report(entry.line, "'sets' of \(place): '$actor' is a user and '\(field.name)' refers to none")
          }
        default:
          report(
            entry.line,
            "'sets' of \(place): unknown word '\(word)'\(Suggestion.hint(for: word, in: ["$now", "$actor"]))")
        }
        command.sets[entry.key] = value
        continue
      }
      var faults: [ValueProblem] = []
      command.sets[entry.key] = FieldCheck.check(value, field: field, path: "", problems: &faults)
      for fault in faults {
        report(
          entry.line, "'sets' of \(place): the value of '\(field.name)' breaks the field's own rules: \(fault.problem)")
      }
    }
  }

  private mutating func readParameters(_ member: SourceNode.Member, _ place: String, _ command: inout Command) {
    command.parameters = readFieldList(
      member.value, of: "'params' of \(place)", in: .parameter(command: command.name))
    guard case .mapping(let entries) = member.value.content else { return }
    let takesFields = command.effect == .create || command.effect == .edit
    for entry in entries {
      if Self.reservedParameters.contains(entry.key) {
        report(entry.line, "parameter '\(entry.key)' of \(place) has the name of a parameter of every command")
      } else if takesFields, fields.contains(where: { $0.name == entry.key && $0.isAssignable }) {
        report(entry.line, "parameter '\(entry.key)' of \(place) has the name of a field that the command takes anyway")
      } else if entry.key == "organization_id", organization != .none, !command.needsIdentifier {
        report(entry.line, "parameter '\(entry.key)' of \(place) is there without being declared")
      }
    }
  }
}
