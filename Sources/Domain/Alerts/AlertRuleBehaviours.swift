import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Rules that make alerts of measurements.
enum AlertRuleBehaviours {
  /// `alert_rule.evaluate`: asks the organization's rules about a value. `alert_rule.evaluated` is recorded for the
  /// rules that do something about it; the answer tells the verdict of each that watches the metric.
  static let evaluate = Behaviour(decide: { decision in
    guard let organization = try decision.newOrganization(),
      let metric = decision.parameters["metric"]?.stringValue, let value = decision.parameters["value"]?.doubleValue
    else { throw Refusal.invalidParam("/value", "is required") }
    try decision.authorize(in: organization)
    var measurement = Measurement(organization: organization)
    measurement.values[.string(metric)] = value
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
      else { throw Refusal.missing(type, id, at: "/\(parameter)") }
      return state
    }
    let run = try find("run_id", "run")
    measurement.run = run?.id
    measurement.pipeline = try find("pipeline_id", "pipeline")?.id ?? run?.reference("pipeline_id")
  }
}
