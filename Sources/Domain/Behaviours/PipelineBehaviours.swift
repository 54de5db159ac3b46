import BasicTypes
import CanonicalJSON
import Catalog
import EventLog

/// Pipelines and their versions.
///
/// The versions of a pipeline are numbered 1, 2, 3 …; a new number is made only where the canonical content of the versioned fields differs.
enum PipelineBehaviours {
  /// `pipeline.create`: version 1.
  static let create = Behaviour(
    check: { context in
      checkContent(&context)
      context.problems += PipelineContent.graphProblems(
        nodes: context.fields["nodes"], tasks: context.fields["tasks"], edges: context.fields["edges"],
        isAcyclic: context.fields["kind"] == "dag")
    },
    decide: { decision in
      try decision.applyCreation(try firstContent(decision.fields, at: decision.now))
    })

  /// `pipeline.edit`: a new version where content changes.
  static let edit = Behaviour(
    check: checkContent,
    decide: { decision in
      let state = try decision.target()
      var values = decision.fields.merging(decision.constants())
      if let steps = values["steps"] {
        values["steps"] = PipelineContent.withIdentifiers(steps, before: state.fields["steps"], at: decision.now)
      }
      try checkGraph(of: state, changedBy: values)
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: withVersion(values, of: state, decision.type))
    })

  /// `pipeline.rollback`: the content of an earlier version again, as a new version; nothing where it is there already.
  static let rollback = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let wanted = decision.parameters["to_version"]?.integerValue else {
      throw DaybookError.invalidParam("/to_version", "is required")
    }
    let present = versionNumber(of: state)
    guard wanted <= present else { throw noVersion("/to_version", wanted, latest: present) }
    let content = try PipelineVersions.content(of: state, version: wanted, in: decision.transaction)
    var values = JSONObject()
    for name in decision.type.versioned { values[name] = content[name] ?? .null }
    values = values.filter { $0.value.unlessNull != state.fields[$0.key] }
    // The content is there already: nothing to record.
    guard !values.isEmpty else { return }
    try checkRequired(values, decision.type)
    try decision.edit(
      state, decision.type, event: decision.command.event,
      values: withVersion(values, of: state, decision.type), data: ["rolled_back_to": .integer(wanted)])
  })

  /// `pipeline.name_version`: a name for a version, kept with the event.
  static let nameVersion = Behaviour(decide: { decision in
    let state = try decision.target()
    guard let number = decision.parameters["version_number"]?.integerValue, let name = decision.parameters["name"]
    else { throw DaybookError.invalidParam("/version_number", "is required") }
    let present = versionNumber(of: state)
    guard number <= present else { throw noVersion("/version_number", number, latest: present) }
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
      throw DaybookError.conflict(
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

  /// The values of an edit, with the next version number where they change versioned content; what was synced, or failed to be, then
  /// is modified.
  static func withVersion(_ values: JSONObject, of state: ResourceState, _ type: TypeModel) -> JSONObject {
    let changesContent = values.contains { name, value in
      type.versioned.contains(name) && value.unlessNull != state.fields[name]
    }
    guard changesContent else { return values }
    var numbered = values
    numbered["version_number"] = .integer(versionNumber(of: state) + 1)
    if let status = state.fields["sync_status"], status == "synced" || status == "error" {
      numbered["sync_status"] = "modified"
    }
    return numbered
  }

  static func versionNumber(of state: ResourceState) -> Int64 {
    state.fields["version_number"]?.integerValue ?? 1
  }

  // MARK: - Checks

  @Sendable private static func checkContent(_ context: inout CheckContext) {
    context.problems += PipelineContent.stepProblems(context.fields["steps"])
    if let schedule = context.fields["schedule"] {
      context.problems += Schedule.problems(schedule, path: "/schedule")
    }
  }

  private static func checkGraph(of state: ResourceState, changedBy values: JSONObject) throws {
    let names = ["nodes", "tasks", "edges"]
    guard names.contains(where: { values.contains($0) }) else { return }
    let merged = names.map { values[$0] ?? state.fields[$0] }
    let problems = PipelineContent.graphProblems(
      nodes: merged[0], tasks: merged[1], edges: merged[2], isAcyclic: state.fields["kind"] == "dag")
    guard problems.isEmpty else { throw DaybookError.invalidParams(problems) }
  }

  private static func checkRequired(_ values: JSONObject, _ type: TypeModel) throws {
    for (name, value) in values where value.isNull && type.field(name)?.field.isRequired == true {
      throw DaybookError.conflict(
        reason: "state", "That version has no \(name), which the catalog requires by now.", ["allowed": []])
    }
  }

  private static func noVersion(_ path: String, _ number: Int64, latest: Int64) -> DaybookError {
    .invalidParam(path, "there is no version \(number); the latest is \(latest)")
  }
}

/// Earlier versions of a pipeline, from its history.
enum PipelineVersions {
  /// The fields of a pipeline as they were last at a version number, by undoing its events from the last one on.
  /// - Throws: ``DaybookError`` where the history doesn't reach back to it.
  static func content(
    of state: ResourceState, version wanted: Int64, in transaction: LogTransaction
  ) throws -> JSONObject {
    var fields = state.fields
    var upper = state.version
    while (fields["version_number"]?.integerValue ?? 1) > wanted, upper >= 1 {
      let lower = max(1, upper - 63)
      for record in try transaction.history(of: state.id, versions: lower...upper).reversed() {
        let body = try record.parsedBody()
        for (name, value) in body.was { fields[name] = value.unlessNull }
        if let number = fields["version_number"]?.integerValue, number <= wanted { return fields }
      }
      upper = lower - 1
    }
    guard fields["version_number"]?.integerValue == wanted else {
      throw DaybookError.conflict(
        reason: "state", "The history of this pipeline no longer holds version \(wanted).", ["allowed": []])
    }
    return fields
  }
}
