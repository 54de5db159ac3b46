import BasicTypes
import CanonicalJSON
import Catalog

/// When a pipeline runs: a cron line of five fields, one of the `@` words, or
/// ETLab's object of an interval, a start date and catch-up.
public struct Schedule: Sendable {
  private enum Recurrence {
    case cron(CronLine)
    /// Every so many seconds, at least 1.
    case seconds(Int64)
    case once
  }

  private let recurrence: Recurrence
  private var start: Timestamp?
  private var end: Timestamp?
  private var zone: ScheduleZone?

  /// The schedule that a pipeline's field `schedule` holds; nil where commands would always have refused the value, and
  /// for null.
  public init?(_ value: JSON) {
    guard !value.isNull, Schedule.problems(value, path: "", isRecorded: true).isEmpty else { return nil }
    let interval = value.objectValue.map { $0["interval"] ?? .null } ?? value
    if let seconds = interval.integerValue {
      recurrence = .seconds(seconds)
    } else if let line = interval.stringValue, line == "@once" {
      recurrence = .once
    } else if let line = interval.stringValue, let cron = try? CronLine(line) {
      // A line that can't be read has been refused above.
      recurrence = .cron(cron)
    } else {
      return nil
    }
    func time(_ name: String) -> Timestamp? { value[name]?.stringValue.flatMap { Timestamp($0, assumingUTC: true) } }
    guard value.objectValue != nil else { return }
    start = time("start_date")
    end = time("end_date")
    zone = value["timezone"]?.stringValue.flatMap { ScheduleZone($0, isRecorded: true) }
  }

  /// The next times at which the schedule fires, in order, all of them later than `after`.
  ///
  /// None is before the start date or after the end date. A cron line is read in UTC, or in the schedule's time zone,
  /// with the rules of Vixie cron: where both the day of the month and the day of the week are restricted, either is
  /// enough. A number of seconds counts from the start date, else from 1970-01-01T00:00:00Z; `@once` fires at the start
  /// date. Catch-up is about times that have passed and changes nothing here.
  /// - Returns: Fewer than `count` where it fires no more, up to the year 9999; none
  ///   where it never does, such as on 31 February.
  public func times(after: Timestamp, count: Int) -> [Timestamp] {
    var after = after
    // The start date itself counts.
    if let start { after = max(after, Timestamp(microseconds: start.microseconds - 1)) }
    let end = min(end ?? .maximum, .maximum)
    guard count > 0, after < end else { return [] }
    switch recurrence {
    case .cron(let line): return line.times(after: after, through: end, count: count, zone: zone)
    case .seconds(let seconds): return Schedule.times(every: seconds, from: start, after, through: end, count)
    case .once: return start.map { $0 > after && $0 <= end ? [$0] : [] } ?? []
    }
  }

  private static func times(
    every seconds: Int64, from start: Timestamp?, _ after: Timestamp, through end: Timestamp, _ count: Int
  ) -> [Timestamp] {
    let anchor = start?.microseconds ?? 0
    let (step, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    // Longer than all of time: only its first one counts.
    guard !overflow else {
      return anchor > after.microseconds && anchor <= end.microseconds ? [.init(microseconds: anchor)] : []
    }
    var next = anchor
    if after.microseconds >= anchor {
      let (time, overflow) = anchor.addingReportingOverflow(((after.microseconds - anchor) / step + 1) * step)
      guard !overflow, time > after.microseconds else { return [] }
      next = time
    } else if start == nil {
      // Before 1970 it has the same rhythm.
      next = anchor - (anchor - after.microseconds - 1) / step * step
    }
    var times: [Timestamp] = []
    while times.count < count, next <= end.microseconds {
      times.append(Timestamp(microseconds: next))
      let (time, overflow) = next.addingReportingOverflow(step)
      if overflow { break }
      next = time
    }
    return times
  }

  // MARK: - What is wrong with one

  static let words = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@once"]

  /// What is wrong with a schedule.
  /// - Parameter isRecorded: Whether the log holds it already: then time zones count that are refused by now.
  package static func problems(_ value: JSON, path: String, isRecorded: Bool = false) -> [ValueProblem] {
    switch value {
    case .null: return []
    case .string(let text):
      return problem(ofLine: text).map { [ValueProblem(path: path, problem: $0)] } ?? []
    case .object(let object):
      return problems(object, path: path, isRecorded)
    default:
      return [ValueProblem(path: path, problem: "must be a cron line, a word such as @daily, or an object")]
    }
  }

  private static func problems(_ object: JSONObject, path: String, _ isRecorded: Bool) -> [ValueProblem] {
    var problems: [ValueProblem] = []
    func refuse(_ member: String, _ problem: String) {
      problems.append(ValueProblem(path: "\(path)/\(member)", problem: problem))
    }
    for (name, value) in object where !value.isNull {
      switch name {
      case "interval":
        if let text = value.stringValue {
          if let problem = problem(ofLine: text) { refuse(name, problem) }
        } else if value.integerValue.map({ $0 < 1 }) ?? true {
          refuse(name, "must be a cron line, a word such as @daily, or a number of seconds")
        }
      case "start_date", "end_date":
        if value.stringValue.flatMap({ Timestamp($0, assumingUTC: true) }) == nil {
          refuse(name, "must be a date or an RFC 3339 time")
        }
      case "catchup":
        if value.boolValue == nil { refuse(name, "must be true or false") }
      case "timezone":
        if let problem = problem(ofZone: value.stringValue ?? "", isRecorded: isRecorded) { refuse(name, problem) }
      default:
        refuse(
          JSONPointer.escape(name), "is not a member of a schedule: interval, start_date, end_date, catchup, timezone")
      }
    }
    if object["interval"]?.isNull ?? true { refuse("interval", "is required") }
    return problems
  }

  /// What is wrong with the name of a time zone; nil where it is one of the IANA database.
  /// - Parameter isRecorded: Whether the log holds it, so that other names count, too.
  package static func problem(ofZone name: String, isRecorded: Bool = false) -> String? {
    ScheduleZone(name, isRecorded: isRecorded) == nil ? "must be the name of a time zone, such as Europe/Paris" : nil
  }

  /// What is wrong with a line; nil where nothing is.
  static func problem(ofLine text: String) -> String? {
    if text.utf8.first == UInt8(ascii: "@") {
      return words.contains(text) ? nil : "must be one of \(words.joined(separator: ", "))"
    }
    do {
      _ = try CronLine(text)
      return nil
    } catch {
      return error.problem
    }
  }
}
