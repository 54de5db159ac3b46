import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// Asks an organization's alert rules about what was measured: they fire, cool down, and their alerts end by
/// themselves.
enum AlertRules {
  /// What a rule makes of a value.
  enum Verdict: String {
    /// Within the limits, and no alert is open.
    case quiet
    /// Beyond the limit: an alert is raised.
    case fired
    /// Beyond the limit, and the alert is open already.
    case open
    /// Beyond the limit, but too soon after the last alert.
    case coolingDown = "cooling_down"
    /// Within the limits again: the open alert ends.
    case resolved

    /// Whether anything is to be recorded.
    var hasEffect: Bool { self == .fired || self == .resolved }
  }

  /// A rule's verdict on a value, and the alert that is open.
  struct Judgement {
    let rule: ResourceState
    let metric: String
    let value: Double
    let verdict: Verdict
    let openAlert: ResourceState?
  }

  /// The most rules of one organization that are asked.
  static let ruleLimit = 10_000

  /// Asks every rule that watches one of the values, and does what follows. Decided inside a reaction.
  static func ask(about measurement: Measurement?, _ decision: Decision) throws {
    guard let measurement else { return }
    for judgement in try judge(measurement, decision) where judgement.verdict.hasEffect {
      try carryOut(judgement, measurement, decision)
    }
  }

  /// The verdicts of the active rules that watch one of the values, without any effect.
  static func judge(_ measurement: Measurement, _ decision: Decision) throws -> [Judgement] {
    let links = try decision.transaction.referrers(
      of: measurement.organization, type: "alert_rule", limit: ruleLimit)
    decision.transaction.count(searched: links.count)
    try decision.checkBudget()
    var judgements: [Judgement] = []
    for link in links {
      guard let rule = try decision.transaction.living(link.id, type: "alert_rule"), rule.fields["is_active"] != false,
        let name = rule.fields["metric"], let metric = name.stringValue, let value = measurement.values[name],
        let isBeyond = breaches(rule, value)
      else { continue }
      if let pipeline = rule.reference("pipeline_id"), pipeline != measurement.pipeline { continue }
      judgements.append(
        try judge(rule, metric: metric, value: value, isBeyond: isBeyond, measurement, decision))
    }
    return judgements
  }

  private static func judge(
    _ rule: ResourceState, metric: String, value: Double, isBeyond: Bool, _ measurement: Measurement,
    _ decision: Decision
  ) throws -> Judgement {
    let alert = try openAlert(of: rule, decision)
    let verdict: Verdict
    if let alert {
      // What one pipeline or node does well says nothing about another one's alert.
      verdict = isBeyond || !isSameOrigin(alert, measurement) ? .open : .resolved
    } else if isBeyond {
      verdict = hasCooledDown(rule, now: decision.now) ? .fired : .coolingDown
    } else {
      verdict = .quiet
    }
    return Judgement(rule: rule, metric: metric, value: value, verdict: verdict, openAlert: alert)
  }

  /// Raises or ends a rule's alert, as its verdict says.
  static func carryOut(_ judgement: Judgement, _ measurement: Measurement, _ decision: Decision) throws {
    switch judgement.verdict {
    case .fired: try fire(judgement, measurement, decision)
    case .resolved:
      guard let alert = judgement.openAlert else { return }
      try decision.edit(
        alert, try decision.model.type("alert"), event: "alert.resolved",
        values: [
          "status": "resolved", "resolution_type": "auto", "resolved_at": .string(decision.now.text),
          "next_escalation_at": .null,
        ])
    case .quiet, .open, .coolingDown: return
    }
  }

  private static func fire(_ judgement: Judgement, _ measurement: Measurement, _ decision: Decision) throws {
    decision.transaction.count(consequences: 1)
    try decision.checkBudget()
    let rule = judgement.rule
    let severity = rule.fields["severity"]?.stringValue ?? "medium"
    var values: JSONObject = [
      "rule_id": .string(rule.id.text), "severity": .string(severity), "level": .string(AlertWords.level(of: severity)),
      "alert_type": .string(AlertWords.type(of: judgement.metric)), "metric": .string(judgement.metric),
      "metric_value": JSON(finite: judgement.value) ?? .null, "escalation_level": 0,
      "message": .string(AlertWords.message(rule, value: judgement.value)), "context": .object(measurement.origin),
    ]
    if let run = measurement.run { values["run_id"] = .string(run.text) }
    if let task = measurement.task { values["task_run_id"] = .string(task.text) }
    if let next = try Escalation.first(of: rule, decision) { values["next_escalation_at"] = .string(next.text) }
    let raised = try decision.create(
      Decision.Creation(
        type: try decision.model.type("alert"), event: "alert.raised", organization: rule.organization, values: values))
    try open(raised.resource, of: rule, decision)
  }

  /// An alert becomes the one that a rule has open.
  static func open(_ alert: Identifier, of rule: ResourceState, _ decision: Decision) throws {
    try decision.edit(
      rule, try decision.model.type("alert_rule"), event: "alert_rule.fired",
      values: ["last_fired_at": .string(decision.now.text), "open_alert_id": .string(alert.text)], isForced: true)
  }

  /// The alert that a rule has raised and that has not ended.
  static func openAlert(of rule: ResourceState, _ decision: Decision) throws -> ResourceState? {
    guard let id = rule.reference("open_alert_id"), let alert = try decision.transaction.living(id, type: "alert"),
      alert.fields["status"] == "active" || alert.fields["status"] == "acknowledged"
    else { return nil }
    return alert
  }

  /// Whether a value may end an alert: it comes from the same pipeline and node, as far as both are known.
  private static func isSameOrigin(_ alert: ResourceState, _ measurement: Measurement) -> Bool {
    let context = alert.fields["context"]
    if let pipeline = context?["pipeline_id"]?.stringValue.flatMap({ Identifier($0) }), let own = measurement.pipeline,
      pipeline != own
    {
      return false
    }
    if let node = context?["node_id"], let own = measurement.node, node != .string(own) { return false }
    return true
  }

  private static func hasCooledDown(_ rule: ResourceState, now: Timestamp) -> Bool {
    guard let last = rule.fields["last_fired_at"]?.stringValue.flatMap({ Timestamp($0) }) else { return true }
    let minutes = rule.fields["cooldown_minutes"]?.integerValue ?? 0
    return !now.isWithin(minutes * 60, of: last)
  }

  private static func breaches(_ rule: ResourceState, _ value: Double) -> Bool? {
    guard let threshold = rule.fields["threshold"]?.doubleValue else { return nil }
    switch rule.fields["operator"]?.stringValue {
    case "gt": return value > threshold
    case "gte": return value >= threshold
    case "lt": return value < threshold
    case "lte": return value <= threshold
    case "eq": return value == threshold
    default: return nil
    }
  }
}
