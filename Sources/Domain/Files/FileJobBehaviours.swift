import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Work on files in the background, and what the file's own state makes of it: it
/// is processing while any job on it runs.
enum FileJobBehaviours {
  /// `file_job.create`: pending.
  static let create = Behaviour(
    organizationSource: "file_id",
    decide: { decision in try decision.applyCreation() })

  /// `file_job.start`: created and running.
  static let start = Behaviour(
    organizationSource: "file_id",
    decide: { decision in
      let job = try decision.applyCreation(["status": "running", "started_at": .string(decision.now.text)])
      guard let created = try decision.transaction.state(job.resource), let file = try file(of: created, decision)
      else { return }
      try FileBehaviours.markProcessing(file, decision, causation: job.id)
    })

  /// `file_job.begin`: a pending one runs now.
  static let begin = Behaviour(decide: { decision in
    let state = try decision.target()
    let present = status(of: state)
    if present == "running" { return }
    guard present == "pending" else {
      throw Decision.wrongState(decision.command.method, present: present, allowed: ["pending"])
    }
    let event = try decision.edit(
      state, decision.type, event: decision.command.event,
      values: ["status": "running", "started_at": .string(decision.now.text)])
    if let file = try file(of: state, decision) {
      try FileBehaviours.markProcessing(file, decision, causation: event?.id)
    }
  })

  /// `file_job.progress`: how far it has come; it never goes back.
  static let progress = Behaviour(decide: { decision in
    let state = try decision.target()
    let present = status(of: state)
    guard present == "running" else {
      throw Decision.wrongState(decision.command.method, present: present, allowed: ["running"])
    }
    guard let progress = decision.parameters["progress"]?.integerValue else {
      throw Refusal.invalidParam("/progress", "is required")
    }
    let before = state.fields["progress"]?.integerValue ?? 0
    guard progress >= before else {
      throw Refusal.invalidParam("/progress", "must not go back: it is at \(before)")
    }
    try decision.edit(
      state, decision.type, event: decision.command.event, values: ["progress": .integer(progress)])
  })

  /// `file_job.finish`: how it ended. When no other job runs on the file, the file has ended with it: as failed where
  /// this job failed, or another that ran meanwhile.
  static let finish = Behaviour(decide: { decision in
    let state = try decision.target()
    let present = status(of: state)
    guard let status = decision.parameters["status"] else {
      throw Refusal.invalidParam("/status", "is required")
    }
    if state.fields["status"] == status { return }
    let allowed = ["pending", "running"]
    guard allowed.contains(present) else {
      throw Decision.wrongState(decision.command.method, present: present, allowed: allowed)
    }
    var values = decision.parameters.merging(["completed_at": .string(decision.now.text)])
    if status == "success" { values["progress"] = 100 }
    let event = try decision.edit(state, decision.type, event: decision.command.event, values: values)
    // A job that never began has changed nothing about the file.
    if present == "running" { try finishFile(of: state, values, decision, causation: event?.id) }
  })

  // MARK: -

  private static func finishFile(
    of job: ResourceState, _ values: JSONObject, _ decision: Decision, causation: Identifier?
  ) throws {
    guard let file = try file(of: job, decision), FileBehaviours.status(of: file) == "processing" else { return }
    let type = try decision.model.type("file")
    let hasFailed = values["status"] == "failed"
    let message =
      values["error_message"] ?? .string("A \(job.fields["job_type"]?.stringValue ?? "processing") job failed.")
    if try hasOtherRunningJob(job, on: file, decision) {
      guard hasFailed else { return }
      try decision.edit(
        file, type, event: "file.processing_failed", values: ["error_message": message], causation: causation)
      return
    }
    let ends: JSONObject =
      if hasFailed {
        ["status": "failed", "error_message": message]
      } else {
        ["status": file.fields.contains("error_message") ? "failed" : "completed"]
      }
    try decision.edit(file, type, event: "file.processing_finished", values: ends, causation: causation)
  }

  private static func hasOtherRunningJob(
    _ job: ResourceState, on file: ResourceState, _ decision: Decision
  ) throws -> Bool {
    let links = try decision.transaction.referrers(of: file.id, type: "file_job", limit: .max)
    return try links.contains { link in
      guard link.id != job.id, let other = try decision.transaction.living(link.id, type: "file_job") else {
        return false
      }
      return other.reference("file_id") == file.id && status(of: other) == "running"
    }
  }

  /// The living file that a job works on.
  private static func file(of job: ResourceState, _ decision: Decision) throws -> ResourceState? {
    try job.reference("file_id").flatMap { try decision.transaction.living($0, type: "file") }
  }

  private static func status(of state: ResourceState) -> String {
    state.fields["status"]?.stringValue ?? "pending"
  }
}
