import BasicTypes
import Testing

@testable import EventLog

/// Which clocks are believed: the state machine alone.
@Suite struct ClockWatchTests {
  private static let start = Timestamp(microseconds: 1_796_000_000_000_000)
  private static let day: Int64 = 86_400
  /// Long after the machine's start, in microseconds.
  private static let uptime: Int64 = 90 * 86_400 * 1_000_000

  /// A watch, and what it makes of readings so many seconds after the start of the test.
  private struct Bench {
    var watch = ClockWatch(tolerance: 300)
    var last: Timestamp? = ClockWatchTests.start

    /// - Parameters:
    ///   - after: Seconds since the start, by the time since the machine's start.
    ///   - ahead: Seconds by which the clock is ahead of that.
    ///   - writes: Whether an event is written.
    mutating func read(
      after: Int64, ahead: Int64 = 0, from uptime: Int64 = ClockWatchTests.uptime, writes: Bool = false
    )
      -> ClockReading
    {
      let reading = watch.read(
        clock: ClockWatchTests.start.adding(seconds: after + ahead), uptime: uptime + after * 1_000_000, last: last)
      if writes { last = reading.at }
      return reading
    }
  }

  private func time(_ seconds: Int64) -> Timestamp { Self.start.adding(seconds: seconds) }

  @Test func `a clock that goes on is believed, and so is one that is put right by a little`() {
    var bench = Bench()
    for (after, ahead) in [(0, 0), (60, 0), (61, 3600), (100_000, 3000), (200_000, 2900)] as [(Int64, Int64)] {
      let reading = bench.read(after: after, ahead: ahead, writes: true)
      #expect(reading.standing == .trusted)
      #expect(reading.at == time(after + ahead))
      #expect(reading.now == reading.at)
      #expect(reading.problem == nil)
    }
  }

  @Test func `a jump of more than a day isn't believed, and time goes on as it went`() {
    var bench = Bench()
    #expect(bench.read(after: 10, writes: true).isTrusted)
    for after in [20, 30, 5000] as [Int64] {
      let reading = bench.read(after: after, ahead: 365 * Self.day, writes: true)
      #expect(reading.standing == .ahead(expected: time(after)))
      #expect(reading.at == time(after))
      #expect(reading.now == time(after))
      #expect(reading.clock == time(after + 365 * Self.day))
      #expect(!reading.isTrusted)
      #expect(reading.problem?.contains("daybook clock confirm") == true)
    }
    // Put right, it is believed again, and nothing stands in its way.
    let reading = bench.read(after: 5010, writes: true)
    #expect(reading.standing == .trusted)
    #expect(reading.at == time(5010))
  }

  @Test func `a jump stays a jump however long the clock goes on from it`() {
    var bench = Bench()
    _ = bench.read(after: 0, writes: true)
    #expect(!bench.read(after: 60, ahead: 2 * Self.day, writes: true).isTrusted)
    #expect(!bench.read(after: 40 * Self.day, ahead: 2 * Self.day, writes: true).isTrusted)
  }

  @Test func `a confirmed jump is believed from then on`() {
    var bench = Bench()
    _ = bench.read(after: 0, writes: true)
    let doubted = bench.read(after: 60, ahead: 20 * Self.day, writes: true)
    bench.watch.confirm(clock: doubted.clock, uptime: Self.uptime + 60_000_000, last: bench.last)
    let reading = bench.read(after: 70, ahead: 20 * Self.day, writes: true)
    #expect(reading.standing == .trusted)
    #expect(reading.at == time(70 + 20 * Self.day))
    #expect(!bench.read(after: 80, ahead: 22 * Self.day).isTrusted)
  }

  @Test(arguments: [(3, true), (29, true), (31, false), (70, false), (365, false)])
  func `a start after a stop of up to thirty days needs nothing`(days: Int64, isTrusted: Bool) {
    var bench = Bench()
    let reading = bench.read(after: 0, ahead: days * Self.day)
    #expect(reading.isTrusted == isTrusted)
    #expect(reading.at == (isTrusted ? time(days * Self.day) : time(0)))
  }

