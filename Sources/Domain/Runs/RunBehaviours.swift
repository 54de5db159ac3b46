import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Refusals

/// Executions, and the reports about them, which may come late, twice and out of order.
enum RunBehaviours {
  /// `run.create`: pending, pinned to the pipeline's present version.
  static let create = Behaviour(
    check: checkCreation,
    organizationSource: "pipeline_id",
    decide: { decision in
      try decision.applyCreation(try pinned(decision).merging(try trigger(decision)))
    })

  /// `run.start`: created and running.
  static let start = Behaviour(
    check: checkCreation,
    organizationSource: "pipeline_id",
    decide: { decision in
      let begun: JSONObject = ["status": "running", "started_at": .string(decision.now.text)]
      try decision.applyCreation(try pinned(decision).merging(try trigger(decision)).merging(begun))
    })

  /// `run.edit`: what was said of it, put right; a run of no pipeline keeps its code.
  static let edit = Behaviour(
    check: { context in context.problems += TaskStates.problems(context.fields["task_states"]) },
    decide: { decision in
      let state = try decision.target()
      if decision.fields["code"]?.isNull == true, !state.fields.contains("pipeline_id") {
        throw Refusal.invalidParam("/code", "is required where there is no pipeline_id")
      }
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    })

  /// `run.begin`, `task_run.begin`, `calculation.begin`: it began, then or now.
  static let begin = Behaviour(decide: { decision in
    let state = try decision.target()
    let given = time(decision)
    if given == nil { try refuseEnded(state, decision) }
    // Beginning twice is a duplicate; only a report of its own time can put the beginning earlier.
    if given == nil, status(of: state) == "running", state.fields.contains("started_at") { return }
    let merged = merge(state, report: .start, at: given ?? decision.now, decision)
    try decision.edit(state, decision.type, event: decision.command.event, values: merged)
  })

  /// `run.finish`, `task_run.finish`: how it ended, then or now. Among several ends the latest decides; what came with
  /// an end that loses is not taken.
  static let finish = Behaviour(
    check: { context in context.problems += TaskStates.problems(context.parameters["task_states"]) },
    decide: end)

  /// How something that ran ended.
  @Sendable static func end(_ decision: Decision) throws {
    let state = try decision.target()
    guard let text = decision.parameters["status"]?.stringValue, let report = RunStateMerge.Report(rawValue: text)
    else {
      throw Refusal.invalidParam("/status", "is required")
    }
    let given = time(decision)
    var merged = JSONObject()
    var isTaken = true
    if given != nil || status(of: state) != text {
      let at = given ?? decision.now
      merged = merge(state, report: report, at: at, decision)
      let after = state.fields.merging(merged)
      isTaken = after["status"]?.stringValue == text && after["completed_at"]?.stringValue == at.text
    }
    if isTaken {
      for (name, value) in decision.parameters where name != "status" && name != "at" {
        merged[name] = name == "task_states" ? try TaskStates.merged(state.fields[name], with: value) : value
      }
    }
    try decision.edit(state, decision.type, event: decision.command.event, values: merged)
  }

  /// `run.set_task_states`: what a scheduler says of some tasks; what is known of the others stays.
  static let setTaskStates = Behaviour(
    check: { context in
      context.problems += TaskStates.problems(context.parameters["task_states"], allowsRemoval: true)
    },
    decide: { decision in
      let state = try decision.target()
      guard let told = decision.parameters["task_states"] else {
        throw Refusal.invalidParam("/task_states", "is required")
      }
      let states = try TaskStates.merged(state.fields["task_states"], with: told)
      try decision.edit(state, decision.type, event: decision.command.event, values: ["task_states": states])
    })

  /// `run.cancel`, `calculation.cancel`: stopped, then or now. What has ended can't be cancelled now.
  static let cancel = Behaviour(decide: { decision in
    let state = try decision.target()
    let given = time(decision)
    if given == nil {
      if status(of: state) == "cancelled" { return }
      try refuseEnded(state, decision)
    }
    let merged = merge(state, report: .cancelled, at: given ?? decision.now, decision)
    try decision.edit(state, decision.type, event: decision.command.event, values: merged)
  })

  /// `run.log`, `task_run.log`: lines, which are sealed as a whole; how many there are, of what level, and from when to
  /// when, is not.
  static let log = Behaviour(
    check: { context in
      if context.parameters["lines"]?.arrayValue?.isEmpty ?? false { context.refuse("/lines", "must not be empty") }
    },
    decide: { decision in
      let state = try decision.target()
      guard let lines = decision.parameters["lines"]?.arrayValue else {
        throw Refusal.invalidParam("/lines", "is required")
      }
      if lines.contains(where: { $0["level"] == nil }) {
        let facts = lines.enumerated().compactMap { index, line in
          line.objectValue.map { (path: "/lines/\(index)", facts: $0) }
        }
        try decision.checkTold(facts, by: "run.log", in: state.organization)
      }
      let now = JSON.string(decision.now.text)
      var levels: [String: Int64] = [:]
      var first: JSON?
      var last: JSON?
      let timed = lines.map { line -> JSON in
        levels[line["level"]?.stringValue ?? "INFO", default: 0] += 1
        let at = line["at"]?.unlessNull ?? now
        // Written in one way, so that they are in the order of their bytes.
        if let text = at.stringValue {
          if first.map({ text.utf8.lexicographicallyPrecedes(($0.stringValue ?? "").utf8) }) ?? true { first = at }
          if last.map({ ($0.stringValue ?? "").utf8.lexicographicallyPrecedes(text.utf8) }) ?? true { last = at }
        }
        guard var object = line.objectValue else { return line }
        if object["level"] == nil { object["level"] = "INFO" }
        if object["at"] == nil { object["at"] = now }
        return .object(object)
      }
      try decision.record(
        decision.command.event, on: state, decision.type,
        data: [
          "lines": .array(timed), "count": .integer(Int64(lines.count)),
          "levels": .object(JSONObject(members: levels.map { (key: $0.key, value: .integer($0.value)) })),
          "first_at": first ?? now, "last_at": last ?? now,
        ])
    })

