import BasicTypes
import CanonicalJSON
import Catalog
import Schedules
import Testing

/// When schedules fire.
@Suite struct ScheduleTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let schedule: JSON
    let after: String
    let expected: [String]

    init(_ schedule: JSON, after: String, _ expected: [String]) {
      self.schedule = schedule
      self.after = after
      self.expected = expected
    }

    var testDescription: String { "\(schedule.canonicalString) after \(after)" }
  }

  /// The first times, without the seconds that are always zero; one more is asked for where `expected` shall be all.
  private func times(_ schedule: JSON, after: String, count: Int) throws -> [String] {
    let schedule = try #require(Schedule(schedule))
    let after = try #require(Timestamp(after, assumingUTC: true))
    let times = schedule.times(after: after, count: count)
    #expect(times.allSatisfy { $0 > after } && zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
    return times.map { $0.text.hasSuffix(":00.000000Z") ? String($0.text.prefix(16)) : $0.text }
  }

  @Test(arguments: [
    Case("0 2 * * *", after: "2024-02-28T02:00:00Z", ["2024-02-29T02:00", "2024-03-01T02:00"]),
    Case("0 2 * * *", after: "2024-02-28T01:59:59.999999Z", ["2024-02-28T02:00"]),
    Case("*/20 8-9 * * mon-FRI", after: "2024-03-01T09:20:00Z", ["2024-03-01T09:40", "2024-03-04T08:00"]),
    Case(
      "5/25 0 1 1 *", after: "2024-01-01",
      ["2024-01-01T00:05", "2024-01-01T00:30", "2024-01-01T00:55", "2025-01-01T00:05"]),
    Case(
      "0 0-23/12 1,15 jan,Jul *", after: "2024-01-15", ["2024-01-15T12:00", "2024-07-01T00:00", "2024-07-01T12:00"]),
    Case("0 0 * * 7", after: "2024-01-01", ["2024-01-07T00:00", "2024-01-14T00:00"]),
    Case("0 0 * * 0", after: "2024-01-01", ["2024-01-07T00:00", "2024-01-14T00:00"]),
    Case(
      "0 0 * * 5-7", after: "2024-01-01",
      ["2024-01-05T00:00", "2024-01-06T00:00", "2024-01-07T00:00", "2024-01-12T00:00"]),
    Case("0 0 31 * *", after: "2024-01-31", ["2024-03-31T00:00", "2024-05-31T00:00", "2024-07-31T00:00"]),
    Case("30 23 31 12 *", after: "2024-12-31T23:30:00Z", ["2025-12-31T23:30"]),
    Case("@hourly", after: "2024-12-31T22:30:00Z", ["2024-12-31T23:00", "2025-01-01T00:00"]),
    Case("@daily", after: "2024-02-28", ["2024-02-29T00:00", "2024-03-01T00:00"]),
    Case("@midnight", after: "2023-02-28", ["2023-03-01T00:00"]),
    Case("@weekly", after: "2024-01-01", ["2024-01-07T00:00"]),
    Case("@monthly", after: "2024-01-01", ["2024-02-01T00:00"]),
    Case("@yearly", after: "2024-01-01", ["2025-01-01T00:00"]),
    Case("@annually", after: "2024-01-02", ["2025-01-01T00:00"]),
    Case("@hourly", after: "1969-12-31T22:30:00Z", ["1969-12-31T23:00", "1970-01-01T00:00"]),
    Case("@weekly", after: "1900-01-01", ["1900-01-07T00:00"]),
  ])
  func `a line fires at its minutes, hours and days`(_ one: Case) throws {
    #expect(try times(one.schedule, after: one.after, count: one.expected.count) == one.expected)
  }

  @Test(arguments: [
    // Either day is enough where both are restricted: Fridays, and the 13th.
    Case(
      "0 0 13 * 5", after: "2024-09-28",
      ["2024-10-04T00:00", "2024-10-11T00:00", "2024-10-13T00:00", "2024-10-18T00:00"]),
    Case("0 0 13 * fri", after: "2024-09-07", ["2024-09-13T00:00", "2024-09-20T00:00"]),
    // A field that begins with * restricts nothing by itself, so both must hold.
    Case("0 0 1 * */2", after: "2024-01-01", ["2024-02-01T00:00", "2024-06-01T00:00"]),
    Case("0 0 */31 * mon", after: "2024-01-02", ["2024-04-01T00:00", "2024-07-01T00:00"]),
  ])
  func `days of the month and of the week are joined as Vixie cron does`(_ one: Case) throws {
    #expect(try times(one.schedule, after: one.after, count: one.expected.count) == one.expected)
  }

  @Test(arguments: [
    Case("0 0 29 2 *", after: "2024-02-29", ["2028-02-29T00:00", "2032-02-29T00:00"]),
    Case("0 0 29 2 *", after: "2096-02-29", ["2104-02-29T00:00", "2108-02-29T00:00"]),
    // On a Saturday or a Sunday.
    Case("0 0 29 feb */6", after: "2024-03-01", ["2032-02-29T00:00", "2048-02-29T00:00"]),
  ])
  func `leap days are found`(_ one: Case) throws {
    #expect(try times(one.schedule, after: one.after, count: one.expected.count) == one.expected)
  }

  @Test(arguments: ["0 0 31 2 *", "0 0 30 feb *", "* * 31 2,4,6,9,11 *", "0 0 30-31 2 */1"])
  func `what never fires ends at once`(_ line: String) throws {
    let clock = ContinuousClock()
    let start = clock.now
    #expect(try times(.string(line), after: "2024-01-01", count: 100) == [])
    #expect(clock.now - start < .seconds(2))
  }

  @Test func `a hundred leap days and the end of time are reached`() throws {
    let leaps = try times("0 0 29 2 *", after: "2024-01-01", count: 100)
    #expect(leaps.count == 100)
    #expect(leaps.last == "2432-02-29T00:00")
    #expect(try times("@hourly", after: "9999-12-31T21:30:00Z", count: 10) == ["9999-12-31T22:00", "9999-12-31T23:00"])
    #expect(try times(["interval": 60], after: "9999-12-31T23:58:30Z", count: 10) == ["9999-12-31T23:59"])
  }

  @Test(arguments: [
    Case(
      ["interval": "@daily", "start_date": "2024-06-01", "catchup": true], after: "2024-01-01",
      ["2024-06-01T00:00", "2024-06-02T00:00"]),
    Case(["interval": "@daily", "start_date": "2024-06-01T00:00:00.5Z"], after: "2024-01-01", ["2024-06-02T00:00"]),
    Case(
      ["interval": "0 6 * * *", "start_date": "2020-01-01", "catchup": false], after: "2024-01-01", ["2024-01-01T06:00"]
    ),
    Case(
      ["interval": 5400, "start_date": "2024-01-01T00:10:00Z"], after: "2024-01-01T01:40:00Z",
      ["2024-01-01T03:10", "2024-01-01T04:40"]),
    Case(
      ["interval": 5400, "start_date": "2024-01-01T00:10:00Z"], after: "2023-01-01",
      ["2024-01-01T00:10", "2024-01-01T01:40"]),
    Case(["interval": 3600], after: "2024-01-01T00:10:00Z", ["2024-01-01T01:00", "2024-01-01T02:00"]),
    Case(["interval": 3600], after: "1969-12-31T22:00:00Z", ["1969-12-31T23:00", "1970-01-01T00:00"]),
    Case(["interval": "@weekly", "start_date": nil, "timezone": "UTC"], after: "2024-01-01", ["2024-01-07T00:00"]),
  ])
  func `an object's interval counts from its start`(_ one: Case) throws {
    #expect(try times(one.schedule, after: one.after, count: one.expected.count) == one.expected)
  }

  @Test(arguments: [
    Case(
      ["interval": "@daily", "end_date": "2024-01-03"], after: "2024-01-01", ["2024-01-02T00:00", "2024-01-03T00:00"]),
    Case(["interval": 86_400, "end_date": "2024-01-02T23:00:00Z"], after: "2024-01-01", ["2024-01-02T00:00"]),
    Case(["interval": "@daily", "end_date": "2024-01-01"], after: "2024-01-01", []),
    Case(["interval": "@once", "start_date": "2024-05-01T08:30:00Z"], after: "2024-01-01", ["2024-05-01T08:30"]),
    Case(["interval": "@once", "start_date": "2024-05-01"], after: "2024-05-01", []),
    Case("@once", after: "2024-01-01", []),
    Case(["interval": .integer(.max), "start_date": "2024-05-01"], after: "2024-01-01", ["2024-05-01T00:00"]),
    Case(["interval": .integer(.max)], after: "2024-01-01", []),
    Case(["interval": .integer(9_000_000_000_000)], after: "2024-01-01", []),
  ])
  func `after its last time there is none`(_ one: Case) throws {
    #expect(try times(one.schedule, after: one.after, count: 50) == one.expected)
  }

  private static func paris(_ line: JSON) -> JSON { ["interval": line, "timezone": "Europe/Paris"] }

  @Test(arguments: [
    Case(paris("0 9 * * *"), after: "2024-03-30", ["2024-03-30T08:00", "2024-03-31T07:00"]),
    // 2:30 is leapt over: an hour later by the clock.
    Case(paris("30 2 * * *"), after: "2024-03-30T12:00:00Z", ["2024-03-31T01:30", "2024-04-01T00:30"]),
    Case(
      paris("30 * * * *"), after: "2024-03-31T00:00:00Z", ["2024-03-31T00:30", "2024-03-31T01:30", "2024-03-31T02:30"]),
    // 2:30 comes twice: a fixed hour fires the first time, every hour both times.
    Case(paris("30 2 * * *"), after: "2024-10-26T12:00:00Z", ["2024-10-27T00:30", "2024-10-28T01:30"]),
    Case(
      paris("30 * * * *"), after: "2024-10-26T23:00:00Z",
      ["2024-10-26T23:30", "2024-10-27T00:30", "2024-10-27T01:30", "2024-10-27T02:30"]),
    Case(
      ["interval": "0 0 1 * *", "timezone": "Pacific/Kiritimati"], after: "2024-01-31T09:59:00Z",
      ["2024-01-31T10:00", "2024-02-29T10:00"]),
    Case(
      ["interval": "0 20 * * *", "timezone": "America/Los_Angeles"], after: "2024-01-01T03:59:00Z",
      ["2024-01-01T04:00", "2024-01-02T04:00"]),
  ])
  func `a time zone's clocks are followed`(_ one: Case) throws {
    #expect(try times(one.schedule, after: one.after, count: one.expected.count) == one.expected)
  }

  @Test(
    arguments: [
      nil, 5, "", "* * * *", "@sometimes", [:], ["interval": "61 * * * *"], ["interval": 0],
      ["interval": "@daily", "timezone": "Nowhere/Land"], ["interval": "@daily", "start_date": "soon"],
    ] as [JSON])
  func `what is no schedule is none`(_ value: JSON) {
    #expect(Schedule(value) == nil)
  }

  @Test(arguments: [
    "BST", "IST", "PST", "CST", "ACT", "SystemV/EST5EDT", "GMT+5", "GMT-5", "UTC+3", "UTC-3", "GMT+0500", "UTC+03:00",
    "+03:00", "Z", "europe/paris", "Europe/Paris ", "posix/Europe/Paris", "right/UTC", "localtime", "Factory",
    "Etc/Unknown", "", "../etc/passwd", "Nowhere/Land",
  ])
  func `a time zone of another kind than a name of the IANA database is refused`(_ name: String) {
    let problems = Schedule.problems(["interval": "0 12 * * *", "timezone": .string(name)], path: "/schedule")
    #expect(problems.map(\.path) == ["/schedule/timezone"])
    #expect(problems.map(\.problem) == ["must be the name of a time zone, such as Europe/Paris"])
  }

  @Test(arguments: [
    ("Europe/Paris", 2), ("UTC", 0), ("Etc/GMT+5", -5), ("Etc/GMT-14", 14), ("Asia/Kolkata", 5), ("Asia/Calcutta", 5),
    ("Europe/Kyiv", 3), ("Europe/Kiev", 3), ("America/Argentina/Buenos_Aires", -3), ("US/Eastern", -4),
    ("EST5EDT", -4), ("GMT", 0), ("Japan", 9), ("W-SU", 3), ("Zulu", 0),
  ])
  func `names of the IANA database are taken, older ones too`(_ name: String, _ hours: Int) throws {
    let schedule: JSON = ["interval": "0 12 * * *", "timezone": .string(name)]
    #expect(Schedule.problems(schedule, path: "/schedule").isEmpty)
    let time = try #require(try times(schedule, after: "2026-06-30T23:00:00Z", count: 1).first)
    let hour = (36 - hours) % 24
    let wanted = name.hasPrefix("Asia/") ? "T06:30" : "T\(hour < 10 ? "0" : "")\(hour):00"
    #expect(time.hasSuffix(wanted), "\(time)")
  }

  @Test(arguments: [
    ("BST", "2026-07-01T06:00"), ("GMT+5", "2026-07-01T07:00"), ("SystemV/EST5EDT", "2026-07-01T16:00"),
  ])
  func `what the log holds of zones that are refused by now fires as it did`(_ name: String, _ first: String) throws {
    #expect(
      try times(["interval": "0 12 * * *", "timezone": .string(name)], after: "2026-07-01T00:00:00Z", count: 1)
        == [first])
  }
}
