import BasicTypes
import CanonicalJSON

/// A moment as people say it: a date, a word, or how long ago.
///
/// A day stands for its beginning in `--since`, and for its end in `--until` and `--as-of`: the day itself is meant,
/// too.
enum Moment {
  /// What a moment is given for.
  enum Use: String {
    case since, until
    case asOf = "as-of"
  }

  /// What is understood, for helps and refusals.
  static let understood = """
    a date (2026-11-24, 24 nov), with a time (2026-11-24 18:00, yesterday 9:30), a word (now, today, yesterday, \
    last night, monday, last tuesday, last week, last month), how long ago (24h, 90 min, 2 days ago, a week ago), or \
    RFC 3339 (2026-11-24T18:00:00Z)
    """

  /// The value for a method's parameter: an RFC 3339 time, or the position that is given for `--as-of`.
  /// - Throws: ``Failure`` that lists what is understood.
  static func parameter(_ text: String, _ use: Use, now: Timestamp = .now) throws -> JSON {
    if use == .asOf, let position = Int64(text.trimmed) { return .integer(position) }
    guard let span = span(text, now: now.microseconds / 1_000_000) else {
      throw Failure(
        .usage, "--\(use.rawValue) doesn't understand “\(Terminal.plain(text))”.",
        next: "Give \(understood)\(use == .asOf ? ", or a position of the log" : "").")
    }
    switch span {
    case .exact(let text): return .string(text)
    case .instant(let time): return .string(Timestamp(microseconds: time * 1_000_000).text)
    case .day(let start, let end):
      if use == .since { return .string(Timestamp(microseconds: start * 1_000_000).text) }
      // A day that isn't over yet is shown as it is by now.
      let last = Timestamp(microseconds: end * 1_000_000 - 1)
      return .string(use == .asOf && last > now ? now.text : last.text)
    }
  }

  /// How long a text such as `30d`, `2 weeks` or `12h` is, from now on; nil for what is none.
  static func seconds(_ text: String) -> Int64? {
    guard let (count, unit) = length(text.trimmed.lowercased().split(separator: " ").map(String.init)) else {
      return nil
    }
    let seconds: Int64
    switch unit {
    case .second: seconds = 1
    case .minute: seconds = 60
    case .hour: seconds = 3600
    case .day: seconds = 86_400
    case .week: seconds = 7 * 86_400
    case .month: seconds = 30 * 86_400
    case .year: seconds = 365 * 86_400
    }
    return Int64(count) * seconds
  }

  private enum Unit { case second, minute, hour, day, week, month, year }

  /// A number and a unit, as one word or two.
  private static func length(_ given: [String]) -> (Int, Unit)? {
    var words = given
    if words.count == 1 {
      let digits = words[0].prefix { $0.isASCII && $0.isNumber }
      words = [String(digits), String(words[0].dropFirst(digits.count))]
    }
    guard words.count == 2, let count = Int(words[0]), (0...100_000).contains(count) else { return nil }
    switch words[1] {
    case "s", "sec", "secs", "second", "seconds": return (count, .second)
    case "m", "min", "mins", "minute", "minutes": return (count, .minute)
    case "h", "hr", "hrs", "hour", "hours": return (count, .hour)
    case "d", "day", "days": return (count, .day)
    case "w", "wk", "week", "weeks": return (count, .week)
    case "month", "months": return (count, .month)
    case "y", "year", "years": return (count, .year)
    default: return nil
    }
  }

  private enum Span {
    case exact(String)
    case instant(Int64)
    case day(Int64, Int64)
  }

