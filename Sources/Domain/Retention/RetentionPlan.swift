import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// What a sweep would remove, found in the background; the decision takes of it what still holds.
struct RetentionPlan: Sendable {
  /// One class of one organization's data.
  struct Entry: Sendable {
    let retentionClass: RetentionClass
    let organization: Identifier?
    let rule: RetentionRule
    /// What is older goes.
    let before: Timestamp
    /// The last position before that time.
    let through: UInt64
    /// What was removed before.
    let last: ResourceState?
    /// Payloads, or rows of the audit trail.
    var rows = 0
    /// The age of the oldest of them, where they are payloads, to the hour.
    var oldest: Timestamp?
    /// Months whose key goes, in order.
    var months: [String] = []
    /// Earlier months whose key stays.
    var keptMonths: [String] = []
    /// Whether lines go by their own time.
    var isByLine: Bool { retentionClass == .logs && rule.isByLine }
    /// Whether what was recorded in a month may be kept for longer than others of the month.
    var keepsMonths: Bool { retentionClass == .previews || isByLine }
    /// What is older than this was due long before the server looked: the rest of an import, or what an earlier version
    /// kept. It is a week before the last sweep left nothing, or before now where there was none; and the last sweep
    /// itself where that was an earlier version's.
    var backlogBefore: Timestamp {
      if let settled = last?.settledBefore { return Entry.grace(settled) }
      return last?.sweptBefore ?? Entry.grace(before)
    }
    /// What to record as settled after a sweep.
    func settledBefore(isComplete: Bool) -> Timestamp {
      let former = last?.settledBefore
      if isComplete { return max(before, former ?? .minimum) }
      if let former { return former }
      return last?.sweptBefore.map { min(.maximum, $0.adding(seconds: Entry.graceSeconds)) } ?? before
    }

    private static let graceSeconds: Int64 = 7 * 86_400
    private static func grace(_ time: Timestamp) -> Timestamp { max(.minimum, time.adding(seconds: -graceSeconds)) }

    /// The last month whose key has gone, or goes; empty where none has.
    var keysThrough: String {
      let former = last?.fields["keys_through"]?.stringValue ?? ""
      guard let latest = months.last else { return former }
      return former.utf8.lexicographicallyPrecedes(latest.utf8) ? latest : former
    }
    /// Finished runs that are old enough.
    var runs: [Identifier] = []
    /// The tree over the log when the audit trail was archived.
    var tree: (size: UInt64, root: String)?
  }

  /// What a legal hold keeps.
  struct Held: Sendable {
    let retentionClass: RetentionClass
    let organization: Identifier
    let hold: Identifier
  }

  /// What falls due next, of a class of an organization's data.
  struct Coming: Sendable {
    let retentionClass: RetentionClass
    let organization: Identifier?
    let at: Timestamp
  }

  var entries: [Entry] = []
  /// For a dry run.
  var coming: [Coming] = []
  var held: [Held] = []
  var policies: [(organization: Identifier?, rules: JSON)] = []
  /// Whether there is more to do than one sweep takes.
  var isPartial = false

  /// The id under which sweeps of a class of an organization's data are recorded.
  static func identifier(_ retentionClass: RetentionClass, _ organization: Identifier?) -> DerivedIdentifier {
    let name = "daybook:retention:\(retentionClass.rawValue)"
    return DerivedIdentifier(
      name: name, type: "retention", organization: organization,
      former: .version5(namespace: .urlNamespace, name: "\(name):\(organization?.text ?? "none")"))
  }
}

extension StateSource where Self: ~Copyable {
  /// The hold that keeps a class of an organization's data from a sweep as a whole; nil where none does.
  func hold(on retentionClass: RetentionClass, of organization: Identifier) throws -> Identifier? {
    if let hold = try activeHold(on: organization) { return hold }
    guard retentionClass.isKeptByHolds else { return nil }
    return try activeHold(within: organization) ?? restriction(within: organization)
  }
}

extension ResourceState {
  /// Before which time a sweep has removed everything, in the state of one.
  var sweptBefore: Timestamp? { fields["before"]?.stringValue.flatMap { Timestamp($0) } }
  /// Before which time all was gone after the last sweep, or is known to stay; nil where an earlier version swept.
  var settledBefore: Timestamp? { fields["settled_before"]?.stringValue.flatMap { Timestamp($0) } }
  /// The last position that a sweep covered.
  var sweptThrough: UInt64 { fields["through"]?.integerValue.flatMap { UInt64(exactly: $0) } ?? 0 }

  /// Whether a sweep has recorded that the key of a month goes.
  func destroysKey(of month: String) -> Bool {
    guard let last = fields["keys_through"]?.stringValue,
      month.utf8.lexicographicallyPrecedes(last.utf8) || month == last
    else { return false }
    return !(fields["kept_months"]?.arrayValue ?? []).contains(.string(month))
  }
}
