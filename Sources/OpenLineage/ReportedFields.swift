import BasicTypes
import CanonicalJSON

/// Fields of one resource that reports decide: for each, the report with the
/// latest event time wins, whatever order reports come in.
///
/// The time of the deciding report is kept for each field (or member of a JSON field, or group of fields that go
/// together) in `reported_fields`. Of two reports of one time the one with the greater canonical bytes wins, so that
/// every order ends in the same value. A report that doesn't speak of a field leaves it alone. A value that a person
/// edited stays until a report later than the last one arrives.
struct ReportedFields {
  private let current: JSONObject
  private var merged: JSONObject
  private var times: JSONObject

  /// The name of the field that keeps the times.
  static let timesField = "reported_fields"

  /// The fields as they are; empty for a resource to be made.
  init(_ current: JSONObject) {
    self.current = current
    merged = current
    times = current[Self.timesField]?.objectValue ?? [:]
  }

  /// A report's word on one field; null removes it.
  mutating func decide(_ field: String, _ value: JSON, at time: Timestamp) {
    decide(group: field, [field: value], at: time)
  }

  /// A report's word on fields that only make sense together; `group` names them in the times.
  mutating func decide(group: String, _ values: JSONObject, at time: Timestamp) {
    let present = JSON.object(values.reduce(into: JSONObject()) { $0[$1.key] = merged[$1.key] ?? .null })
    guard takes(group, JSON.object(values), over: present, at: time) else { return }
    for (field, value) in values { merged[field] = value }
  }

  /// A report's word on one member of an object field (`context`, `metadata`); null removes it.
  mutating func decide(member: String, of field: String, _ value: JSON, at time: Timestamp) {
    var object = merged[field]?.objectValue ?? [:]
    guard takes("\(field).\(member)", value, over: object[member] ?? .null, at: time) else { return }
    if value.isNull { object.removeValue(forKey: member) } else { object[member] = value }
    merged[field] = .object(object)
  }

  /// Members of an object field that only grow, each with the latest time it was reported (the datasets of a run).
  mutating func note(_ key: String, in group: String, at time: Timestamp) {
    var noted = times[group]?.objectValue ?? [:]
    if let known = noted[key]?.stringValue.flatMap({ Timestamp($0) }), known >= time { return }
    noted[key] = .string(time.text)
    times[group] = .object(noted)
  }

  /// The noted members of a group with their times.
  func noted(_ group: String) -> [(key: String, time: Timestamp)] {
    (times[group]?.objectValue ?? [:]).compactMap { key, value in
      value.stringValue.flatMap { Timestamp($0) }.map { (key, $0) }
    }
  }

  /// Sets a field that isn't decided by time.
  mutating func set(_ field: String, _ value: JSON) {
    merged[field] = value
  }

  /// The fields as they are now decided; nulls are removals.
  subscript(_ field: String) -> JSON? { merged[field] }

  /// The latest time of the reports that decided a field, or nil where none did.
  var latest: Timestamp? {
    times.values.compactMap { $0.stringValue.flatMap { Timestamp($0) } }.max()
  }

  /// What to set on the resource: the fields that differ, `reported_fields` among them.
  var changes: JSONObject {
    var all = merged
    if !times.isEmpty { all[Self.timesField] = .object(times) }
    return all.filter { $0.value != (current[$0.key] ?? .null) }
  }

  private mutating func takes(_ key: String, _ value: JSON, over present: JSON, at time: Timestamp) -> Bool {
    if let decided = times[key]?.stringValue.flatMap({ Timestamp($0) }) {
      guard time >= decided else { return false }
      if time == decided {
        return present.canonicalBytes.lexicographicallyPrecedes(value.canonicalBytes)
      }
    }
    times[key] = .string(time.text)
    return true
  }
}