  @Test func `the clock of a machine that has just started may be set once more`() {
    var bench = Bench()
    #expect(bench.read(after: 0, from: 10_000_000).isTrusted)
    #expect(bench.read(after: 30, ahead: 3 * Self.day, from: 10_000_000).isTrusted)
    #expect(!bench.read(after: 3000, ahead: 6 * Self.day, from: 10_000_000).isTrusted)
  }

  @Test func `a restart doesn't confirm a jump`() {
    var bench = Bench()
    bench.watch.resume(lastClock: nil, isDoubted: true, overtaken: nil)
    #expect(!bench.read(after: 0, ahead: 5 * Self.day).isTrusted)
    #expect(bench.read(after: 10).isTrusted)
    #expect(!bench.read(after: 20, ahead: 5 * Self.day).isTrusted)
  }

  @Test func `a clock that is behind the last event stops writes until it is right`() {
    var bench = Bench()
    #expect(bench.read(after: 0, writes: true).isTrusted)
    let near = bench.read(after: 10, ahead: -200)
    #expect(near.standing == .trusted)
    #expect(near.at == time(0))
    let reading = bench.read(after: 20, ahead: -600)
    #expect(reading.standing == .behind(last: time(0)))
    #expect(reading.now == reading.clock)
    // Right again is no jump.
    #expect(bench.read(after: 10_000_000, writes: true).standing == .trusted)
  }

  @Test func `a clock that was set back over a quiet time is no jump when it is right again`() {
    var bench = Bench()
    _ = bench.read(after: 10 * Self.day, writes: false)
    #expect(bench.read(after: 10 * Self.day + 10, ahead: -5 * Self.day).isTrusted, "the last event is older still")
    let reading = bench.read(after: 10 * Self.day + 20)
    #expect(reading.standing == .trusted)
    #expect(reading.at == time(10 * Self.day + 20))
  }

  @Test func `after a confirmation, events stand still at a future one until it is reached`() {
    var bench = Bench()
    bench.last = time(365 * Self.day)
    let refused = bench.read(after: 0)
    #expect(refused.standing == .behind(last: time(365 * Self.day)))
    bench.watch.confirm(clock: refused.clock, uptime: Self.uptime, last: bench.last)
    for after in [1, 40 * Self.day, 364 * Self.day] {
      let reading = bench.read(after: after, writes: true)
      #expect(reading.standing == .overtaken(last: time(365 * Self.day)))
      #expect(reading.at == time(365 * Self.day))
      #expect(reading.now == time(after))
      #expect(reading.isTrusted)
    }
    // Set back again it is refused again, and so is a jump.
    #expect(bench.read(after: 364 * Self.day + 10, ahead: -Self.day).standing == .behind(last: time(365 * Self.day)))
    #expect(!bench.read(after: 364 * Self.day + 20, ahead: 2 * Self.day).isTrusted)
    let passed = bench.read(after: 366 * Self.day, writes: true)
    #expect(passed.standing == .trusted)
    #expect(passed.at == time(366 * Self.day))
  }

  @Test func `a confirmation outlives a restart, by what the clock said at the last event`() {
    var bench = Bench()
    bench.last = time(365 * Self.day)
    bench.watch.resume(lastClock: time(60 * Self.day), isDoubted: false, overtaken: bench.last)
    #expect(bench.read(after: 61 * Self.day).standing == .overtaken(last: time(365 * Self.day)))
    // A clock that is before what it said then was set back.
    var other = Bench()
    other.last = bench.last
    other.watch.resume(lastClock: time(60 * Self.day), isDoubted: false, overtaken: bench.last)
    #expect(other.read(after: 59 * Self.day).standing == .behind(last: time(365 * Self.day)))
    // A later event of the future is another one.
    bench.last = time(400 * Self.day)
    #expect(bench.read(after: 62 * Self.day).standing == .behind(last: time(400 * Self.day)))
  }

  @Test func `a log without events has nothing to compare with`() {
    var bench = Bench()
    bench.last = nil
    #expect(bench.read(after: 0, ahead: 1000 * Self.day).standing == .trusted)
  }

  @Test func `without a time since the machine's start only a clock that is behind is noticed`() {
    var watch = ClockWatch(tolerance: 300)
    #expect(watch.read(clock: time(900 * Self.day), uptime: nil, last: time(0)).standing == .trusted)
    #expect(watch.read(clock: time(-600), uptime: nil, last: time(0)).standing == .behind(last: time(0)))
  }
}
