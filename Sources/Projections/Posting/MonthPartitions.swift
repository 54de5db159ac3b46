import BasicTypes
import Postgres

/// The monthly partitions of a read model's table: one a month that has rows, made ahead for the present month and two
/// more, and a default one, so that no row is ever refused.
///
/// A row of a month without a partition goes to the default one first; then the month gets its own, and the row moves
/// there, in the same transaction, while nobody reads the table. Nobody but the owner has rights on a partition:
/// readers come by way of the table, whose row-level security binds them.
struct MonthPartitions: Sendable {
  /// How many months are made ahead, besides the present one.
  static let ahead = 2
  /// Rows of earlier months than so many days before the event that brings them stay in the default partition: what a
  /// client dates back can't make hundreds of tables.
  static let daysBack = 3653
  /// How many partitions one transaction makes at most, since each takes locks of
  /// its own; the others wait for the next.
  static let perTransaction = 6

  let name: String
  let column: String
  let schema: String

  /// Nil for a read model that isn't partitioned.
  init?(_ definition: ProjectionDefinition, _ generation: Generation) {
    guard let column = definition.partitionColumn else { return nil }
    name = definition.name
    self.column = column
    schema = generation.rows
  }

  private var table: String { PostgresIdentifier.quote(schema, name) }
  private var remainder: String { PostgresIdentifier.quote(schema, "\(name)_default") }

  private func partition(_ month: String) -> String {
    PostgresIdentifier.quote(schema, "\(name)_\(month.replacing("-", with: "_"))")
  }

  /// Makes the default partition and those ahead of a new table.
  func make(_ session: PostgresSession, at now: Timestamp = .now) throws {
    try session.execute("CREATE TABLE \(remainder) PARTITION OF \(table) DEFAULT")
    for month in MonthPartitions.months(ahead: now) { try add(month, session, takesRows: false) }
  }

  /// Gives every month that has come up its own partition, and makes those ahead of an event's time.
  func extend(_ session: PostgresSession, at now: Timestamp) throws {
    let ahead = MonthPartitions.months(ahead: now)
    guard let last = ahead.last, let end = MonthPartitions.end(of: last) else { return }
    let time = PostgresIdentifier.quote(column)
    let earliest = now.adding(seconds: Int64(-MonthPartitions.daysBack) * 86_400).month
    let found = try session.query(
      """
      SELECT to_char(month, 'YYYY-MM'), true FROM (
        SELECT DISTINCT date_trunc('month', \(time) AT TIME ZONE 'UTC') AS month FROM \(remainder)
        WHERE \(time) >= '\(earliest)-01 00:00:00+00' AND \(time) < '\(end)') AS come
      UNION ALL
      SELECT month, false FROM unnest($1::text[]) AS month
      WHERE to_regclass(format('%I.%I', $2::text, $3 || '_' || replace(month, '-', '_'))) IS NULL
      """, [.array(ahead), .text(schema), .text(name)])
    let months = found.rows.compactMap { row in row[0].map { (month: $0, hasRows: row[1] == "t") } }
    let full = Set(months.filter(\.hasRows).map(\.month))
    // Whoever has opened the table already would look for the moved rows where they were.
    if !full.isEmpty { try session.execute("LOCK TABLE \(table) IN ACCESS EXCLUSIVE MODE") }
    for month in Set(months.map(\.month)).sorted().suffix(MonthPartitions.perTransaction) {
      try add(month, session, takesRows: full.contains(month))
    }
  }

  /// Drops the partitions of months before an instant that have no row left.
  func dropEmpty(_ session: PostgresSession, before time: Timestamp) throws {
    let prefix = "\(name)_"
    let partitions = try session.query(
      """
      SELECT c.relname FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
      WHERE i.inhparent = $1::regclass ORDER BY c.relname
      """, [.text(table)])
    for partition in partitions.rows.compactMap({ $0[0] }) {
      let month = partition.dropFirst(prefix.count).replacing("_", with: "-")
      guard let start = Timestamp("\(month)-01", assumingUTC: true),
        start.adding(seconds: 32 * 86_400).month <= time.month
      else { continue }
      let quoted = PostgresIdentifier.quote(schema, partition)
      guard try session.query("SELECT FROM \(quoted) LIMIT 1").rowCount == 0 else { continue }
      try session.execute("DROP TABLE \(quoted)")
    }
  }

  /// The partitions that there are.
  static func all(of name: String, in schema: String, _ session: PostgresSession) throws -> [String] {
    try session.query(
      """
      SELECT c.relname FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
      WHERE i.inhparent = to_regclass($1) ORDER BY c.relname
      """, [.text(PostgresIdentifier.quote(schema, name))]
    ).rows.compactMap { $0[0] }
  }

  private func add(_ month: String, _ session: PostgresSession, takesRows: Bool) throws {
    guard let end = MonthPartitions.end(of: month) else { return }
    let new = partition(month)
    let range = "FROM ('\(month)-01 00:00:00+00') TO ('\(end)')"
    // Made apart and attached, which doesn't wait for those who read the table.
    try session.execute("CREATE TABLE \(new) (LIKE \(table) INCLUDING DEFAULTS INCLUDING STORAGE)")
    if takesRows {
      let time = PostgresIdentifier.quote(column)
      try session.execute(
        """
        WITH moved AS (
          DELETE FROM \(remainder) WHERE \(time) >= '\(month)-01 00:00:00+00' AND \(time) < '\(end)' RETURNING *)
        INSERT INTO \(new) SELECT * FROM moved
        """)
    }
    try session.execute("ALTER TABLE \(table) ATTACH PARTITION \(new) FOR VALUES \(range)")
  }

  /// The month of an instant, and those made ahead of it.
  static func months(ahead time: Timestamp) -> [String] {
    var months = [time.month]
    while months.count <= ahead, let last = months.last, let next = following(last) { months.append(next.month) }
    return months
  }

  private static func following(_ month: String) -> Timestamp? {
    // The 33rd day is in the next month.
    Timestamp("\(month)-01", assumingUTC: true)?.adding(seconds: 32 * 86_400)
  }

  /// The first instant after a month, as PostgreSQL reads it.
  private static func end(of month: String) -> String? { following(month).map { "\($0.month)-01 00:00:00+00" } }
}
