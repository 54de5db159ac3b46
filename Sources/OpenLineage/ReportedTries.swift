import BasicTypes
import CanonicalJSON

/// The tries of a run whose id is used again: its times are those of the try that decided how it ended.
///
/// While only one start and one end are known, they are the run's own fields, and nothing is kept besides.
extension ReportedFields {
  private static let starts = "starts"
  private static let ends = "ends"
  /// How many starts, and how many ends, are remembered: the latest.
  private static let limit = 100

  /// Puts the times of the deciding try into fields that ``RunStateMerge`` has merged the report into.
  mutating func decideTry(_ report: RunStateMerge.Report, at time: Timestamp) {
    guard report == .start || report.terminalRank != nil else { return }
    var starts = (times[Self.starts]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { Timestamp($0) } }
    var ends: [(time: Timestamp, rank: Int, word: String)] = []
    func add(_ end: Timestamp, _ word: String) {
      guard let rank = RunStateMerge.Report(rawValue: word)?.terminalRank, end <= receivedAt else { return }
      if let place = ends.firstIndex(where: { $0.time == end }) {
        if rank < ends[place].rank { ends[place] = (end, rank, word) }
      } else {
        ends.append((end, rank, word))
      }
    }
    for (key, word) in times[Self.ends]?.objectValue ?? [:] {
      if let end = Timestamp(key) { add(end, word.stringValue ?? "") }
    }
    if starts.isEmpty, let own = self.time(in: current["started_at"]) { starts.append(own) }
    if let own = self.time(in: current["completed_at"]) { add(own, current["status"]?.stringValue ?? "") }
    if report == .start {
      if !starts.contains(time) { starts.append(time) }
    } else {
      add(time, report.rawValue)
    }
    guard starts.count > 1 || ends.count > 1 else { return }
    starts = Array(starts.sorted().suffix(Self.limit))
    ends = Array(ends.sorted { $0.time < $1.time }.suffix(Self.limit))
    times[Self.starts] = .array(starts.map { .string($0.text) })
    times[Self.ends] = .object(
      JSONObject(members: ends.map { (key: $0.time.text, value: JSON.string($0.word)) }))
    guard let end = self.time(in: self["completed_at"]), let latest = starts.last(where: { $0 <= end }) else {
      if let first = starts.first { set("started_at", .string(first.text)) }
      return
    }
    let status = self["status"]?.stringValue
    let isOfAnother = ends.contains { $0.time > latest && $0.time < end && $0.word != "success" && status == "success" }
    let before = ends.last { $0.time < latest }?.time ?? .minimum
    guard !isOfAnother, let start = starts.first(where: { $0 > before && $0 <= end }) else {
      // The start of the try that ended well was lost: how long it took isn't known.
      set("started_at", .null)
      return set("duration_seconds", .null)
    }
    set("started_at", .string(start.text))
    set("duration_seconds", JSON(finite: Double(end.microseconds - start.microseconds) / 1_000_000) ?? .null)
  }

  private func time(in value: JSON?) -> Timestamp? {
    value?.stringValue.flatMap { Timestamp($0) }.flatMap { $0 <= receivedAt ? $0 : nil }
  }
}
