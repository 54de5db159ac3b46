import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Refusals

/// `openlineage.move`: what reports of a namespace have put into one organization is copied into another one, and then
/// deleted in the first.
///
/// One call moves a piece, and needs nothing of the calls before it: what is a copy of what follows from namespaces,
/// names and run ids, by which reports find it too.
struct OpenLineageMove {
  typealias Report = OpenLineageReport<ReportTransaction>

  let decision: Decision
  let order: MoveOrder
  let target: ReportTransaction
  var moved: [String: Int64] = [:]
  var kept = 0
  var leftOut: Int64 = 0
  var fields: MovedFields
  /// What goes in the first organization.
  var plan = DeletionPlan()
  /// The event that says that this was moved; nil while nothing was.
  var cause: Identifier?
  var room: Int
  /// How much was done that brings the move on; a call that does nothing is the last one.
  var steps = 0
  /// Children that don't go in this call and were told where their parent has gone.
  var told = 0

  /// The most records of one resource that are looked through for reports, logs, measurements and previews, and about
  /// how many bytes of them: the last ones.
  static let mostFacts: Int64 = 2000
  static let mostFactBytes = 4 << 20
  /// What all of these may come to in one call, so that the writer's budget holds.
  static let mostRecordsRead = 12_000
  static let mostBytesRecorded = 16 << 20
  /// The most edges, and the most pairs of datasets, that one call moves of a pipeline or a run.
  static let mostEdges = 500
  /// The most children of runs that one call tells where their parent has gone.
  static let mostTold = 500
  /// The most runs above one another that go in one call; what is above them is named only.
  static let mostAbove = 1000

  /// `openlineage.move`.
  static let behaviour = Behaviour<MoveSurvey>(
    alsoRefuses: [.notFound, .held],
    prepare: { context in
      if context.organization == nil {
        context.refuse("/organization_id", "is required: say where it goes")
      } else if let from = context.parameters["from"]?.stringValue, Identifier(from) == context.organization {
        context.refuse("/organization_id", "is where it is already: say another organization")
      }
      OpenLineageBehaviours.checkNamespace(&context)
      return context.problems.isEmpty ? .background(MoveSurvey.make) : .refused
    },
    decide: { decision, survey in
      _ = try decision.newOrganization()
      try decision.authorize(in: nil)
      let order = try MoveOrder(decision.prepared)
      guard let from = try decision.transaction.state(order.from), from.type == "organization" else {
        throw Refusal.missing("organization", order.from, at: "/from")
      }
      guard !from.isDeleted else { throw Refusal.invalidParam("/from", "this organization was deleted") }
      var move = OpenLineageMove(decision: decision, order: order)
      try move.carryOut(survey)
    })

  init(decision: Decision, order: MoveOrder) {
    self.decision = decision
    self.order = order
    target = ReportTransaction(decision: decision, ownOrganization: order.to)
    fields = MovedFields(receivedAt: decision.now)
    room = order.limit
  }

  mutating func carryOut(_ survey: MoveSurvey) throws {
    var isLeft = survey.hasMore
    kept = survey.kept
    switch order.kind {
    case .job where !survey.jobs.isEmpty:
      for job in survey.jobs where try !move(job) { isLeft = true }
      // Whether a dataset may go is found when no pipeline is left.
      isLeft = true
    case .job: isLeft = try sweepDatasets(survey)
    case .dataset: isLeft = try moveDatasets(survey)
    }
    decision.members["moved"] = .object(JSONObject(members: moved.map { (key: $0.key, value: .integer($0.value)) }))
    decision.members["kept"] = .integer(Int64(kept))
    decision.members["left_out"] = .integer(leftOut)
    decision.members["left"] = .bool(isLeft && steps > 0)
  }

  /// Whether the writer has time for one more.
  var hasTime: Bool {
    let work = decision.transaction.work
    return work.recordedBytes < 8 << 20 && work.historyBytes < 32 << 20 && work.historyRecords < 5000
  }

  /// Whether there is room besides.
  var goesOn: Bool { room > 0 && hasTime }

  // MARK: - Runs and their jobs

