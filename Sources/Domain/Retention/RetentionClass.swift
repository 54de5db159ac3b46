import BasicTypes

/// What is kept for a time: a class of data, as policies name it.
enum RetentionClass: String, CaseIterable, Sendable {
  case previews, logs
  case systemLogs = "system_logs"
  case facets, sessions, runs, audit

  /// How long it is kept where neither a policy nor the document of the organization's platform says; nil for ever.
  /// Where strangers were refused from is no platform's data, and of no use to anybody after that time.
  var defaultHours: Int64? { self == .sessions ? 90 * 24 : nil }

  /// For how long an organization keeps it at least, where the platform's own policy doesn't say otherwise: whoever is
  /// audited doesn't decide what an auditor finds.
  var floorHours: Int64 {
    switch self {
    case .audit: 180 * 24
    case .logs, .systemLogs: 7 * 24
    case .previews, .facets, .sessions, .runs: 1
    }
  }

  /// Whether its payloads are sealed with a key of the organization, the class and the month, which a sweep destroys.
  var isSealed: Bool { self != .runs && self != .audit }

  /// Whether a legal hold on one resource keeps all of the organization's payloads
  /// of this class, which can't be taken apart: they share a key.
  var isKeptByHolds: Bool { isSealed && self != .sessions }

  /// The instant before which everything is due: so many hours ago, cut to the hour where it is kept for less than two
  /// days, else to the day (UTC), so that a sweep every hour records a removal once a day. What only a whole month can
  /// remove is cut to the month.
  func due(at now: Timestamp, hours: Int64) -> Timestamp {
    let (seconds, overflow) = hours.multipliedReportingOverflow(by: 3600)
    let limit = max(.minimum, overflow ? .minimum : now.adding(seconds: -seconds))
    if self == .facets { return CalendarMonth.start(of: limit.month) ?? .minimum }
    let unit = RetentionClass.unit(hours: hours)
    return Timestamp(microseconds: limit.microseconds - ((limit.microseconds % unit) + unit) % unit)
  }

  /// The first instant at which something of that age is due: the reverse of ``due(at:hours:)``.
  func dueTime(of time: Timestamp, hours: Int64) -> Timestamp {
    let next: Timestamp
    if self == .facets {
      next = CalendarMonth.end(of: time.month) ?? .maximum
    } else {
      let unit = RetentionClass.unit(hours: hours)
      let start = time.microseconds - ((time.microseconds % unit) + unit) % unit
      next = Timestamp(microseconds: start + unit)
    }
    let (seconds, overflow) = hours.multipliedReportingOverflow(by: 3600)
    return overflow ? .maximum : min(.maximum, next.adding(seconds: seconds))
  }

  /// To what instants are cut, in microseconds.
  private static func unit(hours: Int64) -> Int64 { hours < 48 ? 3_600_000_000 : 86_400_000_000 }
}

/// Months as keys name them, `2026-11`.
enum CalendarMonth {
  /// Its first instant in UTC; nil where the text is no month.
  static func start(of month: String) -> Timestamp? { Timestamp("\(month)-01", assumingUTC: true) }

  /// The first instant after it.
  static func end(of month: String) -> Timestamp? {
    // The 32nd day after its first is in the next month.
    start(of: month).flatMap { start(of: $0.adding(seconds: 32 * 86_400).month) }
  }
}
