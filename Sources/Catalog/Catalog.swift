import CanonicalJSON

/// Everything that `schema/` says: the resource types, their fields, commands and rules, checked and in one value.
///
/// Commands, validation, `rpc.discover`, JSON Schemas, the permission matrix and
/// the record of processing all come from it.
public struct Catalog: Sendable {
  /// The resource types, in the order of their file names.
  public let types: [ResourceType]
  /// The platforms' documents, table by table, in the order of their file names; see ``Platform``.
  public let platforms: [Platform]
  /// SHA-256 (hex) of the canonical JSON of all files: the `schema` of every event that is written under it.
  public let revision: String
  /// The files as canonical JSON, by file name: what the `catalog.revised` event keeps.
  public let source: JSONObject

  private let typesByName: [String: Int]
  private let commandsByMethod: [String: (type: Int, command: Int)]

  /// A catalog of types that have been checked against each other.
  public init(types: [ResourceType], platforms: [Platform] = [], revision: String, source: JSONObject) {
    self.types = types
    self.platforms = platforms
    self.revision = revision
    self.source = source
    var byName: [String: Int] = [:]
    var byMethod: [String: (type: Int, command: Int)] = [:]
    for (index, type) in types.enumerated() {
      byName[type.name] = index
      for (position, command) in type.commands.enumerated() {
        byMethod["\(type.name).\(command.name)"] = (index, position)
      }
    }
    typesByName = byName
    commandsByMethod = byMethod
  }

  /// The resource type of that name (`pipeline`).
  public func type(_ name: String) -> ResourceType? {
    typesByName[name].map { types[$0] }
  }

  /// The platform of that name (`etl_builder`).
  public func platform(_ name: String) -> Platform? { platforms.first { $0.name == name } }

  /// The command that a method name (`pipeline.rollback`) means, with its resource type.
  public func command(_ method: String) -> (type: ResourceType, command: Command)? {
    commandsByMethod[method].map { (types[$0.type], types[$0.type].commands[$0.command]) }
  }

  /// Every command's method name, in order.
  public var commandMethods: [String] {
    types.flatMap { type in type.commands.map { "\(type.name).\($0.name)" } }
  }
}
