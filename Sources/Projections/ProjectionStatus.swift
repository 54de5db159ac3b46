/// Where a read model stands.
public struct ProjectionStatus: Sendable, Equatable {
  /// What it is doing.
  public enum State: String, Sendable, CaseIterable {
    /// It has everything, or is about to.
    case running
    /// It is more than a chunk behind.
    case catchingUp = "catching_up"
    /// It stopped at an event that it can't apply.
    case parked
    /// Its file has changed, or somebody asked: it is being filled anew beside the live table.
    case rebuilding
    /// PostgreSQL is away.
    case unavailable
    /// Its personal columns were emptied by a crash and are being filled again.
    case refilling
  }

  /// The read model's name.
  public let name: String
  /// The last position whose effect it shows, in all its parts.
  public let position: UInt64
  /// The last position of the log.
  public let head: UInt64
  /// How many events it is behind.
  public let lagEvents: UInt64
  /// How many seconds of the log it is behind: between the event it has and the log's last one.
  public let lagSeconds: Double
  /// What it is doing.
  public let state: State
  /// Where it stopped and what PostgreSQL said, without values; or why PostgreSQL can't be used.
  public let error: Problem?

  /// Why a read model doesn't move.
  public struct Problem: Sendable, Equatable {
    /// The position of the event that it can't apply; nil where it isn't an event's fault.
    public let position: UInt64?
    /// A sentence for a person.
    public let message: String
  }
}
