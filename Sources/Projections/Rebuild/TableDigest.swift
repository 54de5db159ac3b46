import Postgres

/// What a table holds, in one line: equal for equal rows, in whatever order they lie.
public struct TableDigest: Sendable, Equatable {
  /// The table, such as `daybook.pipelines`.
  public let table: String
  /// How many rows it has.
  public let rows: Int
  /// MD5 (hexadecimal) over the sums of two 64-bit hashes of every row's text: a comparison, no proof against forgery.
  public let digest: String

  /// A table's content.
  public init(table: String, rows: Int, digest: String) {
    self.table = table
    self.rows = rows
    self.digest = digest
  }
}

enum Digests {
  /// The digests of some read models' tables, in the schemas of that generation but under the names of the live ones. Nothing is
  /// sorted, so no personal value is spilled to disk.
  static func read(
    _ definitions: [ProjectionDefinition], _ generation: Generation, _ session: PostgresSession
  ) throws -> [TableDigest] {
    try session.execute("SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = hex")
    var result: [TableDigest] = []
    for definition in definitions {
      for unit in definition.units {
        let isRows = unit.part == .rows
        let schema = isRows ? generation.rows : generation.personal
        let found = try session.query(
          """
          SELECT count(*), md5(concat_ws(':', count(*), sum(hashtextextended(line, 0)), sum(hashtextextended(line, 1))))
          FROM (SELECT t::text AS line FROM \(PostgresIdentifier.quote(schema, definition.name)) AS t) AS lines
          """)
        result.append(
          TableDigest(
            table: "\(isRows ? Generation.live.rows : Generation.live.personal).\(definition.name)",
            rows: found[0, 0].flatMap { Int($0) } ?? 0, digest: found[0, 1] ?? ""))
      }
    }
    return result
  }
}
