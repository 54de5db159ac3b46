import BasicTypes

#if canImport(Glibc)
  import Glibc
#endif

/// Tells a clock that goes on from one that was set: it compares what the clock says with the time since the machine's
/// start, which nobody sets, and with the log's last event.
///
/// A clock that is ahead isn't believed, however long it goes on so: until it is put right or confirmed, the time goes
/// on from where it was by the time since the machine's start. A clock that is behind the log's last event isn't
/// believed either, and there is no other time to give.
struct ClockWatch: Sendable {
  /// How far the clock may run ahead of what is explained, in seconds: less than anything is kept.
  static let jumpLimit: Int64 = 86_400
  /// How far it may be ahead of the log's last event at a start, in seconds: a stop explains that.
  static let stopLimit: Int64 = 30 * 86_400
  /// For so many seconds after the machine's start its clock may still be set for the first time.
  static let settling: Int64 = 1800

  /// How far the clock may be behind, in seconds.
  let tolerance: Int64
  /// A moment at which the clock was believed, and the time since the machine's start then, in microseconds.
  private var anchor: (clock: Timestamp, uptime: Int64)?
  /// What the clock said last before this process started.
  private var lastClock: Timestamp?
  /// Whether it has been believed since this process started.
  private var isSettled = false
  /// Whether it was found to be ahead though no stop could explain that.
  private var isDoubted = false
  /// The time of the last event when an administrator confirmed a clock that was behind it.
  private var overtaken: Timestamp?

  init(tolerance: Int64) {
    self.tolerance = tolerance
  }

  /// Goes on from what is recorded of the clock.
  /// - Parameters:
  ///   - lastClock: What the clock said at the last event, where that can be believed.
  ///   - isDoubted: Whether it was ahead when it was last recorded: a stop doesn't explain that away.
  ///   - overtaken: The time of the last event when a clock was confirmed that was behind it.
  mutating func resume(lastClock: Timestamp?, isDoubted: Bool, overtaken: Timestamp?) {
    self.lastClock = lastClock
    self.isDoubted = isDoubted
    self.overtaken = overtaken
  }

  /// What the log makes of the clock.
  /// - Parameters:
  ///   - uptime: The time since the machine's start in microseconds, suspended or not; nil watches for no jumps.
  ///   - last: The time of the log's last event; nil where it has none.
  mutating func read(clock: Timestamp, uptime: Int64?, last: Timestamp?) -> ClockReading {
    guard let last else {
      believe(clock, uptime)
      return ClockReading(clock: clock, at: clock, now: clock, standing: .trusted)
    }
    var isEven = true
    if let uptime {
      let from = anchor ?? (lastClock ?? last, uptime)
      anchor = from
      let expected = Timestamp(microseconds: from.clock.microseconds + uptime - from.uptime)
      let isJump = isDoubted || (isSettled && uptime >= ClockWatch.settling * 1_000_000)
      if clock > expected.adding(seconds: isJump ? ClockWatch.jumpLimit : ClockWatch.stopLimit) {
        isDoubted = isJump
        let time = max(expected, last)
        return ClockReading(
          clock: clock, at: time, now: ClockWatch.present(expected, last), standing: .ahead(expected: time))
      }
      isEven = clock >= expected.adding(seconds: -tolerance)
    }
    if clock >= last.adding(seconds: -tolerance) {
      // A clock that was set back a little is believed, but what comes after it is measured from where it was.
      if isEven { believe(clock, uptime) }
      return ClockReading(
        clock: clock, at: max(clock, last), now: ClockWatch.present(clock, last), standing: .trusted)
    }
    guard isEven, let overtaken, last <= overtaken.adding(seconds: ClockWatch.counted) else {
      return ClockReading(clock: clock, at: last, now: clock, standing: .behind(last: last))
    }
    believe(clock, uptime)
    return ClockReading(clock: clock, at: last, now: clock, standing: .overtaken(last: last))
  }

  /// The present by a time that is believed. Events have a microsecond each, so the last of many at once may be a
  /// little ahead of it.
  private static func present(_ time: Timestamp, _ last: Timestamp) -> Timestamp {
    time >= last.adding(seconds: -1) ? time : last
  }

  /// How far the events since a confirmation may have counted on from the last one before it, in seconds: each goes on
  /// by a microsecond as long as the clock is behind.
  private static let counted: Int64 = 3600

  /// Believes the clock as it is, since an administrator has confirmed it.
  mutating func confirm(clock: Timestamp, uptime: Int64?, last: Timestamp?) {
    believe(clock, uptime)
    overtaken = last.flatMap { clock < $0 ? $0 : nil }
  }

  private mutating func believe(_ clock: Timestamp, _ uptime: Int64?) {
    if let uptime { anchor = (clock, uptime) }
    isSettled = true
    isDoubted = false
  }

  /// Microseconds since the machine's start, suspended or not, which setting the clock doesn't change.
  static var uptime: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }
}
