import BasicTypes

/// What is wrong with a cron line.
struct CronProblem: Error {
  let problem: String
}

/// A cron line of five fields, or an `@` word that stands for one: the minutes,
/// hours and days at which it fires, as sets of bits.
struct CronLine: Sendable {
  private let minutes: UInt64
  private let hours: UInt64
  private let daysOfMonth: UInt64
  private let months: UInt64
  /// Sunday is bit 0.
  private let daysOfWeek: UInt64
  /// Whether either of the two day fields is enough: so it is where neither begins with `*`.
  private let takesEitherDay: Bool
  /// Whether the hour field begins with `*`: then it fires again in an hour that the clocks repeat.
  private let isForEveryHour: Bool

  private static let meanings = [
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
  ]

  /// The Gregorian calendar, days of the week included, repeats itself after so many years.
  private static let cycle = 400

  /// Reads a line or a word, `@once` excepted, which no line stands for.
  init(_ text: String) throws(CronProblem) {
    let parts = (CronLine.meanings[text] ?? text).split(whereSeparator: { $0 == " " || $0 == "\t" })
    guard parts.count == 5 else {
      throw CronProblem(
        problem: "must be five fields (minute, hour, day of month, month, day of week) or a word such as @daily")
    }
    minutes = try CronField.minute.values(parts[0])
    hours = try CronField.hour.values(parts[1])
    daysOfMonth = try CronField.dayOfMonth.values(parts[2])
    months = try CronField.month.values(parts[3])
    let days = try CronField.dayOfWeek.values(parts[4])
    // 7 is Sunday too.
    daysOfWeek = days & 0x7F | days >> 7
    takesEitherDay = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
    isForEveryHour = parts[1].hasPrefix("*")
  }

  /// The first `count` times at which it fires, later than `after` and not later than `end`.
  func times(after: Timestamp, through end: Timestamp, count: Int, zone: ScheduleZone?) -> [Timestamp] {
    // With a zone, the day there may be another one than in UTC.
    var day = CivilDay(containing: zone == nil ? after : max(.minimum, after.adding(seconds: -2 * 86_400)))
    var times: [Timestamp] = []
    var lastYear = day.year + CronLine.cycle
    while day.year <= min(lastYear, 9999) {
      guard months & (1 << UInt64(day.month)) != 0 else {
        day.moveToNextMonth()
        continue
      }
      if fires(on: day) {
        // A zone's own day can begin a day earlier in UTC.
        if (day.number - 1) * 86_400_000_000 > end.microseconds { return times }
        for time in instants(on: day, zone) where time > times.last ?? after && time <= end {
          times.append(time)
          if times.count == count { return times }
        }
        lastYear = day.year + CronLine.cycle
      }
      day.moveToNextDay()
    }
    return times
  }

  private func fires(on day: CivilDay) -> Bool {
    let isDayOfMonth = daysOfMonth & (1 << UInt64(day.day)) != 0
    let isDayOfWeek = daysOfWeek & (1 << UInt64(day.weekday)) != 0
    return takesEitherDay ? isDayOfMonth || isDayOfWeek : isDayOfMonth && isDayOfWeek
  }

  /// When it fires on a day, in order.
  private func instants(on day: CivilDay, _ zone: ScheduleZone?) -> [Timestamp] {
    var seconds: [Int64] = []
    for hour in 0..<24 where hours & (1 << UInt64(hour)) != 0 {
      for minute in 0..<60 where minutes & (1 << UInt64(minute)) != 0 {
        let wall = day.number * 86_400 + Int64(hour) * 3600 + Int64(minute) * 60
        guard let zone else {
          seconds.append(wall)
          continue
        }
        let instants = zone.instants(showing: wall)
        seconds += isForEveryHour ? instants : Array(instants.prefix(1))
      }
    }
    // Where clocks are put forward or back, their order isn't that of time.
    if zone != nil { seconds.sort() }
    return seconds.map { Timestamp(microseconds: $0 * 1_000_000) }
  }
}

/// A day of the Gregorian calendar that moves on.
private struct CivilDay {
  /// Days since 1970-01-01.
  private(set) var number: Int64
  private(set) var year: Int
  private(set) var month: Int
  private(set) var day: Int

  init(containing time: Timestamp) {
    let length: Int64 = 86_400_000_000
    number = time.microseconds / length - (time.microseconds % length < 0 ? 1 : 0)
    // The text of a time always begins with yyyy-mm-dd.
    let digits = Array(time.text.utf8.prefix(10)).map { Int($0) - 48 }
    year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]
    month = digits[5] * 10 + digits[6]
    day = digits[8] * 10 + digits[9]
  }

  /// 0 for Sunday; 1970-01-01 was a Thursday.
  var weekday: Int { Int(((number + 4) % 7 + 7) % 7) }

  private var daysInMonth: Int {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  mutating func moveToNextDay() {
    if day == daysInMonth { return moveToNextMonth() }
    number += 1
    day += 1
  }

  mutating func moveToNextMonth() {
    number += Int64(daysInMonth - day + 1)
    day = 1
    month = month == 12 ? 1 : month + 1
    if month == 1 { year += 1 }
  }
}

/// One field of a cron line: lists of values, ranges and steps, months and days also by name.
private struct CronField {
  let name: String
  let range: ClosedRange<Int>
  var names: [String] = []
  /// The number of the first name.
  var firstName = 0

  static let minute = CronField(name: "minute", range: 0...59)
  static let hour = CronField(name: "hour", range: 0...23)
  static let dayOfMonth = CronField(name: "day of month", range: 1...31)
  static let month = CronField(
    name: "month", range: 1...12,
    names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], firstName: 1)
  static let dayOfWeek = CronField(
    name: "day of week", range: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])

  /// The values that a field's text stands for, as bits.
  func values(_ text: Substring) throws(CronProblem) -> UInt64 {
    var bits: UInt64 = 0
    for element in text.split(separator: ",", omittingEmptySubsequences: false) {
      for value in try elementValues(element) { bits |= 1 << UInt64(value) }
    }
    return bits
  }

  private func elementValues(_ text: Substring) throws(CronProblem) -> StrideThrough<Int> {
    let steps = text.split(separator: "/", omittingEmptySubsequences: false)
    if steps.count > 2 { throw fault("has more than one step") }
    var step: Int?
    if steps.count == 2 {
      guard let number = CronField.number(steps[1]), number >= 1, number <= range.upperBound else {
        throw fault("a step must be a number from 1 to \(range.upperBound)")
      }
      step = number
    }
    if steps[0] == "*" { return stride(from: range.lowerBound, through: range.upperBound, by: step ?? 1) }
    let bounds = steps[0].split(separator: "-", omittingEmptySubsequences: false)
    let values = bounds.compactMap(value)
    guard bounds.count <= 2, values.count == bounds.count, let first = values.first, let last = values.last else {
      let words = names.isEmpty ? "" : " or a name such as \(names[1])"
      throw fault("must be *, or numbers from \(range.lowerBound) to \(range.upperBound)\(words), with , - and /")
    }
    if first > last { throw fault("a range must not run backwards") }
    // A step after a single value goes on to the end: 5/15 is 5-59/15.
    return stride(from: first, through: bounds.count == 1 && step != nil ? range.upperBound : last, by: step ?? 1)
  }

  private func fault(_ problem: String) -> CronProblem { CronProblem(problem: "\(name): \(problem)") }

  private func value(_ text: Substring) -> Int? {
    if let number = CronField.number(text) { return range.contains(number) ? number : nil }
    return names.firstIndex(of: text.lowercased()).map { $0 + firstName }
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.count <= 4, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }
}
