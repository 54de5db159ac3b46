import Access
import Postgres

/// Row-level security: what a PostgreSQL role that a `sql_role` resource made may read. The tables' owner, which is the
/// role that the server itself uses, is not bound by it.
enum AccessRules {
  /// The PostgreSQL role that all those roles are members of, and that holds their privileges.
  static let group = "daybook_sql"

  /// The statements for one part of a read model, in the schemas of that generation.
  static func statements(
    _ definition: ProjectionDefinition, _ part: UnitID.Part, _ generation: Generation, hasGroup: Bool,
    audience: Audience
  ) -> [String] {
    let rows = PostgresIdentifier.quote(generation.rows, definition.name)
    let table = part == .rows ? rows : PostgresIdentifier.quote(generation.personal, definition.name)
    var result = ["ALTER TABLE \(table) ENABLE ROW LEVEL SECURITY"]
    if hasGroup { result.append("GRANT SELECT ON \(table) TO \(group)") }
    switch part {
    case .rows:
      result += policyStatements(audience, table)
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

  /// The policy of a table of rows, with a comment that says what was asked for.
  private static func policyStatements(_ audience: Audience, _ table: String) -> [String] {
    guard let policy = audience.policy else { return [] }
    return [
      "CREATE POLICY tenant ON \(table) FOR SELECT USING (\(policy))",
      "COMMENT ON POLICY tenant ON \(table) IS \(PostgresLiteral.quote(policy))",
    ]
  }

  /// Makes the policy of a live table anew where the catalog has come to say
  /// otherwise of who may see its rows; the rows stay as they are.
  static func renewPolicy(
    _ definition: ProjectionDefinition, _ audience: Audience, _ session: PostgresSession
  ) throws {
    let table = PostgresIdentifier.quote(Generation.live.rows, definition.name)
    let found = try session.query(
      """
      SELECT obj_description(oid, 'pg_policy') FROM pg_catalog.pg_policy
      WHERE polrelid = to_regclass($1) AND polname = 'tenant'
      """, [.text(table)])
    guard found.rows.first?[0] != audience.policy else { return }
    try session.execute("DROP POLICY IF EXISTS tenant ON \(table)")
    for statement in policyStatements(audience, table) { try session.execute(statement) }
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
}