  /// Moves what is left of a job, as far as there is room.
  /// - Returns: Whether all of it was moved.
  mutating func move(_ job: MoveSurvey.Job) throws -> Bool {
    guard let pipeline = try decision.transaction.living(job.pipeline, type: "pipeline"),
      pipeline.organization == order.from, order.fits(pipeline.fields["namespace"])
    else { return true }
    try decision.refuseIfHeld(pipeline)
    for id in job.runs {
      guard goesOn else { break }
      guard let run = try decision.transaction.living(id, type: "run"), try moves(run) else { continue }
      try move(run, of: pipeline.fields["namespace"]?.stringValue ?? "")
    }
    guard goesOn, try !MoveOrder.isUsed(pipeline.id, in: decision.transaction) else { return false }
    try begin()
    _ = try copy(pipeline: pipeline)
    let edges = try decision.transaction.referrers(
      of: pipeline.id, type: "lineage_edge", limit: Self.mostEdges + 1)
    for link in edges.prefix(Self.mostEdges) {
      guard hasTime else { return false }
      try move(edge: link.id)
    }
    guard edges.count <= Self.mostEdges else { return false }
    try plan.merge(decision.deletionPlan(of: pipeline, decision.model.type("pipeline")))
    try endDeletions()
    room -= 1
    steps += 1
    moved["pipelines", default: 0] += 1
    return true
  }

  /// Whether a run goes along: reports have made it, of a job that is meant.
  func moves(_ run: ResourceState) throws -> Bool {
    guard run.organization == order.from, MoveOrder.isReported(run), let pipeline = run.reference("pipeline_id") else {
      return false
    }
    return order.fits(try decision.transaction.state(pipeline)?.fields["namespace"])
  }

  /// Moves a run, those above it before it and its children behind it, as far as there is room: a list of work, since
  /// runs may stand above one another without an end.
  mutating func move(_ run: ResourceState, of namespace: String) throws {
    var waiting = try line(above: run, namespace)
    var copied: [(run: ResourceState, namespace: String)] = []
    var index = 0
    while index < waiting.count {
      let next = waiting[index]
      index += 1
      guard fields.copies[next.run.id] == nil, try !MoveOrder.hasTooMuch(next.run.id, in: decision.transaction) else {
        continue
      }
      guard goesOn, try prepare(next.run) else { break }
      try copy(run: next.run, of: next.namespace)
      copied.append(next)
      room -= 1
      for link in try decision.transaction.referrers(of: next.run.id, type: "run", limit: max(room, 1)) {
        guard let child = try decision.transaction.living(link.id, type: "run"), try moves(child) else { continue }
        waiting.append((child, try self.namespace(of: child) ?? ""))
      }
    }
    // The children first: who goes as well needs not be told.
    for next in copied.reversed() {
      guard hasTime else { break }
      try finish(next.run, of: next.namespace)
    }
    try endDeletions()
  }

  /// A run with those above it that go along, the topmost first.
  func line(
    above run: ResourceState, _ namespace: String
  ) throws -> [(run: ResourceState, namespace: String)] {
    var line = [(run: run, namespace: namespace)]
    var seen: Set = [run.id]
    while line.count < Self.mostAbove, let lowest = line.last,
      let id = lowest.run.reference("parent_run_id"), fields.copies[id] == nil, seen.insert(id).inserted,
      let parent = try decision.transaction.living(id, type: "run")
    {
      let told = try target.plain(lowest.run).fields["context"]?["parent_job"]?["namespace"]?.stringValue
      let pipeline = parent.reference("pipeline_id")
      // One that only its children have named has no job yet.
      let isNamedAlone =
        pipeline == nil && parent.organization == order.from && !MoveOrder.isReported(parent)
        && parent.fields["status"] == "pending" && order.fits(told.map(JSON.string))
      guard try isNamedAlone || moves(parent) else { break }
      line.append((parent, try self.namespace(of: parent) ?? told ?? ""))
    }
    return line.reversed()
  }

  func namespace(of run: ResourceState) throws -> String? {
    try run.reference("pipeline_id").flatMap { try decision.transaction.state($0) }?.fields["namespace"]?.stringValue
  }

  /// Copies what a run names, each a step of its own that later calls find done.
  /// - Returns: Whether all of it is there.
  mutating func prepare(_ run: ResourceState) throws -> Bool {
    try begin()
    if let id = run.reference("pipeline_id"), let pipeline = try decision.transaction.living(id, type: "pipeline") {
      _ = try copy(pipeline: pipeline)
    }
    for field in ["input_dataset_ids", "output_dataset_ids"] {
      for id in run.fields[field]?.arrayValue ?? [] {
        guard goesOn, try copyDataset(id.stringValue.flatMap { Identifier($0) }) else { return false }
      }
    }
    return goesOn
  }

