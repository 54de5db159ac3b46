import BasicTypes
import CanonicalJSON

/// How one report of what a run did changes what is known of it, whatever order reports come in.
///
/// Pure, and the same for reports from outside and for `run.begin`, `run.finish` and `run.cancel`: any order of the
/// same reports, each given any number of times, ends in the same fields. Among terminal reports the latest time
/// decides; at a tie success comes before failed before timeout before cancelled. Any terminal report beats any other.
/// `started_at` is the earliest start.
public enum RunStateMerge {
  /// What a report says of a run.
  public enum Report: String, Sendable, CaseIterable {
    /// It began then (OpenLineage START).
    case start
    /// It was going on then (RUNNING).
    case running
    /// It ended well (COMPLETE).
    case success
    /// It ended with an error (FAIL).
    case failed
    /// It was given up since it took too long.
    case timeout
    /// It was stopped (ABORT).
    case cancelled
    /// Nothing about its state (OTHER, or no event type).
    case other

    /// The place among terminal reports of one time, the first one winning; nil for reports that end nothing.
    var terminalRank: Int? {
      switch self {
      case .success: 0
      case .failed: 1
      case .timeout: 2
      case .cancelled: 3
      case .start, .running, .other: nil
      }
    }
  }

  /// The fields to set so that `current` takes the report in: of `status`, `started_at`, `completed_at` and
  /// `duration_seconds` those that change; a null removes one. Empty where the report tells nothing new.
  ///
  /// - Parameters:
  ///   - current: the run's fields, or as many of those four as it has; without `status` it counts as `pending`.
  ///   - report: what is said of it.
  ///   - at: the time of what is said, by the reporter's clock.
  public static func merge(_ current: JSONObject, report: Report, at: Timestamp) -> JSONObject {
    var status = current["status"]?.stringValue ?? "pending"
    var startedAt = current["started_at"]?.stringValue.flatMap { Timestamp($0) }
    var completedAt = current["completed_at"]?.stringValue.flatMap { Timestamp($0) }
    let currentRank = Report(rawValue: status)?.terminalRank
    if let rank = report.terminalRank {
      let wins: Bool
      if let currentRank, let completedAt {
        wins = at > completedAt || (at == completedAt && rank < currentRank)
      } else {
        wins = true
      }
      if wins {
        status = report.rawValue
        completedAt = at
      }
    } else if currentRank == nil, report == .start || report == .running {
      status = "running"
    }
    if report == .start { startedAt = startedAt.map { min($0, at) } ?? at }
    var duration: JSON = .null
    if let startedAt, let completedAt, completedAt >= startedAt {
      let seconds = Double(completedAt.microseconds - startedAt.microseconds) / 1_000_000
      duration = JSON(finite: seconds) ?? .null
    }
    let merged: JSONObject = [
      "status": .string(status), "started_at": startedAt.map { .string($0.text) } ?? .null,
      "completed_at": completedAt.map { .string($0.text) } ?? .null, "duration_seconds": duration,
    ]
    return merged.filter { $0.value != (current[$0.key] ?? .null) }
  }
}
