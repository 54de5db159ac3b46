import Postgres

/// The statements that fill one part of a read model from a staged chunk.
struct UnitPlan: Sendable {
  /// The staging tables.
  enum Stage: Sendable {
    case events, changes
  }

  /// The COPY that takes rows straight into the table, where there is such a way.
  let copy: String?
  /// Which staging table ``fill`` reads.
  let stage: Stage
  /// Statements that read the staging table.
  let fill: [String]
  /// Statements that get a piece of opened values as `$1`.
  let fillOpened: [String]
  /// Statements that take rows away again; they get a piece of the events that do as `$1`.
  let removal: [String]
  /// The partitions of its table, where it has any.
  let partitions: MonthPartitions?

  /// The plan of a unit in the schemas of that generation.
  init(_ unit: UnitID, of definition: ProjectionDefinition, _ generation: Generation, _ model: ProjectionModel) {
    copy = model.copies[unit].map { copy in
      let columns = copy.columns.map { PostgresIdentifier.quote($0) }.joined(separator: ", ")
      let table = PostgresIdentifier.quote(generation.rows, definition.name)
      return "COPY \(table) (\(columns)) FROM STDIN WITH (FORMAT binary)"
    }
    partitions = unit.part == .rows ? MonthPartitions(definition, generation) : nil
    if case .state = definition.source { stage = .changes } else { stage = .events }
    removal = definition.removal.filter { SQLText.touchesPersonal($0) == (unit.part == .personal) }
      .map { SQLText.renamed($0, for: generation) }
    switch (definition.source, unit.part) {
    case (.state(let type), .rows):
      fill = [UnitPlan.mergeRows(definition, type: type, generation)]
      fillOpened = []
    case (.state, .personal):
      fill = []
      fillOpened = [UnitPlan.mergePersonal(definition, generation)]
    case (.events, let part):
      func mine(_ statements: [String]) -> [String] {
        statements.filter { SQLText.touchesPersonal($0) == (part == .personal) }
          .map { SQLText.renamed($0, for: generation) }
      }
      fill = mine(definition.fill)
      fillOpened = mine(definition.fillOpened)
    }
  }

  /// Merges the set fields into each resource's row: a column that is not in the JSON keeps its value.
  ///
  /// The row before is looked up one by one, since a join would leave it to the planner whether to walk through the
  /// whole table for each: without statistics, and before the table has grown, it does. It has a name that no column
  /// can have.
  private static func mergeRows(
    _ definition: ProjectionDefinition, type: String, _ generation: Generation
  ) -> String {
    let table = PostgresIdentifier.quote(generation.rows, definition.name)
    return """
      INSERT INTO \(table) AS t
      SELECT merged.* FROM staged_changes AS s
      CROSS JOIN LATERAL jsonb_populate_record(\(rowBefore(table)), s.changes) AS merged
      WHERE s.resource_type = \(PostgresLiteral.quote(type))
      ON CONFLICT (id) DO UPDATE SET \(assignments(definition.columns))
      """
  }

  private static func mergePersonal(_ definition: ProjectionDefinition, _ generation: Generation) -> String {
    let table = PostgresIdentifier.quote(generation.personal, definition.name)
    return """
      INSERT INTO \(table) AS t
      SELECT merged.* FROM (
        SELECT (e ->> 'id')::uuid AS id, e AS changes FROM jsonb_array_elements($1::jsonb) AS e OFFSET 0
      ) AS s
      CROSS JOIN LATERAL jsonb_populate_record(\(rowBefore(table)), s.changes) AS merged
      ON CONFLICT (id) DO UPDATE SET \(assignments(definition.personalColumns))
      """
  }

  /// The row of a resource `s` as it is by now; NULL of its type where there is none.
  private static func rowBefore(_ table: String) -> String {
    #"(SELECT "row before" FROM \#(table) AS "row before" WHERE "row before".id = s.id)"#
  }

  private static func assignments(_ columns: [SQLColumn]) -> String {
    columns.filter { $0.name != "id" }.map { column in
      let name = PostgresIdentifier.quote(column.name)
      return "\(name) = excluded.\(name)"
    }.joined(separator: ", ")
  }
}
