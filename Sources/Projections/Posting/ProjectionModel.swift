import Catalog

/// The types of the catalog as the projector sees them, and the read models.
struct ProjectionModel: Sendable {
  let types: [String: PostedType]
  let definitions: [ProjectionDefinition]
  /// The read model of each resource type's states.
  let stateProjections: [String: String]
  /// How rows go straight into the tables of these units.
  let copies: [UnitID: RowCopy]
  private let byName: [String: Int]

  init(catalog: Catalog, definitions: [ProjectionDefinition]) {
    types = Dictionary(catalog.types.map { ($0.name, PostedType($0)) }) { first, _ in first }
    self.definitions = definitions
    var states: [String: String] = [:]
    for definition in definitions {
      if case .state(let type) = definition.source { states[type] = definition.name }
    }
    stateProjections = states
    var copies: [UnitID: RowCopy] = [:]
    for definition in definitions {
      copies[UnitID(projection: definition.name, part: .rows)] = RowCopy(definition, types)
    }
    self.copies = copies
    byName = Dictionary(definitions.enumerated().map { ($1.name, $0) }) { first, _ in first }
  }

  func definition(_ name: String) -> ProjectionDefinition? { byName[name].map { definitions[$0] } }

  /// Whose eyes the rows of a read model are for, where not for all of the organization's.
  func visibility(of definition: ProjectionDefinition) -> Visibility? {
    guard case .state(let type) = definition.source else { return nil }
    return types[type]?.visibility
  }

  /// The definition of a unit that came from these definitions.
  func definition(of unit: UnitID) throws -> ProjectionDefinition {
    guard let definition = definition(unit.projection) else {
      throw ProjectionError(.unknown, "There is no read model \(unit.projection).")
    }
    return definition
  }
}
