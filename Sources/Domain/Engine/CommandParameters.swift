import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Records

/// What a command takes, and what each of it is for. Made once for each command.
struct CommandParameters: Sendable {
  /// What a parameter is for.
  enum Role: Sendable {
    /// One of those that every command takes.
    case common(CommonParameter)
    /// The target, or what a new resource shall be called.
    case id
    /// The organization of a new resource.
    case organization
    /// A field of the resource.
    case field(FieldModel)
    /// The command's own.
    case own
  }

  let list: ParameterList
  /// By the place of each parameter in ``list``.
  let roles: [Role]
  /// What of each parameter, by name, may stand in what is kept of a request.
  let exposure: [String: ParameterExposure]

  /// The defaults of a new resource's fields that no caller may set.
  let ownDefaults: [(field: String, value: JSON)]

  /// What one command of a resource type takes.
  init(_ command: Command, of type: ResourceModel, method: String, behaviour: AnyBehaviour?) {
    let own = Set(command.parameters.map(\.name))
    let takesFields = command.effect == .create || command.effect == .edit
    var parameters: [ParameterList.Parameter] = []
    var roles: [Role] = []
    for field in type.type.allParameters(of: command) {
      if let common = CommonParameter(rawValue: field.name) {
        roles.append(.common(common))
        parameters.append(ParameterList.Parameter(field))
      } else if own.contains(field.name) {
        roles.append(.own)
        parameters.append(ParameterList.Parameter(field))
      } else if takesFields, let model = type.field(field.name) {
        roles.append(.field(model))
        // The first state of a lifecycle is set by the decision, and some behaviours set all defaults.
        let fillsDefault = behaviour?.traits.fillsDefaults != true && model.field.defaultValue != nil
        parameters.append(ParameterList.Parameter(field, keepsNull: true, fillsDefault: fillsDefault))
      } else {
        roles.append(field.name == "id" ? .id : .organization)
        parameters.append(ParameterList.Parameter(field))
      }
    }
    list = ParameterList(
      method: method, parameters, refused: takesFields ? Self.refusals(command, type) : [:])
    self.roles = roles
    exposure = Dictionary(
      zip(parameters.map(\.field), roles).map { ($0.name, CommandParameters.exposure(of: $0, $1)) },
      uniquingKeysWith: { first, _ in first })
    let given = Set(parameters.map(\.field.name))
    let fillsDefaults = command.effect == .create && behaviour?.traits.fillsDefaults != true
    ownDefaults = type.fields.compactMap { model in
      guard fillsDefaults, !given.contains(model.name), let value = model.field.defaultValue else { return nil }
      return (model.name, value)
    }
  }

  /// What a batch takes.
  init(batch method: String, limit: Int) {
    var name = Field.parameter("method", .text, "The command's name.", isRequired: true)
    name.maximumBytes = 100
    var commands = Field.parameter("commands", .list, "The commands, in order.", isRequired: true)
    commands.items = [name, .parameter("params", .object, "What it takes.")]
    commands.maximumCount = limit
    let common = Command.commonParameters.filter { $0.name != CommonParameter.expectedVersion.rawValue }
    list = ParameterList(
      method: method,
      [ParameterList.Parameter(commands, checksLater: true)] + common.map { ParameterList.Parameter($0) },
      refused: [CommonParameter.expectedVersion.rawValue: "belongs to the commands of a batch"])
    roles = [.own] + common.compactMap { CommonParameter(rawValue: $0.name).map(Role.common) }
    ownDefaults = []
    exposure = [:]
  }

  private static func exposure(of field: Field, _ role: Role) -> ParameterExposure {
    if case .common(.reason) = role { return .personal }
    if field.personal != nil { return .personal }
    if case .field(let model) = role {
      switch model.keeping {
      case .plain: return .open
      case .personal: return .personal
      case .secret, .hash, .passwordHash: return .secret
      case .secretMembers(let scope): return .secretMembers(scope)
      }
    }
    if field.isHidden { return .secret }
    return SecretScope(field).map { .secretMembers($0) } ?? .open
  }

  /// Fields of the resource that this command doesn't take, and why.
  private static func refusals(_ command: Command, _ type: ResourceModel) -> [String: String] {
    var reasons: [String: String] = [:]
    for name in ResourceType.implicitFields {
      reasons[name] = name == "organization_id" ? "is fixed at creation" : "is set by Daybook itself"
    }
    for field in type.fields {
      reasons[field.name] = field.field.isAssignable ? "is fixed at creation" : field.setBy
    }
    return reasons
  }
}

/// The parameters that every command takes, by their names.
enum CommonParameter: String, Sendable {
  case commandID = "command_id"
  case about
  case expectedVersion = "expected_version"
  case reason
  case correlation = "correlation_id"
  case onBehalfOf = "on_behalf_of"
  case origin
  case dryRun = "dry_run"
}

/// What they said.
struct CommonParameters: Sendable {
  var commandID: String?
  var about: [Identifier] = []
  var expectedVersion: Int64?
  var reason: String?
  var correlation: String?
  var onBehalfOf: Identifier?
  /// Where that person is.
  var origin: Origin?
  var isDryRun = false

  /// Where the command came from: that of the connection, unless a program on it acts for a person.
  func origin(by connection: Origin) -> Origin {
    guard onBehalfOf != nil else { return connection }
    return Origin(ip: origin?.ip, userAgent: origin?.userAgent, givenBy: connection)
  }

  /// What is wrong with these together.
  func check(_ problems: inout [ValueProblem]) {
    if origin != nil, onBehalfOf == nil {
      problems.append(
        ValueProblem(path: "/origin", problem: "says where a person is for whom a key acts: give on_behalf_of too"))
    }
  }

  /// Takes a value that its field allows.
  mutating func take(_ value: JSON, as parameter: CommonParameter) {
    switch parameter {
    case .commandID: commandID = value.stringValue
    case .about:
      for element in value.arrayValue ?? [] {
        if let id = element.stringValue.flatMap({ Identifier($0) }), !about.contains(id) { about.append(id) }
      }
    case .expectedVersion: expectedVersion = value.integerValue
    case .reason: reason = value.stringValue
    case .correlation: correlation = value.stringValue
    // The engine has put the person's id in the place of an e-mail address.
    case .onBehalfOf: onBehalfOf = value.stringValue.flatMap { Identifier($0) }
    case .origin: origin = Origin(ip: value["ip"]?.stringValue, userAgent: value["user_agent"]?.stringValue)
    case .dryRun: isDryRun = value.boolValue ?? false
    }
  }
}
