import BasicTypes

/// What is kept for a time: a class of data, as policies name it.
enum RetentionClass: String, CaseIterable, Sendable {
  case previews, logs
  case systemLogs = "system_logs"
  case facets, sessions, runs, audit

  /// How long it is kept where no policy says otherwise: the periods of the platforms' documents.
  var defaultHours: Int64 {
    switch self {
    case .previews: 24
    case .logs, .systemLogs: 30 * 24
    case .facets, .sessions, .runs: 90 * 24
    case .audit: 180 * 24
    }
  }

  /// For how long an organization keeps it at least, where the platform's own policy doesn't say otherwise: whoever is
  /// audited doesn't decide what an auditor finds.
  var floorHours: Int64 {
    switch self {
    case .audit: defaultHours
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
    // A preview says itself until when it is kept.
    let hours = self == .previews ? 0 : hours
    let (seconds, overflow) = hours.multipliedReportingOverflow(by: 3600)
    let limit = max(.minimum, overflow ? .minimum : now.adding(seconds: -seconds))
    if self == .facets { return CalendarMonth.start(of: limit.month) ?? .minimum }
    let unit: Int64 = hours < 48 ? 3_600_000_000 : 86_400_000_000
    return Timestamp(microseconds: limit.microseconds - ((limit.microseconds % unit) + unit) % unit)
  }
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
