import BasicTypes
import CanonicalJSON

/// Fields of one resource that reports decide: for each, the report with the
/// latest event time wins, whatever order reports come in.
///
/// The time of the deciding report is kept for each field (or member of a JSON field, or group of fields that go
/// together) in `reported_fields`. Of two reports of one time the one with the greater canonical bytes wins, so that
/// every order ends in the same value. A report that doesn't speak of a field leaves it alone. A value that a person
/// edited stays until a report later than the last one arrives.
///
/// No clock that is ahead can freeze a field: a report counts as of the time of its receipt at the latest, and a time
/// that lies beyond it, from a log of before this was so, counts as none.
struct ReportedFields {
  let current: JSONObject
  let receivedAt: Timestamp
  private var merged: JSONObject
  var times: JSONObject

  /// The name of the field that keeps the times.
  static let timesField = "reported_fields"

  /// The fields as they are; empty for a resource to be made.
  init(_ current: JSONObject, receivedAt: Timestamp) {
    self.current = current
    self.receivedAt = receivedAt
    merged = current
    times = current[Self.timesField]?.objectValue ?? [:]
  }

  /// A report's word on one field; null removes it.
  /// - Returns: Whether the field now has that value.
  @discardableResult
  mutating func decide(_ field: String, _ value: JSON, at time: Timestamp) -> Bool {
    decide(group: field, [field: value], at: time)
  }

  /// A report's word on fields that only make sense together; `group` names them in the times.
  @discardableResult
  mutating func decide(group: String, _ values: JSONObject, at time: Timestamp) -> Bool {
    let present = JSON.object(values.reduce(into: JSONObject()) { $0[$1.key] = merged[$1.key] ?? .null })
    guard takes(group, JSON.object(values), over: present, at: time) else { return present == .object(values) }
    for (field, value) in values { merged[field] = value }
    return true
  }

  /// A report's word on one member of an object field (`context`, `metadata`); null removes it.
  @discardableResult
  mutating func decide(member: String, of field: String, _ value: JSON, at time: Timestamp) -> Bool {
    decide(group: "\(field).\(member)", members: [member: value], of: field, at: time)
  }

  /// A report's word on members of an object field that only make sense together; nulls remove them.
  @discardableResult
  mutating func decide(group: String, members: JSONObject, of field: String, at time: Timestamp) -> Bool {
    var object = merged[field]?.objectValue ?? [:]
    let present = JSON.object(members.reduce(into: JSONObject()) { $0[$1.key] = object[$1.key] ?? .null })
    guard takes(group, .object(members), over: present, at: time) else { return present == .object(members) }
    for (member, value) in members {
      if value.isNull { object.removeValue(forKey: member) } else { object[member] = value }
    }
    merged[field] = .object(object)
    return true
  }

  /// A report's word on a list that people add to as well: it replaces what the reports before it gave, and leaves
  /// what people added. Which elements came from a report is kept beside its time.
  @discardableResult
  mutating func decide(shared field: String, _ values: [JSON], at time: Timestamp) -> Bool {
    let given = times[field]?["values"]?.arrayValue ?? []
    if let decided = known(times[field]?["at"]) {
      guard time >= decided else { return given == values }
      if time == decided {
        guard JSON.array(given).canonicalBytes.lexicographicallyPrecedes(JSON.array(values).canonicalBytes) else {
          return given == values
        }
      }
    }
    times[field] = ["at": .string(time.text), "values": .array(values)]
    let reported = Set(given)
    let own = (merged[field]?.arrayValue ?? []).filter { !reported.contains($0) }
    let kept = Set(own)
    merged[field] = .array(own + values.filter { !kept.contains($0) })
    return true
  }

  /// Members of an object field that only grow, each with the latest time it was reported (the datasets of a run).
  mutating func note(_ keys: [String], in group: String, at time: Timestamp) {
    let noted = times[group]?.objectValue ?? [:]
    let later = keys.filter { key in known(noted[key]).map { $0 < time } ?? true }
    guard !later.isEmpty else { return }
    times[group] = .object(noted.merging(JSONObject(members: later.map { ($0, .string(time.text)) })))
  }

  /// The noted members of a group with their times.
  func noted(_ group: String) -> [(key: String, time: Timestamp)] {
    (times[group]?.objectValue ?? [:]).compactMap { key, value in
      value.stringValue.flatMap { Timestamp($0) }.map { (key, min($0, receivedAt)) }
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
    times.values.compactMap { known($0["at"] ?? $0) }.max()
  }

  /// The time of the report that decided a field or group, or nil where none did.
  func time(of group: String) -> Timestamp? { known(times[group]) }

  /// What to set on the resource: the fields that differ, `reported_fields` among them.
  var changes: JSONObject {
    var all = merged
    if !times.isEmpty { all[Self.timesField] = .object(times) }
    return all.filter { $0.value != (current[$0.key] ?? .null) }
  }

  /// Whether a report of that time decides, over what is there; then its time is kept.
  mutating func takes(_ key: String, _ value: JSON, over present: JSON, at time: Timestamp) -> Bool {
    if let decided = known(times[key]) {
      guard time >= decided else { return false }
      if time == decided {
        return present.canonicalBytes.lexicographicallyPrecedes(value.canonicalBytes)
      }
    }
    times[key] = .string(time.text)
    return true
  }

  /// A time that was kept; nil where there is none, or one that hasn't come yet.
  private func known(_ time: JSON?) -> Timestamp? {
    time?.stringValue.flatMap { Timestamp($0) }.flatMap { $0 <= receivedAt ? $0 : nil }
  }
}
