import BasicTypes

/// What the clock said at one moment, and what the log makes of it.
public struct ClockReading: Sendable, Equatable {
  /// Whether the clock can be believed.
  public enum Standing: Sendable, Equatable {
    /// It goes on as it should.
    case trusted
    /// It is ahead of what the time since the machine's start explains, or of the log's last event by more than a stop
    /// explains; the time that is explained.
    case ahead(expected: Timestamp)
    /// It is behind the log's last event, of that time: no event can be written.
    case behind(last: Timestamp)
    /// It is behind the log's last event, of that time, and an administrator has confirmed it: events get the time of
    /// the last one until the clock has passed it.
    case overtaken(last: Timestamp)
    /// A story is told that happened before, such as a demonstration's: events get its time.
    case told
  }

  /// What the clock said.
  public let clock: Timestamp
  /// The time that events get: never before the last one's, and never one that only a clock that isn't believed says.
  public let at: Timestamp
  /// The present, by which decisions are made.
  public let now: Timestamp
  /// Whether the clock can be believed.
  public let standing: Standing

  /// Whether what destroys or decides by the clock alone may be done.
  public var isTrusted: Bool {
    switch standing {
    case .trusted, .overtaken, .told: true
    case .ahead, .behind: false
    }
  }

  /// What is wrong with it and what to do, for a person; nil where it is trusted, or a story is told.
  public var problem: String? {
    switch standing {
    case .trusted, .told: nil
    case .ahead(let expected):
      "The clock says \(clock), but by the time since the last event, or since this machine started, it should be about "
        + "\(expected): events get that time, and nothing is swept, expired or escalated by itself. Set the clock right; "
        + "where it is right, say so by `daybook clock confirm`."
    case .behind(let last):
      "The clock says \(clock), but the log's last event is of \(last). Set the clock right; writes are refused until "
        + "then. Where the clock is right and that event's time was wrong, say so by `daybook clock confirm`, or by "
        + "`daybook serve --confirm-clock` where the server doesn't start."
    case .overtaken(let last):
      "The clock says \(clock), which an administrator has confirmed, and the log's last event is of \(last): events get "
        + "that time until the clock has passed it; what the clock says is in their `clock`."
    }
  }

  /// How the standing is called in answers.
  public var word: String {
    switch standing {
    case .trusted: "trusted"
    case .ahead: "ahead"
    case .behind: "behind"
    case .overtaken: "overtaken"
    case .told: "told"
    }
  }
}
