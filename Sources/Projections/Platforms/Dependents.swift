import Postgres

/// What in the database depends on tables and views.
enum Dependents {
  /// Names what depends on some relations and is none of ours: views, foreign keys, functions of others.
  /// - Parameters:
  ///   - relations: the relations, schema-qualified.
  ///   - ours: views whose dependence doesn't count.
  static func names(of relations: [String], ours: [String], _ session: PostgresSession) throws -> [String] {
    guard !relations.isEmpty else { return [] }
    let found = try session.query(
      """
      SELECT DISTINCT coalesce(
        CASE WHEN v.oid IS NOT NULL THEN
          format('%s %I.%I', CASE v.relkind WHEN 'm' THEN 'materialized view' WHEN 'v' THEN 'view' ELSE 'rule of' END,
            vn.nspname, v.relname) END,
        pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
      FROM pg_catalog.pg_depend AS d
      JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_policy AS p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
      LEFT JOIN pg_catalog.pg_class AS pc ON pc.oid = p.polrelid
      LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
      LEFT JOIN pg_catalog.pg_rewrite AS w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
      LEFT JOIN pg_catalog.pg_class AS v ON v.oid = w.ev_class
      LEFT JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace
      WHERE n.nspname || '.' || c.relname = ANY ($1::text[]) AND d.deptype = 'n'
        AND (p.oid IS NULL OR pn.nspname || '.' || pc.relname <> ALL ($1::text[]))
        AND (w.oid IS NULL OR vn.nspname || '.' || v.relname <> ALL ($2::text[]))
      ORDER BY 1
      """, [.array(relations), .array(ours)])
    return found.rows.compactMap { $0[0] }
  }
}
