import BasicTypes
import Foundation

/// A time zone. New schedules name one of the IANA database (see ``ZoneNames``); a log may hold others, which mean what
/// they meant.
struct ScheduleZone: Sendable {
  private let zone: TimeZone

  /// nil where no zone of that name is known here.
  /// - Parameter isRecorded: Whether the log holds it, so that abbreviations and offsets count, too.
  init?(_ name: String, isRecorded: Bool) {
    guard isRecorded || ZoneNames.contains(name) else { return nil }
    guard let zone = TimeZone(identifier: name) else { return nil }
    self.zone = zone
  }

  /// How many seconds the zone's clocks are ahead of UTC at an instant, given in seconds since 1970.
  func offset(at seconds: Int64) -> Int64 {
    Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))))
  }

  /// The instants at which the zone's clocks show a time (given as if it were UTC), in seconds since 1970.
  ///
  /// One as a rule; two, in order, where the clocks are put back over it. A time
  /// that they leap over counts as much later as they leap.
  func instants(showing wall: Int64) -> [Int64] {
    let before = offset(at: wall - 86_400)
    let after = offset(at: wall + 86_400)
    if before == after { return [wall - before] }
    let found = [before, after].filter { offset(at: wall - $0) == $0 }.map { wall - $0 }
    return found.isEmpty ? [wall - before] : found.sorted()
  }
}
