import Access
import CanonicalJSON
import Catalog

/// The catalog, laid out so that a command finds what it needs without searching.
final class CatalogModel: Sendable {
  let catalog: Catalog
  /// Types by name.
  let types: [String: TypeModel]
  /// Commands by method name, internal ones included.
  let commands: [String: CommandModel]
  /// Plurals, for the check of permission maps.
  let plurals: Set<String>
  /// For each type whose makers some platforms' documents protect (`created_by … REFERENCES users`, without a clause that deletes): those platforms.
  let makerProtection: [String: Set<String>]

  init(catalog: Catalog) throws {
    self.catalog = catalog
    var types: [String: TypeModel] = [:]
    var commands: [String: CommandModel] = [:]
    for type in catalog.types {
      let model = TypeModel(type)
      types[type.name] = model
      for command in type.commands {
        let compiled = try CommandModel(command, of: model)
        commands[compiled.method] = compiled
      }
    }
    self.types = types
    self.commands = commands
    plurals = Set(catalog.types.map(\.plural))
    var protection: [String: Set<String>] = [:]
    for platform in catalog.platforms {
      for table in platform.tables {
        guard let resource = table.resource,
          table.columns.contains(where: {
            $0.source == .field("created_by") && $0.onDelete == .restrict && $0.isEnforced
          })
        else { continue }
        protection[resource, default: []].insert(platform.name)
      }
    }
    makerProtection = protection
  }

  /// The model of a type that the catalog must have for the engine's own work.
  func type(_ name: String) throws -> TypeModel {
    guard let type = types[name] else {
      throw DaybookError.internalError("The catalog has no resource type \(name).")
    }
    return type
  }
}

/// A resource type with what commands on it look up.
final class TypeModel: Sendable {
  let type: ResourceType
  let name: String
  let plural: String
  let organization: OrganizationRule
  let fields: [FieldModel]
  let references: [FieldModel]
  let unique: [UniqueConstraint]
  let versioned: Set<String>
  /// Whether a change of such a resource can change what some principal may do.
  let decidesPrincipals: Bool
  /// Facts by verb.
  let facts: [String: Fact]
  let updatedEvent: String
  let deletedEvent: String
  private let byName: [String: FieldModel]

  init(_ type: ResourceType) {
    self.type = type
    name = type.name
    plural = type.plural
    organization = type.organization
    fields = type.fields.map { FieldModel($0, of: type) }
    references = fields.filter { $0.field.type == .reference }
    unique = type.unique
    versioned = Set(type.versionedContent)
    decidesPrincipals = ["user", "membership", "api_key", "organization"].contains(type.name)
    facts = Dictionary(type.facts.map { ($0.event, $0) }, uniquingKeysWith: { _, last in last })
    updatedEvent = "\(type.name).\(type.command("edit")?.event ?? "edited")"
    deletedEvent = "\(type.name).\(type.command("delete")?.event ?? "deleted")"
    byName = Dictionary(fields.map { ($0.field.name, $0) }, uniquingKeysWith: { _, last in last })
  }

  func field(_ name: String) -> FieldModel? { byName[name] }

  /// The field that the lifecycle governs.
  var lifecycle: Lifecycle? { type.lifecycle }
}

/// A field and how its value is kept.
final class FieldModel: Sendable {
  /// How a value of the field stands in the log.
  enum Keeping: Sendable, Equatable {
    /// As it is.
    case plain
    /// Sealed with a person's key.
    case personal(PersonalData.Subject)
    /// Sealed with the organization's key.
    case secret
    /// Its members of these names sealed with the organization's key, each at its place.
    case secretMembers(Set<String>)
    /// A one-way hash, as it is; never shown.
    case hash
  }

  let field: Field
  let name: String
  let keeping: Keeping
  /// Who sets it, where callers may not: the hint of the refusal.
  let setBy: String

  init(_ field: Field, of type: ResourceType) {
    self.field = field
    name = field.name
    if let personal = field.personal {
      keeping = .personal(personal.subject)
    } else {
      switch field.secret {
      case nil: keeping = .plain
      case .whole: keeping = .secret
      case .hash: keeping = .hash
      case .members(let names): keeping = .secretMembers(Set(names.map { $0.lowercased() }))
      }
    }
    setBy = FieldModel.setters(of: field, in: type)
  }

  private static func setters(of field: Field, in type: ResourceType) -> String {
    let isLifecycle = type.lifecycle?.field == field.name
    let commands = type.commands.filter { command in
      !command.isInternal && (command.sets.contains(field.name) || (isLifecycle && command.to != nil))
    }
    if !commands.isEmpty {
      return "is set by " + commands.map { "\(type.name).\($0.name)" }.joined(separator: ", ")
    }
    if isLifecycle {
      let moving = type.commands.filter { $0.effect == .behaviour && !$0.isInternal }
      if !moving.isEmpty {
        return "follows from " + moving.map { "\(type.name).\($0.name)" }.joined(separator: ", ")
      }
    }
    return "is set by Daybook itself"
  }
}

/// A command with its type, its parameters by name, and its behaviour.
final class CommandModel: Sendable {
  let type: TypeModel
  let command: Command
  let method: String
  /// The full name of the event it records.
  let event: String
  /// Whether the type's assignable fields are parameters.
  let takesFields: Bool
  /// Whether `organization_id` is a parameter.
  let takesOrganization: Bool
  /// Whether `id` names an existing resource.
  let needsTarget: Bool
  let parameters: [Field]
  let behaviour: Behaviour?
  private let parametersByName: [String: Int]

  init(_ command: Command, of type: TypeModel) throws {
    self.type = type
    self.command = command
    method = "\(type.name).\(command.name)"
    event = "\(type.name).\(command.event)"
    takesFields = command.effect == .create || command.effect == .edit
    needsTarget = command.effect != .create && command.needsIdentifier
    takesOrganization = type.organization != .none && !needsTarget
    parameters = command.parameters
    parametersByName = Dictionary(
      command.parameters.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { _, last in last })
    if let name = command.behaviour {
      guard let known = Behaviours.table[name] else {
        throw DaybookError.internalError("The catalog names the behaviour \(name), which this version does not have.")
      }
      behaviour = known
    } else {
      behaviour = nil
    }
  }

  func parameter(_ name: String) -> Field? { parametersByName[name].map { parameters[$0] } }
}
