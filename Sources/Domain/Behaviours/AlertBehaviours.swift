import EventLog
import BasicTypes
import CanonicalJSON

/// Alerts.
enum AlertBehaviours {
  /// `alert.escalate`: to the next level.
  static let escalate = Behaviour(decide: { decision in
    let state = try decision.target()
    try decision.checkLifecycle(state, allowed: ["active", "acknowledged"])
    let level = state.fields["escalation_level"]?.integerValue ?? 0
    guard level < Int64(Int32.max) else {
      throw DaybookError.invalidParam("/id", "this alert can't be escalated any further")
    }
    try decision.edit(
      state, decision.type, event: decision.command.event,
      values: ["escalation_level": .integer(level + 1), "last_escalated_at": .string(decision.now.text)])
  })
}
