/// What a platform's document says is to go, or to be archived: a period for the rows of one table.
///
/// What no entry names is kept.
public struct PlatformRetention: Sendable, Equatable {
  /// How a sweep tells the age of what it takes.
  public enum Age: String, Sendable, CaseIterable {
    /// By when it was recorded; of runs, `created_at`.
    case recorded
    /// By the time that each line has of its own.
    case line
    /// By the time until which it says itself that it is kept.
    case expiry
  }

  /// The class of data, as `retention_policy.class` names it.
  public let retentionClass: String
  /// The documented table.
  public let table: String
  /// How long its rows are kept.
  public let keepHours: Int64
  /// The documented column whose time counts.
  public let column: String
  /// What that column's time is here.
  public let age: Age
  /// Whether the rows are archived; else they are deleted.
  public let isArchived: Bool
  /// The fields of the table's resource that must have one of these words; empty for all rows.
  public let only: [PlatformCondition]
}