  /// Copies a run; what belongs to it comes with its deletion.
  mutating func copy(run: ResourceState, of namespace: String) throws {
    let type = try decision.model.type("run")
    let plain = try target.plain(run)
    let runID = try self.runID(of: run, namespace)
    var values = plain.fields
    let parent = try findParent(of: plain, into: &values)
    values = try references(values, type)
    if let parent { values["parent_run_id"] = .string(parent.text) }
    let place =
      try copied(run.id)?.copy
      ?? Report.runIdentifier(runID, namespace: namespace, organization: order.to, in: target)
    values["external_id"] = place.text == runID.lowercased() ? nil : .string(runID)
    fields.copies[run.id] = place
    values = fields.renamed(values)
    var copy = place
    if let known = try decision.transaction.living(place, type: "run") {
      let present = try target.plain(known)
      let more = fields.missing(ofRun: values, in: present.fields)
      _ = try target.change(present, set: more, event: "edited", data: [:])
    } else {
      // What was moved back finds its old id taken by itself, deleted.
      copy = try create(type, values, id: try decision.transaction.state(place) == nil ? place : nil)
    }
    fields.copies[run.id] = copy
    try copyNewFacts(of: run, to: copy, type)
  }

  /// Deletes a copied run, once nothing that stays refers to it any more: what belongs to it is copied, edges are, and
  /// children that don't go in this call are told by which name they find it.
  mutating func finish(_ run: ResourceState, of namespace: String) throws {
    // A call that doesn't end here is gone on with by a later one.
    let children = try decision.transaction.referrers(of: run.id, type: "run", limit: Self.mostTold + 1)
    for link in children {
      guard !plan.contains(link.id), let child = try decision.transaction.living(link.id, type: "run"),
        child.reference("parent_run_id") == run.id
      else { continue }
      guard told < Self.mostTold, hasTime else { return }
      told += 1
      steps += 1
      try tell(child, of: run, namespace)
    }
    guard children.count <= Self.mostTold else { return }
    let edges = try decision.transaction.referrers(of: run.id, type: "lineage_edge", limit: Self.mostEdges + 1)
    for link in edges.prefix(Self.mostEdges) {
      guard hasTime else { return }
      try move(edge: link.id)
    }
    guard edges.count <= Self.mostEdges else { return }
    try copyPairs(of: run)
    guard hasTime else { return }
    let going = try decision.deletionPlan(of: run, decision.model.type("run"))
    // Tasks before the alerts about them, and those before edges between two tasks.
    let along = going.deletions.filter { $0.state.id != run.id }
    let last = ["alert", "lineage_edge"]
    for step in along where !last.contains(step.type.name) { try copyAlong(step.state, step.type) }
    for name in last {
      for step in along where step.type.name == name { try copyAlong(step.state, step.type) }
    }
    plan.merge(going)
    steps += 1
    moved["runs", default: 0] += 1
  }

  func tell(_ child: ResourceState, of parent: ResourceState, _ namespace: String) throws {
    let plain = try target.plain(child)
    var context = plain.fields["context"]?.objectValue ?? [:]
    if context["parent_job"]?["namespace"] != nil {
      context["parent_run_id"] = .string(try runID(of: parent, namespace))
    }
    _ = try target.change(
      plain, set: ["context": .object(context), "parent_run_id": .null], event: "edited", data: [:])
  }

  /// The id by which its producer knows a run.
  func runID(of run: ResourceState, _ namespace: String) throws -> String {
    guard let external = run.fields["external_id"]?.stringValue,
      try Report.runIdentifier(external, namespace: namespace, organization: order.from, in: target) == run.id
    else { return run.id.text }
    return external
  }

  /// Finds the copy of a run's parent. Of a parent that stays the copy keeps the names alone, as of one in another
  /// organization; of one that was moved before, the names lead to its copy.
  func findParent(of run: ResourceState, into values: inout JSONObject) throws -> Identifier? {
    values["parent_run_id"] = nil
    var context = values["context"]?.objectValue ?? [:]
    let told = context["parent_job"]?["namespace"]?.stringValue
    if let id = run.reference("parent_run_id"), let parent = try decision.transaction.living(id, type: "run") {
      if let known = fields.copies[id] { return known }
      if let copy = try copied(id)?.copy, try decision.transaction.living(copy, type: "run") != nil { return copy }
      context["parent_run_id"] = .string(try runID(of: parent, try namespace(of: parent) ?? told ?? ""))
      values["context"] = .object(context)
      return nil
    }
    guard let told, let runID = context["parent_run_id"]?.stringValue else { return nil }
    let id = try Report.runIdentifier(runID, namespace: told, organization: order.to, in: target)
    guard let parent = try decision.transaction.living(id, type: "run"), parent.organization == order.to else {
      return nil
    }
    context.removeValue(forKey: "parent_run_id")
    values["context"] = .object(context)
    return id
  }

  mutating func copy(pipeline: ResourceState) throws -> Identifier {
    try copyNamed(pipeline, constraint: "pipeline_job")
  }
}
