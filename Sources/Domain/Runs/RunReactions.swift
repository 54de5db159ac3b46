import BasicTypes
import CanonicalJSON
import EventLog
import Records

/// What follows from executions: notifications of how they ended, and alert rules asked about what was measured.
enum RunReactions {
  /// A run may have ended: told only where this very event changed its state, so a late or repeated report tells nobody
  /// twice.
  static let ended: Reactions.Reaction = { cause, decision in
    guard let status = cause.set["status"]?.stringValue, cause.was["status"] != cause.set["status"],
      status == "success" || status == "failed" || status == "timeout",
      let run = try decision.transaction.living(cause.event.resource, type: "run")
    else { return }
    let pipeline = try run.reference("pipeline_id").flatMap { try decision.transaction.living($0, type: "pipeline") }
    if status == "success" {
      try tellSuccess(of: run, pipeline, isReported: cause.event.event == "run.reported", decision)
    } else {
      try tellFailure(of: run, pipeline, status: status, decision)
    }
    try AlertRules.ask(about: Measurement(end: status, of: run), decision)
  }

  /// A node was measured: the alert rules are asked about what was given.
  static func measured(_ given: JSONObject, of state: ResourceState, _ decision: Decision) throws {
    var run: ResourceState? = state
    if state.type != "run" {
      run = try state.reference("run_id").flatMap { try decision.transaction.living($0, type: "run") }
    }
    guard let run else { return }
    try AlertRules.ask(
      about: Measurement(given: given, of: run, task: state.type == "task_run" ? state : nil), decision)
  }

  private static func tellFailure(
    of run: ResourceState, _ pipeline: ResourceState?, status: String, _ decision: Decision
  ) throws {
    let users =
      if let pipeline { [pipeline.reference("owner_id"), pipeline.creator] } else {
        [run.reference("triggered_by"), run.creator]
      }
    try decision.notify(
      try Addressee.first(of: users, in: run.organization, decision), type: "pipeline_failed",
      title: "\(name(pipeline)) \(status == "timeout" ? "ran out of time" : "failed")",
      message: "\(number(run)) ended as \(status)\(duration(run)).", about: run)
  }

  /// Success is news only for a person who is waiting for it: the one who started the run by hand.
  private static func tellSuccess(
    of run: ResourceState, _ pipeline: ResourceState?, isReported: Bool, _ decision: Decision
  ) throws {
    guard run.fields["trigger_type"] == "manual" else { return }
    // Whose key imports reports has started nothing.
    let starter = run.reference("triggered_by") ?? (isReported ? nil : run.creator)
    guard let starter, try Addressee.isReachable(starter, in: run.organization, decision) else { return }
    try decision.notify(
      try Addressee.first(of: [starter], in: run.organization, decision), type: "pipeline_success",
      title: "\(name(pipeline)) succeeded", message: "\(number(run)) ended as success\(duration(run)).", about: run)
  }

  private static func name(_ pipeline: ResourceState?) -> String {
    pipeline?.fields["name"]?.stringValue ?? "An ad hoc run"
  }

  private static func number(_ run: ResourceState) -> String {
    run.fields["number"]?.integerValue.map { "Run \($0)" } ?? "The run"
  }

  private static func duration(_ run: ResourceState) -> String {
    guard let seconds = run.fields["duration_seconds"], !seconds.isNull else { return "" }
    return " after \(seconds.canonicalString) s"
  }
}
