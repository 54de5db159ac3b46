import Postgres

/// What a question reads of the read models.
///
/// The rows of a read model and its personal columns have a checkpoint each, and after a crash of PostgreSQL the latter
/// are filled again from the log. A question that reads both must see them at one position, or it would show resources
/// without what is known of them.
public struct ReadModelNeed: Sendable, Equatable {
  /// The read models whose rows are read.
  public let rows: [String]
  /// Those of them whose personal columns are read beside the rows.
  public let personal: [String]

  /// A question that reads the rows of read models, and the personal columns of some of them.
  public init(rows: [String], personal: [String] = []) {
    self.rows = rows
    self.personal = personal
  }

  /// The parts of the read models that are read.
  var units: Set<UnitID> {
    Set(rows.map { UnitID(projection: $0, part: .rows) } + personal.map { UnitID(projection: $0, part: .personal) })
  }

  /// A FROM item of one row that says how what is read stands: `position`, which all of it has reached (NULL where
  /// there is nothing), and `is_whole`: nothing of it is being filled again, and rows and personal columns are at one
  /// position. In one statement with the rows it tells of what the same snapshot shows.
  public var standing: String {
    let rows = rows.map(PostgresLiteral.quote).joined(separator: ", ")
    let personal = Set(personal).sorted().map(PostgresLiteral.quote)
    var parts = "c.part = 'rows'"
    var whole = "coalesce(bool_and(c.position >= c.refilling_to), false)"
    if !personal.isEmpty {
      parts = "(\(parts) OR c.projection IN (\(personal.joined(separator: ", "))))"
      // A crash has emptied the marker together with the personal tables, whatever the checkpoints still say.
      whole += " AND EXISTS (SELECT FROM personal.marker)"
      for name in personal {
        whole += " AND count(DISTINCT c.position) FILTER (WHERE c.projection = \(name)) = 1"
      }
    }
    return """
      (SELECT min(c.position) AS position, \(whole) AS is_whole FROM projector.checkpoints c \
      WHERE c.generation = 'live' AND c.projection IN (\(rows)) AND \(parts))
      """
  }
}

/// How the read models of a question stood in the snapshot that answered it.
public struct ReadModelStanding: Sendable, Equatable {
  /// The position that all that was read has reached.
  public let position: UInt64
  /// Whether nothing of it is being filled again, and rows and personal columns are at one position.
  public let isWhole: Bool

  /// What ``ReadModelNeed/standing`` gave as text.
  public init(position: String?, isWhole: String?) {
    self.position = position.flatMap { UInt64($0) } ?? 0
    self.isWhole = isWhole == "t"
  }
}
