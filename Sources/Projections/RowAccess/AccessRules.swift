import Catalog
import Postgres

/// Row-level security: what a PostgreSQL role that a `sql_role` resource made may read. The tables' owner, which is the role
/// that the server itself uses, is not bound by it.
enum AccessRules {
  /// The PostgreSQL role that all those roles are members of, and that holds their privileges.
  static let group = "daybook_sql"

  /// The statements for one part of a read model, in the schemas of that generation.
  static func statements(
    _ definition: ProjectionDefinition, _ part: UnitID.Part, _ generation: Generation, hasGroup: Bool,
    visibility: Visibility? = nil
  ) -> [String] {
    let rows = PostgresIdentifier.quote(generation.rows, definition.name)
    let table = part == .rows ? rows : PostgresIdentifier.quote(generation.personal, definition.name)
    var result = ["ALTER TABLE \(table) ENABLE ROW LEVEL SECURITY"]
    if hasGroup { result.append("GRANT SELECT ON \(table) TO \(group)") }
    switch part {
    case .rows:
      if let condition = condition(definition) {
        let condition = visibility.map { "(\(condition)) AND \(own($0))" } ?? condition
        result.append("CREATE POLICY tenant ON \(table) FOR SELECT USING (\(condition))")
      }
    case .personal:
      // The rows that the asking role sees in the read model, and only with a recorded grant.
      result.append(
        """
        CREATE POLICY tenant ON \(table) FOR SELECT USING (
          (SELECT projector.may_read_personal())
          AND EXISTS (SELECT FROM \(rows) AS seen WHERE seen.id = \(PostgresIdentifier.quote(definition.name)).id))
        """)
      for column in definition.personalColumns where column.name != "id" {
        result.append("ALTER TABLE \(table) ALTER COLUMN \(PostgresIdentifier.quote(column.name)) SET STATISTICS 0")
      }
    }
    return result
  }

  /// Keeps values of indexed expressions out of `pg_statistic`, whose pages go through the write-ahead log.
  static func silenceExpressionIndexes(_ generation: Generation, _ session: PostgresSession) throws {
    let result = try session.query(
      """
      SELECT i.relname, a.attnum
      FROM pg_catalog.pg_index AS x
      JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.oid
      WHERE n.nspname = $1 AND x.indkey[a.attnum - 1] = 0 AND a.attstattarget <> 0
      """, [.text(generation.personal)])
    for row in result.rows {
      guard let name = row[0], let column = row[1] else { continue }
      let index = PostgresIdentifier.quote(generation.personal, name)
      try session.execute("ALTER INDEX \(index) ALTER COLUMN \(column) SET STATISTICS 0")
    }
  }

  /// The rows that a session may read which names its user: that user's own, everybody's, and shared ones. One that names none reads for its organization.
  private static func own(_ visibility: Visibility) -> String {
    let owner = PostgresIdentifier.quote(visibility.field)
    let asking = "nullif(current_setting('app.current_user_id', true), '')"
    let shared = visibility.unless.map { " OR \(PostgresIdentifier.quote($0))" } ?? ""
    return "(\(asking) IS NULL OR \(owner) IS NULL OR \(owner)::text = lower(\(asking))\(shared))"
  }

  /// Which rows of a read model belong to the asking role's organizations; nil where none do.
  private static func condition(_ definition: ProjectionDefinition) -> String? {
    switch definition.source {
    case .state(type: "organization"):
      return "id = ANY (ARRAY(SELECT projector.current_organizations()))"
    case .state(type: "user"):
      return "id = ANY (ARRAY(SELECT projector.visible_users()))"
    default:
      guard definition.columns.contains(where: { $0.name == "organization_id" }) else { return nil }
      let own = "organization_id = ANY (ARRAY(SELECT projector.current_organizations()))"
      guard !definition.publicColumns.isEmpty else { return own }
      // Public to whoever belongs somewhere.
      let isPublic = definition.publicColumns.map(PostgresIdentifier.quote).joined(separator: " OR ")
      return """
        \(own) OR ((\(isPublic)) AND deleted_at IS NULL AND EXISTS (SELECT FROM projector.current_organizations()))
        """
    }
  }
}
