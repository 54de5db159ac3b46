import BasicTypes
import NIOConcurrencyHelpers

/// The time of a story that is told after it happened, such as a demonstration's month: it goes where the one who tells
/// it says, never beyond what the machine's clock says, and stands where nobody says more.
///
/// A log that is told so doesn't pass for another: each event says in its body's `clock` what the machine's clock said,
/// and each time that the story is taken on is recorded.
public final class StoryClock: Sendable {
  /// A stretch of the story, and how long it takes to tell.
  public struct Stretch: Sendable, Equatable {
    /// Where it begins.
    public let from: Timestamp
    /// Where it ends; never before it begins.
    public let to: Timestamp
    /// How many microseconds it takes.
    public let duration: Int64

    /// A stretch; one that would go backwards stands where it begins.
    public init(from: Timestamp, to: Timestamp, duration: Int64) {
      self.from = from
      self.to = max(from, to)
      self.duration = max(0, duration)
    }
  }

  private let told = NIOLockedValueBox<(stretch: Stretch, since: Int64)?>(nil)
  private let uptime: @Sendable () -> Int64

  /// A clock of which no story is told yet.
  public convenience init() { self.init(uptime: { ClockWatch.uptime }) }

  /// The same by other microseconds, which only go forward.
  init(uptime: @escaping @Sendable () -> Int64) {
    self.uptime = uptime
  }

  /// Tells a stretch from now on; nil ends the story.
  public func tell(_ stretch: Stretch?) {
    told.withLockedValue { $0 = stretch.map { ($0, uptime()) } }
  }

  /// The story's time; nil where none is told.
  public var now: Timestamp? {
    told.withLockedValue { told in
      guard let (stretch, since) = told else { return nil }
      let passed = uptime() - since
      guard passed < stretch.duration else { return stretch.to }
      let length = stretch.to.microseconds - stretch.from.microseconds
      let part = Double(passed) / Double(stretch.duration)
      return Timestamp(microseconds: stretch.from.microseconds + Int64(Double(length) * part))
    }
  }
}
