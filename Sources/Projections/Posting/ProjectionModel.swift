import Access
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

  /// Who may see the rows of a read model: of the states of a type, as the type's resources; of events, as what belongs
  /// to the organization in their `organization_id`. Nobody where nothing says it.
  func audience(of definition: ProjectionDefinition) -> Audience {
    if case .state(let type) = definition.source, let audience = types[type]?.audience { return audience }
    let columns = Set(definition.columns.map(\.name))
    guard columns.contains("organization_id") else { return Audience(plural: definition.name, rules: []) }
    // What a run has recorded is for those whose run it is; what else tells of everything, for nobody who is narrowed.
    let isOfRuns = columns.contains("run_id")
    return Audience(
      plural: definition.name,
      rules: isOfRuns ? [.tenantExcept(.workspaces), .colleague(.byRun)] : [.tenantExcept(.workspaces)],
      veiled: columns.contains("resource_type") ? types.values.filter(\.isVeiled).map(\.name).sorted() : [])
  }

  /// The personal columns that are for no SQL role: of fields that aren't for all members of an organization.
  func withheld(of definition: ProjectionDefinition) -> Set<String> {
    guard case .state(let type) = definition.source else { return [] }
    return types[type]?.withheld ?? []
  }

  /// The definition of a unit that came from these definitions.
  func definition(of unit: UnitID) throws -> ProjectionDefinition {
    guard let definition = definition(unit.projection) else {
      throw ProjectionError(.unknown, "There is no read model \(unit.projection).")
    }
    return definition
  }
}
