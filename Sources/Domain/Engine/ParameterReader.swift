import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Records
import Refusals

/// Reads one command's parameters: each by its declared field, then what the type and the behaviour ask for besides;
/// and lists every fault.
struct ParameterReader {
  private let command: CommandModel
  private let type: ResourceModel
  private let principal: Principal
  private var common = CommonParameters()
  private var problems: [ValueProblem] = []
  private var id: Identifier?
  private var organization: Identifier?
  private var fields = JSONObject()
  private var parameters = JSONObject()
  private var defaulted: Set<String> = []

  init(command: CommandModel, principal: Principal) {
    self.command = command
    self.principal = principal
    type = command.type
  }

  private var isCreation: Bool { command.command.effect == .create }

  mutating func read(_ given: JSONObject, origin: Origin, engine: CommandEngine) throws -> PreparedCommand {
    let params = command.behaviour?.traits.normalize?(given) ?? given
    var faults: [ValueProblem] = []
    command.parameters.list.read(params, problems: &faults) { index, value, isDefault in
      take(value, of: index, isDefault: isDefault)
    }
    problems = faults + problems
    common.check(&problems)
    if isCreation { refuseMasks(params) }
    for (name, value) in command.parameters.ownDefaults { fields.append(key: name, value: value) }
    if command.command.requiresReason, let reason = common.reason, reason.allSatisfy(\.isWhitespace) {
      refuse("/reason", "is required")
    }
    if command.takesOrganization, organization == nil, params["organization_id"]?.isNull ?? true {
      defaultOrganization()
    }
    let preparation = prepare(engine)
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
    return PreparedCommand(
      method: command.method, content: .single(command, preparation), principal: principal,
      origin: common.origin(by: origin), common: common, id: id, organization: organization, fields: fields,
      parameters: parameters,
      defaulted: defaulted, fingerprint: engine.fingerprint(common, command, params: given))
  }

  private mutating func refuse(_ path: String, _ problem: String) {
    problems.append(ValueProblem(path: path, problem: problem))
  }

  /// A mask stands for a secret that is kept already: nothing new has one.
  private mutating func refuseMasks(_ params: JSONObject) {
    for case .field(let field) in command.parameters.roles {
      guard field.secretScope != nil, let value = params[field.name] else { continue }
      SecretMembers.refuseMasks(in: value, path: "/" + JSONPointer.escape(field.name), problems: &problems)
    }
  }

  /// Puts a value, which its field allows, where it belongs.
  private mutating func take(_ value: JSON, of index: Int, isDefault: Bool) {
    switch command.parameters.roles[index] {
    case .common(let parameter): common.take(value, as: parameter)
    case .id: takeID(value)
    case .organization: organization = value.stringValue.flatMap { Identifier($0) }
    case .field(let field):
      takeField(field, value)
      if isDefault { defaulted.insert(field.name) }
    case .own:
      let name = command.parameters.list.all[index].field.name
      parameters.append(key: name, value: value)
      if isDefault { defaulted.insert(name) }
    }
  }

  private mutating func takeID(_ value: JSON) {
    guard let identifier = value.stringValue.flatMap({ Identifier($0) }) else { return }
    // Version 5 ids are what reports derive from names: whoever took one would stand in the way of another's report. A
    // person's id is in headers, which stay for ever, so it must not be made of a name or of a machine.
    let isMadeOfNothing = [4, 7].contains(identifier.version)
    if isCreation, identifier.isReserved || identifier.version == 5 || (type.name == "user" && !isMadeOfNothing) {
      refuse("/id", "is reserved for ids that the server derives: leave it out, or send a UUID of version 4 or 7")
      return
    }
    id = identifier
  }

  private mutating func takeField(_ field: FieldModel, _ value: JSON) {
    if value.isNull {
      // On an edit a null clears. At creation the field is left empty, default or not.
      if !isCreation || command.behaviour?.traits.fillsDefaults == true { fields.append(key: field.name, value: .null) }
      return
    }
    if field.field.secret == .refused, SecretPattern.matches(value: value) {
      refuse("/" + field.name, ParameterReader.carriesSecret)
      return
    }
    fields.append(key: field.name, value: value)
  }

  private static let carriesSecret = """
    carries a password or a signature, and is kept as it is; send it without, and keep the secret in a credential or \
    make the link anew where it is used
    """

  private mutating func defaultOrganization() {
    if command.behaviour?.traits.findsOrganization == true { return }
    if let behaviour = command.behaviour, let source = behaviour.traits.organizationSource,
      fields[source]?.stringValue != nil
    {
      return
    }
    if principal.keyPermissions != nil || !principal.organizations.isEmpty, let only = principal.onlyOrganization {
      organization = only
    } else if type.organization == .required {
      refuse("/organization_id", "is required: say which organization it belongs to")
    }
  }

  private mutating func prepare(_ engine: CommandEngine) -> Preparation<Deciding> {
    guard let behaviour = command.behaviour else { return .ready { try $0.applyCatalog() } }
    var context = CheckContext(
      model: engine.model, principal: principal, id: id, isCreation: isCreation, organization: organization,
      refused: Set(problems.map(\.path)), fields: fields, parameters: parameters)
    let preparation = behaviour.prepare(&context)
    fields = context.fields
    parameters = context.parameters
    problems += context.problems
    return preparation
  }
}
