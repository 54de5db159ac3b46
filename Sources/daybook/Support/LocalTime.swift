import BasicTypes

#if canImport(Glibc)
  import Glibc
#endif

/// Times as the person at this terminal reads and writes them: in their time zone (`TZ`, else the machine's).
enum LocalTime {
  /// A moment as it is read off a clock and a calendar.
  struct Fields: Equatable {
    var year: Int
    var month: Int
    var day: Int
    var hour = 0
    var minute = 0
    var second = 0

    /// The seconds since 1970; what is beyond a month or a day goes over into the next.
    var seconds: Int64 {
      var time = tm()
      time.tm_year = CInt(clamping: year - 1900)
      time.tm_mon = CInt(clamping: month - 1)
      time.tm_mday = CInt(clamping: day)
      time.tm_hour = CInt(clamping: hour)
      time.tm_min = CInt(clamping: minute)
      time.tm_sec = CInt(clamping: second)
      time.tm_isdst = -1
      return Int64(mktime(&time))
    }
  }

  /// What the clock and the calendar show at a moment, and the day of the week (Sunday is 0).
  static func fields(_ seconds: Int64) -> (fields: Fields, weekday: Int) {
    var moment = time_t(seconds)
    var time = tm()
    localtime_r(&moment, &time)
    return (
      Fields(
        year: Int(time.tm_year) + 1900, month: Int(time.tm_mon) + 1, day: Int(time.tm_mday), hour: Int(time.tm_hour),
        minute: Int(time.tm_min), second: Int(time.tm_sec)),
      Int(time.tm_wday)
    )
  }

  static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

  /// How long ago a time of the protocol is, or how far ahead; beyond a week the day. Nil for what is no time.
  static func relative(_ text: String, now: Timestamp = .now) -> String? {
    guard let time = Timestamp(text) else { return nil }
    let seconds = (now.microseconds - time.microseconds) / 1_000_000
    let (count, unit): (Int64, String)
    switch abs(seconds) {
    case 0..<60: (count, unit) = (abs(seconds), "s")
    case 60..<3600: (count, unit) = (abs(seconds) / 60, "min")
    case 3600..<86_400: (count, unit) = (abs(seconds) / 3600, "h")
    case 86_400..<(8 * 86_400): (count, unit) = (abs(seconds) / 86_400, "d")
    default: return day(time)
    }
    return seconds < 0 ? "in \(count) \(unit)" : "\(count) \(unit) ago"
  }

  /// A moment to the minute, in the person's time zone.
  static func minute(_ time: Timestamp) -> String {
    let shown = fields(time.microseconds / 1_000_000).fields
    return "\(day(time)) \(two(shown.hour)):\(two(shown.minute))"
  }

  private static func day(_ time: Timestamp) -> String {
    let shown = fields(time.microseconds / 1_000_000).fields
    return "\(shown.year)-\(two(shown.month))-\(two(shown.day))"
  }

  private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
