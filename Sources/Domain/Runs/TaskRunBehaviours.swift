import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Steps of executions.
enum TaskRunBehaviours {
  /// `task_run.create`: pending.
  static let create = Behaviour(
    organizationSource: "run_id",
    decide: { decision in
      try checkStep(decision)
      try decision.applyCreation()
    })

  /// `task_run.start`: created and running.
  static let start = Behaviour(
    organizationSource: "run_id",
    decide: { decision in
      try checkStep(decision)
      try decision.applyCreation(["status": "running", "started_at": .string(decision.now.text)])
    })

  /// `task_run.retry`: once more from the start; what the attempt before came to stays in the history.
  static let retry = Behaviour(decide: { decision in
    let state = try decision.target()
    let allowed = ["failed", "timeout", "cancelled"]
    let present = RunBehaviours.status(of: state)
    guard allowed.contains(present) else {
      throw Decision.wrongState(decision.command.method, present: present, allowed: allowed)
    }
    let count = state.fields["retry_count"]?.integerValue ?? 0
    try decision.edit(
      state, decision.type, event: decision.command.event,
      values: [
        "retry_count": .integer(count + 1), "status": "pending", "started_at": .null, "completed_at": .null,
        "duration_seconds": .null, "error_message": .null,
      ])
  })

  /// A step is one of the version that the run runs.
  private static func checkStep(_ decision: Decision) throws {
    guard let step = decision.fields["step_id"]?.stringValue,
      let runID = decision.fields["run_id"]?.stringValue.flatMap({ Identifier($0) }),
      let run = try decision.transaction.living(runID, type: "run"), let pipelineID = run.reference("pipeline_id"),
      let version = run.fields["pipeline_version"]?.integerValue,
      let pipeline = try decision.transaction.living(pipelineID, type: "pipeline"), try decision.isVisible(pipeline)
    else { return }
    let content = try ContentVersions.content(of: pipeline, version: version, in: decision)
    let steps = content["steps"]?.arrayValue ?? []
    guard steps.contains(where: { $0["id"] == .string(step) }) else {
      throw Refusal.invalidParam(
        "/step_id", "is no step of the pipeline's version \(version), which this run runs")
    }
  }
}
