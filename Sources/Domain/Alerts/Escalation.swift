import Access
import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals

/// How an alert that stays open climbs the levels of its rule's escalation policy.
enum Escalation {
  /// How many escalations an alert says of whom they told, the latest; every event
  /// holds them all, and the history the others.
  static let keptEntries = 50

  /// When an alert that a rule raises now is told to the first level; nil where no policy says so.
  static func first(of rule: ResourceState, _ decision: Decision) throws -> Timestamp? {
    guard let level = try levels(of: rule, decision).first else { return nil }
    return time(of: level, after: decision.now)
  }

  /// The levels of a rule's policy; none where there is no active one.
  static func levels(of rule: ResourceState, _ decision: Decision) throws -> [JSON] {
    guard let id = rule.reference("escalation_policy_id"),
      let policy = try decision.transaction.living(id, type: "escalation_policy"), policy.fields["is_active"] != false
    else { return [] }
    return policy.fields["levels"]?.arrayValue ?? []
  }

  /// The levels that an alert climbs.
  static func levels(ofAlert alert: ResourceState, _ decision: Decision) throws -> [JSON] {
    guard let id = alert.reference("rule_id"), let rule = try decision.transaction.living(id, type: "alert_rule")
    else { return [] }
    return try levels(of: rule, decision)
  }

  /// One level up: the policy's severity, those to be told, and when the next is due. Beyond the policy's last level
  /// its people are told again; without a policy the level alone counts.
  static func climb(_ alert: ResourceState, _ decision: Decision) throws {
    let before = max(0, alert.fields["escalation_level"]?.integerValue ?? 0)
    guard before < Int64(Int32.max) else {
      throw Refusal.invalidParam("/id", "this alert can't be escalated any further")
    }
    let level = before + 1
    let levels = try levels(ofAlert: alert, decision)
    var values: JSONObject = [
      "escalation_level": .integer(level), "last_escalated_at": .string(decision.now.text), "next_escalation_at": .null,
    ]
    var data = JSONObject()
    if !levels.isEmpty {
      let reached = levels[Int(min(level, Int64(levels.count))) - 1]
      if let severity = reached["severity"]?.stringValue {
        values["severity"] = .string(severity)
        values["level"] = .string(AlertWords.level(of: severity))
      }
      data = try recipients(of: reached, alert, decision)
      data["channels"] = reached["channels"] ?? []
      let entry = data.merging(["level": .integer(level), "at": .string(decision.now.text)])
      values["notifications_sent"] = .array(
        (alert.fields["notifications_sent"]?.arrayValue ?? []).suffix(keptEntries - 1) + [.object(entry)])
    }
    // Who acknowledged it is at work on it: no clock drives it on.
    if alert.fields["status"] == "active", level < Int64(levels.count),
      let next = time(of: levels[Int(level)], after: decision.now)
    {
      values["next_escalation_at"] = .string(next.text)
    }
    try decision.edit(alert, decision.type, event: decision.command.event, values: values, data: data)
  }

  /// Whether the clock says that an alert must climb now.
  static func isDue(_ alert: ResourceState, now: Timestamp) -> Bool {
    guard alert.fields["status"] == "active",
      let next = alert.fields["next_escalation_at"]?.stringValue.flatMap({ Timestamp($0) })
    else { return false }
    return next <= now
  }

  /// Who is told: `user_ids`; where the level names nobody who is there, the owner of the rule, and without one all of
  /// the organization (`everybody`).
  private static func recipients(
    of level: JSON, _ alert: ResourceState, _ decision: Decision
  ) throws -> JSONObject {
    var told: [JSON] = []
    var isAnybodyThere = false
    for value in level["notify_user_ids"]?.arrayValue ?? [] {
      guard let id = value.stringValue.flatMap({ Identifier($0) }), !told.contains(.string(id.text)),
        try Addressee.isReachable(id, in: alert.organization, decision)
      else { continue }
      isAnybodyThere = true
      if try Addressee.wantsNotifications(id, decision) { told.append(.string(id.text)) }
    }
    if isAnybodyThere { return ["user_ids": .array(told)] }
    let rule = try alert.reference("rule_id").flatMap { try decision.transaction.living($0, type: "alert_rule") }
    switch try Addressee.first(of: [rule?.reference("owner_id")], in: alert.organization, decision) {
    case .user(let id): return ["user_ids": [.string(id.text)]]
    case .organization: return ["user_ids": [], "everybody": true]
    case .nobody: return ["user_ids": []]
    }
  }

  private static func time(of level: JSON, after start: Timestamp) -> Timestamp? {
    level["after_minutes"]?.integerValue.map { start.adding(seconds: $0 * 60) }
  }
}
