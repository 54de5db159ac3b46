import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// Alerts.
enum AlertBehaviours {
  /// `alert.create`, `alert.raise`: by hand. One that names a rule climbs the levels of that rule's escalation policy,
  /// as the rule's own do, and is the rule's open alert where it has none.
  static let raise = Behaviour(decide: { decision in
    var values = JSONObject()
    var rule: ResourceState?
    if let id = decision.fields["rule_id"]?.stringValue.flatMap({ Identifier($0) }),
      let named = try decision.transaction.living(id, type: "alert_rule"), try decision.isVisible(named)
    {
      rule = named
      if let next = try Escalation.first(of: named, decision) { values["next_escalation_at"] = .string(next.text) }
    }
    let raised = try decision.applyCreation(values)
    guard let rule, try AlertRules.openAlert(of: rule, decision) == nil else { return }
    try decision.reacting(to: raised.id) { try AlertRules.open(raised.resource, of: rule, $0) }
  })

  /// `alert.escalate`: to the next level, by hand.
  static let escalate = Behaviour(decide: { decision in
    let state = try decision.target()
    try decision.checkLifecycle(state, allowed: ["active", "acknowledged"])
    try Escalation.climb(state, decision)
  })

  /// `alert.escalate_due`: to the next level where its time has come; nothing where it hasn't, or somebody has
  /// acknowledged it.
  static let escalateDue = Behaviour(decide: { decision in
    let state = try decision.target()
    guard Escalation.isDue(state, now: decision.now) else { return }
    try Escalation.climb(state, decision)
  })
}
