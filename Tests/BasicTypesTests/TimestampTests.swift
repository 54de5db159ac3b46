import BasicTypes
import Foundation
import TestBasics
import Testing

@Suite struct TimestampTests {
  @Test func `a time beyond all calendars is the last one, or the first`() {
    let time = Timestamp(microseconds: 0)
    #expect(time.adding(seconds: 60).microseconds == 60_000_000)
    #expect(time.adding(seconds: .max) == .maximum && time.adding(seconds: .min) == .minimum)
    #expect(Timestamp.maximum.adding(seconds: Int64.max / 1_000_000) == .maximum)
  }

  @Test(arguments: [
    // The examples of RFC 3339 §5.8.
    ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000Z"),
    ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57.000000Z"),
    ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000Z"),
    // A leap second counts as the second after it.
    ("1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000000Z"),
    ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00.000000Z"),
    ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
    ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    // Letters of either case, a space instead of the T, a comma, an offset without a colon.
    ("2026-11-21t07:40:52z", "2026-11-21T07:40:52.000000Z"),
    ("2026-11-21 07:40:52Z", "2026-11-21T07:40:52.000000Z"),
    ("2026-11-21T07:40:52,5Z", "2026-11-21T07:40:52.500000Z"),
    ("2026-11-21T07:40:52+0130", "2026-11-21T06:10:52.000000Z"),
    // More digits than microseconds are cut, not rounded.
    ("2026-11-21T07:40:52.1234569999Z", "2026-11-21T07:40:52.123456Z"),
    ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"), ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
  ])
  func `a text of RFC 3339 is read, and written in UTC with six digits`(_ text: String, _ written: String) throws {
    let time = try #require(Timestamp(text))
    #expect(time.text == written && time.description == written)
    #expect(Timestamp(written) == time)
  }

  @Test(arguments: [
    "", "2026", "2026-11-21", "2026-11-21T07:40:52", "2026-11-21T07:40Z", "2026-11-21T07:40:52.Z",
    "2026-11-21T07:40:52Z ", " 2026-11-21T07:40:52Z", "2026-11-21T07:40:52Zx", "2026-11-21_07:40:52Z",
    "26-11-21T07:40:52Z", "2026-1-21T07:40:52Z", "+2026-11-21T07:40:52Z",
    "2026-00-21T07:40:52Z", "2026-13-21T07:40:52Z", "2026-11-00T07:40:52Z", "2026-11-31T07:40:52Z",
    "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T07:60:52Z",
    "2026-11-21T07:40:61Z", "2026-11-21T07:40:52+24:00", "2026-11-21T07:40:52+01:60", "2026-11-21T07:40:52+1",
    "２０２６-11-21T07:40:52Z",
    // Outside of the years 1 to 9999, also by the offset.
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z",
  ])
  func `anything else is refused`(_ text: String) {
    #expect(Timestamp(text) == nil)
  }

  @Test func `where UTC is assumed, the zone and the time of the day may be missing`() {
    #expect(Timestamp("2026-11-21T07:40:52", assumingUTC: true)?.text == "2026-11-21T07:40:52.000000Z")
    #expect(Timestamp("2026-11-21T07:40:52.25", assumingUTC: true)?.text == "2026-11-21T07:40:52.250000Z")
    #expect(Timestamp("2026-11-21", assumingUTC: true)?.text == "2026-11-21T00:00:00.000000Z")
    #expect(Timestamp("2026-11-21T07:40:52+02:00", assumingUTC: true)?.text == "2026-11-21T05:40:52.000000Z")
    #expect(Timestamp("2026-11", assumingUTC: true) == nil && Timestamp("2026-11-21T07", assumingUTC: true) == nil)
  }

  @Test(.seeded) func `any instant comes back from its text, and another calendar names the same day`() throws {
    var random = try Seeded()
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    for round in 0..<4000 {
      let time = Timestamp(
        microseconds: Int64.random(in: Timestamp.minimum.microseconds...Timestamp.maximum.microseconds, using: &random))
      #expect(Timestamp(time.text) == time, "\(time.microseconds)")
      // Foundation's calendar is the Julian one before October 1582.
      guard round.isMultiple(of: 10), time.microseconds > -12_000_000_000_000_000 else { continue }
      let seconds = (Double(time.microseconds) / 1_000_000).rounded(.down)
      let parts = calendar.dateComponents([.year, .month, .day], from: Date(timeIntervalSince1970: seconds))
      let day = [parts.year, parts.month, parts.day].map { $0 ?? 0 }
      #expect(time.text.prefix(10).split(separator: "-").compactMap { Int($0) } == day, "\(time)")
    }
  }

  @Test func `the month and moved seconds go by the calendar`() throws {
    let time = try #require(Timestamp("2024-02-28T23:59:59.5Z"))
    #expect(time.month == "2024-02")
    #expect(time.adding(seconds: 1).text == "2024-02-29T00:00:00.500000Z")
    #expect(time.adding(seconds: 86_401).month == "2024-03" && time.adding(seconds: -1) < time)
  }
}