  /// `run.measure`, `task_run.measure`: what one node did. Counters that nobody gave
  /// are kept as 0, and no alert rule is asked about them.
  static let measure = Behaviour(decide: { decision in
    let state = try decision.target()
    var data = decision.parameters
    if data.contains(where: { $0.value.integerValue.map { Int32(exactly: $0) == nil } ?? false }) {
      try decision.checkTold([("", data)], by: "run.measure", in: state.organization)
    }
    if data["at"] == nil { data["at"] = .string(decision.now.text) }
    let event = try decision.record(decision.command.event, on: state, decision.type, data: data)
    let given = data.filter { !decision.prepared.defaulted.contains($0.key) }
    try decision.reacting(to: event.id) { try RunReactions.measured(given, of: state, $0) }
  })

  /// `run.preview`: some rows at one node, and what columns they have, sealed as a whole; how many there are is not.
  static let preview = Behaviour(
    check: { context in
      if let rows = context.parameters["sample_data"]?.arrayValue, rows.count > previewedRows {
        context.refuse("/sample_data", "must have at most \(previewedRows) rows: a preview is the first of them")
      }
    }, decide: previewed)

  /// The most rows of a preview.
  private static let previewedRows = 100

  @Sendable private static func previewed(_ decision: Decision) throws {
    let state = try decision.target()
    var data = decision.parameters
    try decision.checkTold([("", data)], by: "run.preview", in: state.organization)
    if data["expires_at"] == nil {
      let rule = try RetentionPolicies.rule(
        .previews, organization: state.organization, in: decision.transaction, decision.engine.retentionDocuments)
      // Where nobody says until when, it is kept.
      if let hours = rule.hours {
        data["expires_at"] = .string(min(.maximum, decision.now.adding(seconds: hours * 3600)).text)
      }
    }
    try decision.record(decision.command.event, on: state, decision.type, data: data)
  }

  // MARK: -

  /// What a report changes, of those fields that the type has.
  private static func merge(
    _ state: ResourceState, report: RunStateMerge.Report, at: Timestamp, _ decision: Decision
  ) -> JSONObject {
    RunStateMerge.merge(state.fields, report: report, at: at).filter { decision.type.field($0.key) != nil }
  }

  private static func time(_ decision: Decision) -> Timestamp? {
    decision.parameters["at"]?.stringValue.flatMap { Timestamp($0) }
  }

  static func status(of state: ResourceState) -> String {
    state.fields["status"]?.stringValue ?? "pending"
  }

  private static func refuseEnded(_ state: ResourceState, _ decision: Decision) throws {
    let present = status(of: state)
    guard present != "pending", present != "running" else { return }
    throw Decision.wrongState(decision.command.method, present: present, allowed: ["pending", "running"])
  }

  @Sendable private static func checkCreation(_ context: inout CheckContext) {
    context.problems += TaskStates.problems(context.fields["task_states"])
  }

  /// Who triggered it, where nobody says: the acting person; nobody for what a schedule or a webhook triggered.
  private static func trigger(_ decision: Decision) throws -> JSONObject {
    let byPersons = ["manual", "api"]
    guard decision.fields["triggered_by"] == nil, let actor = decision.actor,
      let type = decision.fields["trigger_type"]?.stringValue, byPersons.contains(type),
      try decision.transaction.living(actor, type: "user") != nil
    else { return [:] }
    return ["triggered_by": .string(actor.text)]
  }

  /// The version of the pipeline that the run runs.
  private static func pinned(_ decision: Decision) throws -> JSONObject {
    if decision.fields["pipeline_id"] == nil, decision.fields["code"] == nil {
      let organization = try decision.newOrganization()
      let platform = try organization.flatMap { try decision.platform(of: $0) }
      guard let platform, decision.engine.platformRules.runsOfNothing.contains(platform) else {
        let problem = "a run is of a pipeline or of code"
        throw Refusal.invalidParams([
          ValueProblem(path: "/pipeline_id", problem: "is required, unless there is code: \(problem)"),
          ValueProblem(path: "/code", problem: "is required, unless there is a pipeline_id: \(problem)"),
        ])
      }
    }
    guard let id = decision.fields["pipeline_id"]?.stringValue.flatMap({ Identifier($0) }),
      let pipeline = try decision.transaction.living(id, type: "pipeline"),
      let version = pipeline.fields["version_number"]
    else { return [:] }
    return ["pipeline_version": version]
  }
}
