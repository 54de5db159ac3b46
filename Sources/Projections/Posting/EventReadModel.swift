/// A read model that is filled from events, as far as a chunk is for it.
final class EventReadModel: Sendable {
  let definition: ProjectionDefinition
  let filter: ProjectionDefinition.EventFilter
  /// The unit of its rows.
  let rows: UnitID
  /// Its units that the chunk is for.
  let units: [UnitID]
  /// Whether its rows are wanted, and come from events as they stand.
  let isFilled: Bool
  /// The columns that go straight into its table; nil where its own SQL takes them from the staging table.
  let columns: [StagedColumn]?
  /// Its units that get opened values.
  let opening: [UnitID]

  init(
    _ definition: ProjectionDefinition, _ filter: ProjectionDefinition.EventFilter, _ wanted: Set<UnitID>,
    _ model: ProjectionModel
  ) {
    let rows = UnitID(projection: definition.name, part: .rows)
    let units = definition.units.filter { wanted.contains($0) }
    let isFilled = wanted.contains(rows) && !definition.fill.isEmpty
    self.definition = definition
    self.filter = filter
    self.rows = rows
    self.units = units
    self.isFilled = isFilled
    if isFilled, case .events(let columns, _) = model.copies[rows] { self.columns = columns } else { columns = nil }
    opening =
      definition.opens.isEmpty
      ? []
      : units.filter { unit in
        definition.fillOpened.contains { SQLText.touchesPersonal($0) == (unit.part == .personal) }
      }
  }
}
