import Catalog
import Records
import Refusals

/// A command with its type, its parameters by name, and its behaviour.
final class CommandModel: Sendable {
  let type: ResourceModel
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

  init(_ command: Command, of type: ResourceModel) throws {
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
        throw Refusal.internalError("The catalog names the behaviour \(name), which this version does not have.")
      }
      behaviour = known
    } else {
      behaviour = nil
    }
  }

  func parameter(_ name: String) -> Field? { parametersByName[name].map { parameters[$0] } }

  /// Every command of a catalog by method name, internal ones included.
  /// - Throws: ``Refusal`` where the catalog names a behaviour that this version doesn't have.
  static func table(_ model: CatalogModel) throws -> [String: CommandModel] {
    var commands: [String: CommandModel] = [:]
    for resource in model.catalog.types {
      let type = try model.type(resource.name)
      for command in resource.commands {
        let compiled = try CommandModel(command, of: type)
        commands[compiled.method] = compiled
      }
    }
    return commands
  }
}
