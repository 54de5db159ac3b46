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
        values["steps"] = PipelineContent.withIdentifiers(steps, before: state.fields["steps"], at: decision.now)
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

  private static func checkGraph(of state: ResourceState, changedBy values: JSONObject) throws {
    let names = ["nodes", "tasks", "edges"]
    guard names.contains(where: { values.contains($0) }) else { return }
    let merged = names.map { values[$0] ?? state.fields[$0] }
    let problems = PipelineContent.graphProblems(
      kind: state.fields["kind"], nodes: merged[0], tasks: merged[1], edges: merged[2])
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
  }
}
