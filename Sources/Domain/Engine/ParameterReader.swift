import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Records
import Refusals

/// Reads the parameters that every command takes.
struct CommonParameterReader {
  var common = CommonParameters()

  private static let text = Field(name: "text", type: .text)

  /// Takes a parameter if it is one of those; what is wrong with it is added to `problems`.
  mutating func take(_ name: String, _ value: JSON, problems: inout [ValueProblem]) -> Bool {
    switch name {
    case "command_id":
      common.commandID = text(value, "/command_id", problems: &problems)
      if let id = common.commandID, id.isEmpty || id.utf8.count > 128 {
        problems.append(ValueProblem(path: "/command_id", problem: "must be 1 to 128 bytes"))
      }
    case "about": readAbout(value, problems: &problems)
    case "expected_version":
      guard !value.isNull else { break }
      if let version = value.integerValue, version >= 0 {
        common.expectedVersion = version
      } else {
        problems.append(ValueProblem(path: "/expected_version", problem: "must be an integer, 0 or more"))
      }
    case "reason":
      common.reason = text(value, "/reason", problems: &problems)
      if let reason = common.reason, reason.utf8.count > 10_000, reason.unicodeScalars.count > 10_000 {
        problems.append(ValueProblem(path: "/reason", problem: "must be at most 10000 characters"))
      }
    case "correlation_id":
      common.correlation = text(value, "/correlation_id", problems: &problems)
      if let id = common.correlation, id.isEmpty || id.utf8.count > 255 {
        problems.append(ValueProblem(path: "/correlation_id", problem: "must be 1 to 255 bytes"))
      }
    case "dry_run":
      guard !value.isNull else { break }
      if let isDryRun = value.boolValue {
        common.isDryRun = isDryRun
      } else {
        problems.append(ValueProblem(path: "/dry_run", problem: "must be true or false"))
      }
    default: return false
    }
    return true
  }

  private func text(_ value: JSON, _ path: String, problems: inout [ValueProblem]) -> String? {
    FieldCheck.check(value, field: CommonParameterReader.text, path: path, problems: &problems).stringValue
  }

  private mutating func readAbout(_ value: JSON, problems: inout [ValueProblem]) {
    if value.isNull { return }
    guard let elements = value.arrayValue, elements.count <= 16 else {
      problems.append(ValueProblem(path: "/about", problem: "must be an array of at most 16 user ids"))
      return
    }
    for (index, element) in elements.enumerated() {
      guard let id = element.stringValue.flatMap({ Identifier($0) }) else {
        problems.append(ValueProblem(path: "/about/\(index)", problem: "must be a UUID of 36 characters"))
        continue
      }
      if !common.about.contains(id) { common.about.append(id) }
    }
  }
}

/// Reads one command's parameters: splits them into common ones, the type's fields and the command's own, and lists every fault.
struct ParameterReader {
  private let command: CommandModel
  private let type: ResourceModel
  private let principal: Principal
  private var common = CommonParameterReader()
  private var problems: [ValueProblem] = []
  private var id: Identifier?
  private var organization: Identifier?
  private var fields = JSONObject()
  private var parameters = JSONObject()
  private var defaulted: Set<String> = []
  private var attachment: (any Sendable)?

  init(command: CommandModel, principal: Principal) {
    self.command = command
    self.principal = principal
    type = command.type
  }

  private var isCreation: Bool { command.command.effect == .create }

  mutating func read(_ given: JSONObject, origin: Origin, engine: CommandEngine) throws -> PreparedCommand {
    let params = command.behaviour?.normalize?(given) ?? given
    for (name, value) in params where !common.take(name, value, problems: &problems) {
      switch name {
      case "id" where command.needsTarget || isCreation: readID(value)
      case "organization_id" where command.takesOrganization: readOrganization(value)
      default: readOther(name, value)
      }
    }
    if command.needsTarget, id == nil, !params.contains("id") { refuse("/id", "is required") }
    if command.command.requiresReason, common.common.reason?.allSatisfy(\.isWhitespace) ?? true {
      refuse("/reason", "is required")
    }
    complete(given: params)
    if command.takesOrganization, organization == nil, !params.contains("organization_id") { defaultOrganization() }
    checkBehaviour(engine)
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
    return PreparedCommand(
      method: command.method, content: .single(command), principal: principal, origin: origin, common: common.common,
      id: id, organization: organization, fields: fields, parameters: parameters, defaulted: defaulted,
      fingerprint: engine.fingerprint(common.common, method: command.method, params: given),
      attachment: attachment, passwords: engine.passwords, engine: engine)
  }

  private mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  private mutating func readID(_ value: JSON) {
    if value.isNull, isCreation { return }
    guard let identifier = value.stringValue.flatMap({ Identifier($0) }) else {
      refuse("/id", "must be a UUID of 36 characters")
      return
    }
    if isCreation, identifier.isReserved || identifier.version == 5 {
      // Version 5 ids are what reports derive from names: whoever took one would stand in the way of another's report.
      refuse("/id", "is reserved for ids that the server derives: leave it out, or send a UUID of version 4 or 7")
      return
    }
    id = identifier
  }

