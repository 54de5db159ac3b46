import BasicTypes
import CanonicalJSON

/// How much a run wrote: of each dataset the latest report's word, and all of them together as the run's
/// `rows_processed` and `data_size_bytes`.
extension ReportedFields {
  private static let group = "output_statistics"

  /// What an `outputStatistics` facet says of one dataset that the run wrote.
  mutating func decide(output dataset: Identifier, _ facet: JSONObject, at time: Timestamp) {
    var told: JSONObject = ["at": .string(time.text)]
    for (name, member) in [("rows", "rowCount"), ("bytes", "size")] {
      if let count = facet[member]?.integerValue, count >= 0 { told[name] = .integer(count) }
    }
    guard told.count > 1 else { return }
    var all = times[Self.group]?.objectValue ?? [:]
    if let known = all[dataset.text], !isOvertaken(known, by: told, at: time) { return }
    all[dataset.text] = .object(told)
    times[Self.group] = .object(all)
    for (name, field) in [("rows", "rows_processed"), ("bytes", "data_size_bytes")] {
      let counts = all.values.compactMap { $0[name]?.integerValue }
      guard !counts.isEmpty else { continue }
      // A sum that no integer holds is told as the greatest one.
      let sum = counts.reduce(Int64(0)) { sum, count in
        let (next, isOverflow) = sum.addingReportingOverflow(count)
        return isOverflow ? .max : next
      }
      set(field, .integer(sum))
    }
  }

  private func isOvertaken(_ known: JSON, by told: JSONObject, at time: Timestamp) -> Bool {
    guard let decided = known["at"]?.stringValue.flatMap({ Timestamp($0) }), decided <= receivedAt else { return true }
    if time != decided { return time > decided }
    return known.canonicalBytes.lexicographicallyPrecedes(JSON.object(told).canonicalBytes)
  }
}
