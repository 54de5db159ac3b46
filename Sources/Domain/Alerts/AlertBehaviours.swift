import BasicTypes
import CanonicalJSON
import EventLog

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

/// Rules that make alerts of measurements.
enum AlertRuleBehaviours {
  /// `alert_rule.evaluate`: asks the organization's rules about a value. `alert_rule.evaluated` is recorded for the
  /// rules that do something about it; the answer tells the verdict of each that watches the metric.
  static let evaluate = Behaviour(decide: { decision in
    guard let organization = try decision.newOrganization(),
      let metric = decision.parameters["metric"]?.stringValue, let value = decision.parameters["value"]?.doubleValue
    else { throw DaybookError.invalidParam("/value", "is required") }
    try decision.authorize(in: organization)
    var measurement = Measurement(organization: organization)
    measurement.values[metric] = value
    measurement.context = decision.parameters["context"]?.objectValue ?? [:]
    try locate(&measurement, decision)
    var results: [JSON] = []
    for judgement in try AlertRules.judge(measurement, decision) {
      if judgement.verdict.hasEffect { try carryOut(judgement, measurement, decision) }
      let rule = try decision.transaction.state(judgement.rule.id)
      results.append([
        "rule_id": .string(judgement.rule.id.text), "outcome": .string(judgement.verdict.rawValue),
        "alert_id": judgement.openAlert.map { .string($0.id.text) } ?? rule?.fields["open_alert_id"] ?? .null,
      ])
    }
    decision.members["results"] = .array(results)
  })

  private static func carryOut(
    _ judgement: AlertRules.Judgement, _ measurement: Measurement, _ decision: Decision
  ) throws {
    var data: JSONObject = [
      "metric": .string(judgement.metric), "value": JSON(finite: judgement.value) ?? .null,
      "outcome": .string(judgement.verdict.rawValue),
    ]
    if !measurement.origin.isEmpty { data["context"] = .object(measurement.origin) }
    let event = try decision.record(decision.command.event, on: judgement.rule, decision.type, data: data)
    try decision.reacting(to: event.id) { reaction in
      // The rule as it is after the event just recorded.
      guard let rule = try reaction.transaction.living(judgement.rule.id, type: "alert_rule") else { return }
      let present = AlertRules.Judgement(
        rule: rule, metric: judgement.metric, value: judgement.value, verdict: judgement.verdict,
        openAlert: judgement.openAlert)
      try AlertRules.carryOut(present, measurement, reaction)
    }
  }

  /// The run and pipeline that the value is about.
  private static func locate(_ measurement: inout Measurement, _ decision: Decision) throws {
    func find(_ parameter: String, _ type: String) throws -> ResourceState? {
      guard let id = decision.parameters[parameter]?.stringValue.flatMap({ Identifier($0) }) else { return nil }
      guard let state = try decision.transaction.living(id, type: type), state.organization == measurement.organization
      else { throw DaybookError.missing(type, id, at: "/\(parameter)") }
      return state
    }
    let run = try find("run_id", "run")
    measurement.run = run?.id
    measurement.pipeline = try find("pipeline_id", "pipeline")?.id ?? run?.reference("pipeline_id")
  }
}

/// Who is told when an alert stays open.
enum EscalationPolicyBehaviours {
  /// `escalation_policy.create`: those to be told must be there.
  static let create = Behaviour(
    check: { checkLevels(&$0) },
    decide: { decision in
      try checkPeople(decision, in: try decision.newOrganization())
      try decision.applyCreation()
    })

  /// `escalation_policy.edit`: those to be told must be there.
  static let edit = Behaviour(
    check: { checkLevels(&$0) },
    decide: { decision in
      let state = try decision.target()
      try checkPeople(decision, in: state.organization)
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    })

  /// Ids in their normal form; at least one level.
  private static func checkLevels(_ context: inout CheckContext) {
    guard var levels = context.fields["levels"]?.arrayValue else { return }
    if levels.isEmpty { context.refuse("/levels", "must hold at least one level") }
    for (index, level) in levels.enumerated() {
      guard var object = level.objectValue, let ids = object["notify_user_ids"]?.arrayValue else { continue }
      let normal = ids.enumerated().map { place, value -> JSON in
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else {
          context.refuse("/levels/\(index)/notify_user_ids/\(place)", "must be a UUID of 36 characters")
          return value
        }
        return .string(id.text)
      }
      object["notify_user_ids"] = .array(normal)
      levels[index] = .object(object)
    }
    context.fields["levels"] = .array(levels)
  }

  private static func checkPeople(_ decision: Decision, in organization: Identifier?) throws {
    for (index, level) in (decision.fields["levels"]?.arrayValue ?? []).enumerated() {
      for (place, value) in (level["notify_user_ids"]?.arrayValue ?? []).enumerated() {
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else { continue }
        guard try Addressee.isReachable(id, in: organization, decision) else {
          throw DaybookError.missing(
            "user", id, at: "/levels/\(index)/notify_user_ids/\(place)",
            "there is no active user of this id in the organization")
        }
      }
    }
  }
}
