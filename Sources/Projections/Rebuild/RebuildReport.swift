/// How far a rebuild has come.
public struct RebuildProgress: Sendable, Equatable {
  /// What it is doing.
  public enum Phase: String, Sendable {
    /// Filling the tables beside the live ones.
    case filling
    /// Making indexes.
    case indexing
    /// Comparing with the live tables.
    case comparing
    /// Putting the new tables in the old ones' place.
    case swapping
  }
  /// What it is doing.
  public let phase: Phase
  /// The position that every table has at least.
  public let position: UInt64
  /// The last position to be taken in, as it is now.
  public let target: UInt64
}

/// What a rebuild came to.
public struct RebuildReport: Sendable {
  /// One table, before and after.
  public struct Table: Sendable, Equatable {
    /// The table, such as `daybook.pipelines`.
    public let name: String
    /// What the live table held at the same position; nil where it wasn't compared.
    public let before: TableDigest?
    /// What the rebuilt one holds.
    public let after: TableDigest
    /// Why the two weren't compared, such as "since there is no live table"; nil where they were.
    public let notCompared: String?
    /// Whether both are known and differ.
    public var differs: Bool { before.map { $0.digest != after.digest } ?? false }
  }
  /// The tables, in order.
  public let tables: [Table]
  /// The position that the rebuilt tables have.
  public let position: UInt64
  /// Whether the new tables have taken the old ones' place.
  public let isSwapped: Bool
  /// What couldn't be compared or filled, and why.
  public let notes: [String]
  /// The read models whose rebuilt tables stopped at an event.
  public let parked: [String]

  /// Whether every table was compared, up to the end.
  public var isComplete: Bool { parked.isEmpty && tables.allSatisfy { $0.notCompared == nil } }

  /// The tables that came out other than they were.
  public var differences: [String] { tables.filter(\.differs).map(\.name) }

  func swapped(_ isSwapped: Bool) -> RebuildReport {
    RebuildReport(tables: tables, position: position, isSwapped: isSwapped, notes: notes, parked: parked)
  }
}