  private static let weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]

  private static func span(_ given: String, now: Int64) -> Span? {
    let text = given.trimmed
    if Timestamp(text) != nil { return .exact(text) }
    var words = text.lowercased().split { $0 == " " || $0 == "_" || $0 == "," }.map(String.init)
    if words.count == 1, let split = dateAndTime(words[0]) { words = split }
    guard let last = words.last else { return nil }
    if let ago = ago(words, now: now) { return .instant(ago) }
    if let clock = clock(last) {
      words.removeLast()
      if words.last == "at" { words.removeLast() }
      return at(clock, words, now: now)
    }
    switch words {
    case ["now"]: return .instant(now)
    case ["last", "night"]: return at((18, 0, 0), ["yesterday"], now: now)
    case ["last", "week"], ["last", "month"], ["last", "year"]:
      return ago(["a", words[1], "ago"], now: now).map(Span.instant)
    default: break
    }
    guard let day = day(words, now: now) else { return nil }
    var next = day
    next.day += 1
    return .day(day.seconds, next.seconds)
  }

  /// `2026-11-24T18:00`, which has no zone, as a date and a time.
  private static func dateAndTime(_ word: String) -> [String]? {
    let parts = word.split(separator: "t", maxSplits: 1).map(String.init)
    guard parts.count == 2, parts[0].utf8.count == 10, parts[0].contains("-") else { return nil }
    return parts
  }

  /// A time of a day; without one, the last time that the clock showed it.
  private static func at(_ clock: (Int, Int, Int), _ words: [String], now: Int64) -> Span? {
    guard var time = day(words.isEmpty ? ["today"] : words, now: now) else { return nil }
    (time.hour, time.minute, time.second) = clock
    if words.isEmpty, time.seconds > now { time.day -= 1 }
    return .instant(time.seconds)
  }

  /// `18:00`, `9:30:15`, `9am`, `11pm`.
  private static func clock(_ word: String) -> (Int, Int, Int)? {
    if word.hasSuffix("am") || word.hasSuffix("pm"), let hour = Int(word.dropLast(2)), (1...12).contains(hour) {
      return (hour % 12 + (word.hasSuffix("pm") ? 12 : 0), 0, 0)
    }
    let parts = word.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2 || parts.count == 3, let hour = parts[0], let minute = parts[1],
      (0...23).contains(hour), (0...59).contains(minute)
    else { return nil }
    guard parts.count == 3 else { return (hour, minute, 0) }
    guard let second = parts[2], (0...59).contains(second) else { return nil }
    return (hour, minute, second)
  }

  /// The beginning of a day that is named by a word or a date.
  private static func day(_ words: [String], now: Int64) -> LocalTime.Fields? {
    let (today, weekday) = LocalTime.fields(now)
    var day = LocalTime.Fields(year: today.year, month: today.month, day: today.day)
    switch words {
    case ["today"]: return day
    case ["yesterday"]:
      day.day -= 1
      return day
    case ["the", "day", "before", "yesterday"], ["day", "before", "yesterday"]:
      day.day -= 2
      return day
    default: break
    }
    let name = words.count == 2 && ["last", "on"].contains(words[0]) ? words[1] : words.count == 1 ? words[0] : ""
    if name.utf8.count >= 3, let wanted = weekdays.firstIndex(where: { $0.hasPrefix(name) }) {
      // The latest day of this name before today.
      day.day -= (weekday - wanted + 6) % 7 + 1
      return day
    }
    return date(words, today)
  }

  /// `2026-11-24`, `24 nov`, `nov 24 2026`; without a year, the latest one that is not ahead.
  private static func date(_ words: [String], _ today: LocalTime.Fields) -> LocalTime.Fields? {
    if words.count == 1 {
      let parts = words[0].split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].utf8.count == 4, let year = Int(parts[0]), let month = Int(parts[1]),
        let day = Int(parts[2])
      else { return nil }
      return real(LocalTime.Fields(year: year, month: month, day: day))
    }
    guard words.count == 2 || words.count == 3 else { return nil }
    let year = words.count == 3 ? Int(words[2]) : today.year
    func month(_ word: String) -> Int? {
      guard word.utf8.count >= 3 else { return nil }
      return LocalTime.months.firstIndex { word.hasPrefix($0) }.map { $0 + 1 }
    }
    guard let year, (1...9999).contains(year) else { return nil }
    var found: LocalTime.Fields?
    if let day = Int(words[0]), let month = month(words[1]) {
      found = LocalTime.Fields(year: year, month: month, day: day)
    } else if let month = month(words[0]), let day = Int(words[1]) {
      found = LocalTime.Fields(year: year, month: month, day: day)
    }
    guard var date = found.flatMap(real) else { return nil }
    if words.count == 2, (date.month, date.day) > (today.month, today.day) { date.year -= 1 }
    return real(date)
  }

  /// A date that the calendar has: not the 31st of November.
  private static func real(_ date: LocalTime.Fields) -> LocalTime.Fields? {
    guard (1970...9999).contains(date.year), (1...12).contains(date.month), (1...31).contains(date.day) else {
      return nil
    }
    return LocalTime.fields(date.seconds).fields == date ? date : nil
  }

  /// `24h`, `90 min`, `2 days ago`, `an hour ago`.
  private static func ago(_ words: [String], now: Int64) -> Int64? {
    var words = words
    let isSaid = words.last == "ago"
    if isSaid { words.removeLast() }
    if isSaid, words.first == "a" || words.first == "an" { words[0] = "1" }
    guard let (count, unit) = length(words) else { return nil }
    var then = LocalTime.fields(now).fields
    switch unit {
    case .second: return now - Int64(count)
    case .minute: return now - Int64(count) * 60
    case .hour: return now - Int64(count) * 3600
    // By the calendar, since days are of different lengths.
    case .day: then.day -= count
    case .week: then.day -= 7 * count
    case .month: then.month -= count
    case .year: then.year -= count
    }
    return then.seconds > 0 ? then.seconds : nil
  }
}

extension String {
  /// The text without blanks around it.
  var trimmed: String {
    var text = Substring(self)
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
