import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// What follows from alerts: people are told, and the rule that raised one may fire again when it has ended.
enum AlertReactions {
  /// The owner of the rule is told, or everybody.
  static let raised: Reactions.Reaction = { cause, decision in
    guard let alert = try decision.transaction.living(cause.event.resource, type: "alert") else { return }
    let rule = try alert.reference("rule_id").flatMap { try decision.transaction.living($0, type: "alert_rule") }
    try decision.notify(
      try Addressee.first(of: [rule?.reference("owner_id")], in: alert.organization, decision), type: "alert",
      title: "Alert: \(rule?.fields["name"]?.stringValue ?? "raised")", message: message(alert), about: alert)
  }

  /// Those whom the level names are told, or who stands in for them.
  static let escalated: Reactions.Reaction = { cause, decision in
    guard let alert = try decision.transaction.living(cause.event.resource, type: "alert") else { return }
    let level = cause.set["escalation_level"]?.integerValue ?? 0
    var told = (cause.data["user_ids"]?.arrayValue ?? []).compactMap { id in
      id.stringValue.flatMap { Identifier($0) }.map { Addressee.user($0) }
    }
    if cause.data["everybody"] == true { told.append(.organization) }
    for addressee in told {
      try decision.notify(
        addressee, type: "alert", title: "Alert escalated to level \(level)", message: message(alert), about: alert)
    }
  }

  /// The rule that raised it has no open alert any more.
  static let ended: Reactions.Reaction = { cause, decision in
    guard let alert = try decision.transaction.state(cause.event.resource), let id = alert.reference("rule_id"),
      let rule = try decision.transaction.living(id, type: "alert_rule"), rule.reference("open_alert_id") == alert.id
    else { return }
    try decision.edit(
      rule, try decision.model.type("alert_rule"), event: "alert_rule.cleared", values: ["open_alert_id": .null])
  }

  private static func message(_ alert: ResourceState) -> String { alert.fields["message"]?.stringValue ?? "" }
}