  private mutating func readOrganization(_ value: JSON) {
    if value.isNull {
      defaultOrganization()
    } else if let identifier = value.stringValue.flatMap({ Identifier($0) }) {
      organization = identifier
    } else {
      refuse("/organization_id", "must be a UUID of 36 characters")
    }
  }

  private mutating func defaultOrganization() {
    if command.behaviour?.findsOrganization == true { return }
    if let behaviour = command.behaviour, let source = behaviour.organizationSource, fields[source]?.stringValue != nil
    {
      return
    }
    if principal.keyPermissions != nil || !principal.organizations.isEmpty, let only = principal.onlyOrganization {
      organization = only
    } else if type.organization == .required {
      refuse("/organization_id", "is required: say which organization it belongs to")
    }
  }

  private mutating func readOther(_ name: String, _ value: JSON) {
    let path = "/" + JSONPointer.escape(name)
    if let parameter = command.parameter(name) {
      let before = problems.count
      let checked = FieldCheck.check(value, field: parameter, path: path, problems: &problems)
      if !checked.isNull, problems.count == before { parameters.append(key: name, value: checked) }
      return
    }
    guard command.takesFields else {
      refuseUnknown(name, path)
      return
    }
    guard let field = type.field(name) else {
      if ResourceType.implicitFields.contains(name) {
        refuse(path, name == "organization_id" ? "is fixed at creation" : "is set by Daybook itself")
      } else {
        refuseUnknown(name, path)
      }
      return
    }
    readField(field, value, path)
  }

  private mutating func readField(_ field: FieldModel, _ value: JSON, _ path: String) {
    let isInitialState =
      isCreation && type.lifecycle?.field == field.name && type.lifecycle?.initialChoices.isEmpty == false
    guard field.field.isAssignable || isInitialState else {
      refuse(path, field.setBy)
      return
    }
    if !isCreation, field.field.isImmutable {
      refuse(path, "is fixed at creation")
      return
    }
    if value.isNull {
      if isCreation {
        // Left empty, default or not.
        if field.field.isRequired {
          refuse(path, "must not be null")
        } else if command.behaviour?.fillsDefaults == true {
          fields.append(key: field.name, value: .null)
        }
      } else if field.field.isRequired {
        refuse(path, "is required and can't be cleared")
      } else {
        fields.append(key: field.name, value: .null)
      }
      return
    }
    let before = problems.count
    let checked = FieldCheck.check(value, field: field.field, path: path, problems: &problems)
    if isCreation, case .secretMembers(let names) = field.keeping {
      SecretMembers.refuseMasks(in: value, names: names, path: path, problems: &problems)
    }
    guard problems.count == before else { return }
    if isInitialState, let lifecycle = type.lifecycle, let state = checked.stringValue,
      !lifecycle.initialChoices.contains(state)
    {
      refuse(path, "must be one of \(lifecycle.initialChoices.joined(separator: ", ")) at creation")
      return
    }
    fields.append(key: field.name, value: checked)
  }

  private mutating func refuseUnknown(_ name: String, _ path: String) {
    var known = command.parameters.map(\.name)
    if command.takesFields { known += type.fields.filter(\.field.isAssignable).map(\.name) }
    let hint = Suggestion.nearest(to: name, in: known).map { "; did you mean \($0)?" } ?? ""
    refuse(path, "is not a parameter of \(command.method)\(hint)")
  }

  /// Defaults, and what is missing.
  private mutating func complete(given: JSONObject) {
    for parameter in command.parameters where !parameters.contains(parameter.name) {
      if let value = parameter.defaultValue, given[parameter.name]?.isNull ?? true {
        parameters.append(key: parameter.name, value: value)
        defaulted.insert(parameter.name)
      } else if parameter.isRequired, !given.contains(parameter.name) {
        refuse("/" + parameter.name, "is required")
      }
    }
    guard isCreation else { return }
    for field in type.fields where !fields.contains(field.name) {
      if let value = field.field.defaultValue, !given.contains(field.name) {
        if command.behaviour?.fillsDefaults == true { continue }
        fields.append(key: field.name, value: value)
      } else if field.field.isRequired, field.field.isAssignable, !given.contains(field.name) {
        refuse("/" + field.name, "is required")
      }
    }
  }

  private mutating func checkBehaviour(_ engine: CommandEngine) {
    guard let check = command.behaviour?.check else { return }
    var context = CheckContext(
      model: engine.model, principal: principal, isCreation: isCreation, organization: organization,
      refused: Set(problems.map(\.path)), fields: fields, parameters: parameters)
    check(&context)
    fields = context.fields
    parameters = context.parameters
    problems += context.problems
    attachment = context.attachment
  }
}
