import Postgres

/// What a table holds, in one line: equal for equal rows, in whatever order they lie.
public struct TableDigest: Sendable, Equatable {
  /// The table, such as `daybook.pipelines`.
  public let table: String
  /// How many rows it has.
  public let rows: Int
  /// MD5 (hexadecimal) over the sums of two 64-bit hashes of every row: a comparison
  /// within one database, no proof against forgery.
  public let digest: String
  /// The last position of the log whose effect it shows; nil where it wasn't asked for.
  public let position: UInt64?

  /// A table's content.
  public init(table: String, rows: Int, digest: String, position: UInt64? = nil) {
    self.table = table
    self.rows = rows
    self.digest = digest
    self.position = position
  }
}

enum Digests {
  /// The digests of parts of read models, in the schemas of that generation but under the names of the live ones.
  /// Nothing is sorted, so no personal value is spilled to disk.
  /// - Parameter positions: What each part shows, where that is to be told.
  static func read(
    _ units: [UnitID], _ generation: Generation, _ session: PostgresSession, positions: [UnitID: UInt64] = [:]
  ) throws -> [TableDigest] {
    try session.execute("SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = hex")
    return try units.map { unit in
      let schema = unit.part == .rows ? generation.rows : generation.personal
      let found = try digest(PostgresIdentifier.quote(schema, unit.projection), session)
      return TableDigest(
        table: table(unit), rows: found[0, 0].flatMap { Int($0) } ?? 0, digest: found[0, 1] ?? "",
        position: positions[unit])
    }
  }

  /// The name of the live table of a part.
  static func table(_ unit: UnitID) -> String {
    "\(unit.part == .rows ? Generation.live.rows : Generation.live.personal).\(unit.projection)"
  }

  /// A row's hash is mixed once more before it is added up: a record's own is a sum over its columns, so values that
  /// two rows have exchanged would cancel out. OFFSET 0 keeps it from being reckoned for each use.
  private static func digest(_ table: String, _ session: PostgresSession) throws -> PostgresResult {
    func query(_ row: String) -> String {
      """
      SELECT count(*), md5(concat_ws(':', count(*), sum(hashint8extended(h, 0)), sum(hashint8extended(h, 1))))
      FROM (SELECT \(row) AS h FROM \(table) AS t OFFSET 0) AS hashed
      """
    }
    do {
      return try session.savepoint { try $0.query(query("hash_record_extended(t, 0)")) }
    } catch let error as PostgresError where error.sqlState == "42883" {
      // A column of a type without a hash function.
      return try session.query(query("hashtextextended(t::text, 0)"))
    }
  }
}
