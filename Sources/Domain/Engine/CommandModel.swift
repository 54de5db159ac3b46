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
  let parameters: CommandParameters
  let behaviour: AnyBehaviour?

  init(_ command: Command, of type: ResourceModel) throws {
    self.type = type
    self.command = command
    method = "\(type.name).\(command.name)"
    event = "\(type.name).\(command.event)"
    takesFields = command.effect == .create || command.effect == .edit
    needsTarget = command.effect != .create && command.needsIdentifier
    takesOrganization = type.organization != .none && !needsTarget
    if let name = command.behaviour {
      guard let known = Behaviours.table[name] else {
        throw Refusal.internalError("The catalog names the behaviour \(name), which this version does not have.")
      }
      behaviour = known
    } else {
      behaviour = nil
    }
    parameters = CommandParameters(command, of: type, method: method, behaviour: behaviour)
  }

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
