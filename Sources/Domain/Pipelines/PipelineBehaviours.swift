import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Pipelines and their versions.
///
/// The versions of a pipeline are numbered 1, 2, 3 …; a new number is made only where the canonical content of the
/// versioned fields differs.
enum PipelineBehaviours {
  /// `pipeline.create`: version 1.
  static let create = Behaviour(
    check: { context in context.problems += PipelineContent.problems(in: context.fields) },
    decide: { decision in
      if let organization = try decision.newOrganization() {
        try decision.authorize(in: organization)
        try checkStepsTold(decision.fields["steps"], in: organization, decision)
        try PipelineReferences.check(
          decision.fields, kind: decision.fields["kind"], organization: organization, in: decision)
      }
      try decision.applyCreation(try firstContent(decision.fields, at: decision.now))
    })

  /// `pipeline.edit`: a new version where content changes.
  static let edit = Behaviour(
    check: { context in context.problems += PipelineContent.ownProblems(in: context.fields) },
    decide: { decision in
      let state = try decision.target()
      var values = decision.fields.merging(decision.constants())
      if let steps = values["steps"] {
        try checkStepsTold(steps, in: state.organization, decision)
        values["steps"] = PipelineContent.withIdentifiers(steps, before: state.fields["steps"], at: decision.now)
        try checkStepsKept(of: state, changedTo: values["steps"], decision)
      }
      try PipelineReferences.check(
        values, kind: state.fields["kind"], organization: state.organization, in: decision)
      values = try decision.unmasked(values, of: state, decision.type)
      let plain = try decision.plain(state)
      try checkGraph(of: plain, changedBy: values)
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: withVersion(values, of: plain, decision.type))
    })

  /// `pipeline.rollback`: the content of an earlier version again, as a new version; nothing where it is there already.
  static let rollback = Behaviour<ContentVersions.Found?>(prepare: ContentVersions.prepare) { decision, found in
    let state = try decision.target()
    guard let wanted = decision.parameters["to_version"]?.integerValue else {
      throw Refusal.invalidParam("/to_version", "is required")
    }
    let values = try ContentVersions.rollback(of: state, decision.type, to: wanted, found: found, in: decision)
    // The content is there already: nothing to record.
    guard !values.isEmpty else { return }
    if let steps = values["steps"] { try checkStepsKept(of: state, changedTo: steps, decision) }
    try decision.edit(
      state, decision.type, event: decision.command.event,
      values: withVersion(values, of: decision.plain(state), decision.type),
      data: ["rolled_back_to": .integer(wanted)])
  }

  /// `pipeline.name_version`: a name for a version, kept with the event.
  static let nameVersion = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let number = decision.parameters["version_number"]?.integerValue, let name = decision.parameters["name"]
    else { throw Refusal.invalidParam("/version_number", "is required") }
    let present = ContentVersions.number(of: state)
    guard number <= present else {
      throw ContentVersions.missing("/version_number", number, latest: present)
    }
    try decision.record(
      decision.command.event, on: state, decision.type, data: ["version_number": .integer(number), "name": name])
  })

  /// `pipeline.mark_synced`: a DAG's present content is that of its scheduler.
  static let markSynced = Behaviour(decide: { decision in
    let state = try dag(decision)
    try decision.edit(state, decision.type, event: decision.command.event, values: decision.constants())
  })

  /// `pipeline.mark_sync_failed`: a DAG couldn't be brought to its scheduler; why is kept with the event.
  static let markSyncFailed = Behaviour(decide: { decision in
    let state = try dag(decision)
    let data = decision.parameters
    try decision.edit(
      state, decision.type, event: decision.command.event, values: decision.constants(), data: data,
      isForced: !data.isEmpty)
  })

  private static func dag(_ decision: Decision) throws -> ResourceState {
    let state = try decision.target()
    let kind = state.fields["kind"] ?? .null
    guard kind == "dag" else {
      throw Refusal.conflict(
        reason: "state",
        "\(decision.command.method) is for pipelines of kind dag; this is a \(kind.stringValue ?? "flow").",
        ["from": kind, "allowed": ["dag"]])
    }
    return state
  }

  // MARK: - Shared with reports that make and change pipelines

  /// What a new pipeline's first version is made of besides the given fields.
  static func firstContent(_ fields: JSONObject, at now: Timestamp) throws -> JSONObject {
    var values: JSONObject = ["version_number": 1]
    if let steps = fields["steps"] {
      values["steps"] = PipelineContent.withIdentifiers(steps, before: nil, at: now)
    }
    if fields["kind"] == "dag" { values["sync_status"] = "pending" }
    return values
  }

  /// The values of an edit, with the next version number where they change versioned content; what was synced, or
  /// failed to be, then is modified. Values and state are in the clear.
  static func withVersion(_ values: JSONObject, of state: ResourceState, _ type: ResourceModel) -> JSONObject {
    guard ContentVersions.differ(values, from: state, type) else { return values }
    var numbered = values
    numbered["version_number"] = .integer(ContentVersions.number(of: state) + 1)
    if let status = state.fields["sync_status"], status == "synced" || status == "error" {
      numbered["sync_status"] = "modified"
    }
    return numbered
  }

  // MARK: - Checks

  /// What a platform's document demands of each step.
  private static func checkStepsTold(_ steps: JSON?, in organization: Identifier?, _ decision: Decision) throws {
    let told = (steps?.arrayValue ?? []).enumerated().compactMap { index, step in
      step.objectValue.map { (path: "/steps/\(index)", facts: $0) }
    }
    if !told.isEmpty { try decision.checkTold(told, by: "pipeline.create", in: organization) }
  }

  /// Refuses to take a step away that was run, where the platform's document protects it.
  private static func checkStepsKept(of state: ResourceState, changedTo steps: JSON?, _ decision: Decision) throws {
    guard let organization = state.organization, let platform = try decision.platform(of: organization),
      decision.engine.platformRules.keepsSteps.contains(platform)
    else { return }
    func ids(_ steps: JSON?) -> Set<JSON> { Set((steps?.arrayValue ?? []).compactMap { $0["id"] }) }
    let leaving = ids(state.fields["steps"]).subtracting(ids(steps))
    guard !leaving.isEmpty else { return }
    for run in try decision.transaction.referrers(of: state.id, type: "run", limit: .max) {
      for link in try decision.transaction.referrers(of: run.id, type: "task_run", limit: .max) {
        guard let task = try decision.transaction.living(link.id, type: "task_run"), let step = task.fields["step_id"],
          leaving.contains(step)
        else { continue }
        throw Refusal.conflict(
          reason: "reference",
          """
          The step \(step.stringValue ?? "") was run, so that it can't be taken away on \(platform): leave it among the \
          steps, or delete its task runs first.
          """,
          ["referrers": [["resource_type": "task_run", "id": .string(task.id.text)]]])
      }
      try decision.checkBudget()
    }
  }

  private static func checkGraph(of state: ResourceState, changedBy values: JSONObject) throws {
    let names = ["nodes", "tasks", "edges"]
    guard names.contains(where: { values.contains($0) }) else { return }
    let merged = names.map { values[$0] ?? state.fields[$0] }
    let problems = PipelineContent.graphProblems(
      kind: state.fields["kind"], nodes: merged[0], tasks: merged[1], edges: merged[2])
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
  }
}
