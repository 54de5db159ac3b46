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
    audience: Audience, withheld: Set<String>
  ) -> [String] {
    let table = table(definition, part, generation)
    var result = ["ALTER TABLE \(table) ENABLE ROW LEVEL SECURITY"]
    if hasGroup { result.append(grant(definition, part, generation, withheld)) }
    result += policyStatements(definition, part, generation, audience, withheld)
    if part == .personal {
      for column in definition.personalColumns where column.name != "id" {
        result.append("ALTER TABLE \(table) ALTER COLUMN \(PostgresIdentifier.quote(column.name)) SET STATISTICS 0")
      }
    }
    return result
  }

  /// What lets roles read the columns of a part. A personal column that isn't for all of an organization is for none of
  /// them: a role is nobody's person, officer or administrator. Where no other is left, the policy shows no row.
  private static func grant(
    _ definition: ProjectionDefinition, _ part: UnitID.Part, _ generation: Generation, _ withheld: Set<String>
  ) -> String {
    let table = table(definition, part, generation)
    let shown = definition.personalColumns.map(\.name).filter { !withheld.contains($0) }
    guard part == .personal, !withheld.isEmpty, shown != ["id"] else { return "GRANT SELECT ON \(table) TO \(group)" }
    return
      "GRANT SELECT (\(shown.map { PostgresIdentifier.quote($0) }.joined(separator: ", "))) ON \(table) TO \(group)"
  }

  /// Which rows of a part of a read model a role may see; nil where it sees none. What has personal columns isn't shown
  /// while these are being filled again.
  private static func policy(
    _ definition: ProjectionDefinition, _ part: UnitID.Part, _ generation: Generation, _ audience: Audience,
    _ withheld: Set<String>
  ) -> String? {
    let whole = "(SELECT projector.is_whole(\(PostgresLiteral.quote(definition.name))))"
    switch part {
    case .rows:
      guard let policy = audience.policy, !definition.personalColumns.isEmpty else { return audience.policy }
      return "\(whole) AND (\(policy))"
    case .personal:
      if !withheld.isEmpty, definition.personalColumns.allSatisfy({ $0.name == "id" || withheld.contains($0.name) }) {
        return "false"
      }
      // The rows that the asking role sees in the read model, and only with a recorded grant.
      let rows = PostgresIdentifier.quote(generation.rows, definition.name)
      var seen = "seen.id = \(PostgresIdentifier.quote(definition.name)).id"
      if definition.personalColumns.contains(where: { $0.name == "about" }) {
        // A reason that is about somebody is for that person, officers and administrators.
        seen +=
          " AND coalesce(cardinality(about), 0) = 0 AND seen.resource_type <> ALL ('{\(Audience.typesOfPersons)}')"
      }
      return """
        \(whole) AND (SELECT projector.may_read_personal())
          AND EXISTS (SELECT FROM \(rows) AS seen WHERE \(seen))
        """
    }
  }

  /// The policy of a table, with a comment that says what was asked for.
  private static func policyStatements(
    _ definition: ProjectionDefinition, _ part: UnitID.Part, _ generation: Generation, _ audience: Audience,
    _ withheld: Set<String>
  ) -> [String] {
    guard let policy = policy(definition, part, generation, audience, withheld) else { return [] }
    let table = table(definition, part, generation)
    return [
      "CREATE POLICY tenant ON \(table) FOR SELECT USING (\(policy))",
      "COMMENT ON POLICY tenant ON \(table) IS \(PostgresLiteral.quote(policy))",
    ]
  }

  private static func table(
    _ definition: ProjectionDefinition, _ part: UnitID.Part, _ generation: Generation
  ) -> String {
    PostgresIdentifier.quote(part == .rows ? generation.rows : generation.personal, definition.name)
  }

  /// Makes the policies of a live read model anew where the catalog, or this program, has come to say otherwise of who
  /// may see its rows, and takes columns from SQL roles that are no longer for them; the rows stay as they are.
  static func renewPolicies(
    _ definition: ProjectionDefinition, _ audience: Audience, withheld: Set<String>, hasGroup: Bool,
    _ session: PostgresSession
  ) throws {
    if hasGroup, !withheld.isEmpty { try renewGrant(definition, withheld, session) }
    for unit in definition.units {
      let table = table(definition, unit.part, .live)
      let found = try session.query(
        """
        SELECT obj_description(p.oid, 'pg_policy') FROM pg_catalog.pg_class AS c
        LEFT JOIN pg_catalog.pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'tenant'
        WHERE c.oid = to_regclass($1)
        """, [.text(table)])
      // A table that isn't there is made with its policy.
      guard let comment = found.rows.first?[0] ?? found.rows.first.map({ _ in "" }) else { continue }
      // One that was made in a rebuild names the rows as they were called then; PostgreSQL goes by what they are.
      let known = [Generation.live, .next].map { policy(definition, unit.part, $0, audience, withheld) ?? "" }
      guard !known.contains(comment) else { continue }
      try session.execute("DROP POLICY IF EXISTS tenant ON \(table)")
      for statement in policyStatements(definition, unit.part, .live, audience, withheld) {
        try session.execute(statement)
      }
    }
  }

  private static func renewGrant(
    _ definition: ProjectionDefinition, _ withheld: Set<String>, _ session: PostgresSession
  ) throws {
    let table = table(definition, .personal, .live)
    let found = try session.query(
      """
      SELECT has_table_privilege($1, c.oid, 'SELECT') FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass($2)
      """, [.text(group), .text(table)])
    let wanted = grant(definition, .personal, .live, withheld)
    guard found.rows.first?[0] == "t", wanted.contains("(") else { return }
    try session.execute("REVOKE SELECT ON \(table) FROM \(group)")
    try session.execute(wanted)
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
