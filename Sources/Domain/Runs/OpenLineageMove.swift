import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Refusals
import Vault

/// `openlineage.move`: what reports of a namespace have put into one organization is copied into another one, and then
/// deleted in the first.
///
/// One call moves a piece, and needs nothing of the calls before it: what is a copy of what follows from namespaces,
/// names and run ids, by which reports find it too.
struct OpenLineageMove {
  private typealias Report = OpenLineageReport<ReportTransaction>

  let decision: Decision
  let order: MoveOrder
  let target: ReportTransaction
  private var moved: [String: Int64] = [:]
  private var kept = 0
  private var leftOut: Int64 = 0
  private var fields: MovedFields
  /// What goes in the first organization.
  private var plan = DeletionPlan()
  /// The event that says that this was moved; nil while nothing was.
  private var cause: Identifier?
  private var room: Int
  /// How much was done that brings the move on; a call that does nothing is the last one.
  private var steps = 0
  /// Children that stay, for now or for ever, and were told where their parent has gone.
  private var told = 0

  /// The most reports, logs, measurements and previews of one resource that are copied: the last ones.
  private static let mostFacts: Int64 = 2000
  /// The most edges, and the most pairs of datasets, that one call moves of a pipeline or a run.
  private static let mostEdges = 500
  /// The most children of runs that one call tells where their parent has gone.
  private static let mostTold = 500
  /// The most alerts, tasks and what belongs to them that go with one run: one that has more stays.
  private static let mostAlong = 1000
  /// The most runs above one another that go in one call; what is above them is named only.
  private static let mostAbove = 1000
  /// The most edges that are looked at to see whether a dataset may go.
  private static let mostLinks = 5000

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

  private init(decision: Decision, order: MoveOrder) {
    self.decision = decision
    self.order = order
    target = ReportTransaction(decision: decision, ownOrganization: order.to)
    fields = MovedFields(receivedAt: decision.now)
    room = order.limit
  }

  private mutating func carryOut(_ survey: MoveSurvey) throws {
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

  /// Whether there is room, and the writer has time, for one more.
  private var goesOn: Bool {
    let work = decision.transaction.work
    return room > 0 && work.recordedBytes < 8 << 20 && work.historyBytes < 32 << 20 && work.historyRecords < 5000
  }

  // MARK: - Runs and their jobs

  /// Moves what is left of a job, as far as there is room.
  /// - Returns: Whether all of it was moved.
  private mutating func move(_ job: MoveSurvey.Job) throws -> Bool {
    guard let pipeline = try decision.transaction.living(job.pipeline, type: "pipeline"),
      pipeline.organization == order.from, order.fits(pipeline.fields["namespace"])
    else { return true }
    try decision.refuseIfHeld(pipeline)
    for id in job.runs {
      guard goesOn else { break }
      guard let run = try decision.transaction.living(id, type: "run"), try moves(run) else { continue }
      try move(run, of: pipeline.fields["namespace"]?.stringValue ?? "")
    }
    guard goesOn || job.runs.isEmpty, try !MoveOrder.isUsed(pipeline.id, in: decision.transaction) else { return false }
    try begin()
    _ = try copy(pipeline: pipeline)
    let edges = try decision.transaction.referrers(
      of: pipeline.id, type: "lineage_edge", limit: Self.mostEdges + 1)
    for link in edges.prefix(Self.mostEdges) { try move(edge: link.id) }
    guard edges.count <= Self.mostEdges else { return false }
    try plan.merge(decision.deletionPlan(of: pipeline, decision.model.type("pipeline")))
    try endDeletions()
    room -= 1
    steps += 1
    moved["pipelines", default: 0] += 1
    return true
  }

  /// Whether a run goes along: reports have made it, of a job that is meant.
  private func moves(_ run: ResourceState) throws -> Bool {
    guard run.organization == order.from, MoveOrder.isReported(run), let pipeline = run.reference("pipeline_id") else {
      return false
    }
    return order.fits(try decision.transaction.state(pipeline)?.fields["namespace"])
  }

  /// Moves a run, those above it before it and its children behind it, as far as there is room: a list of work, since
  /// runs may stand above one another without an end.
  private mutating func move(_ run: ResourceState, of namespace: String) throws {
    var waiting = try line(above: run, namespace)
    var copied: [(run: ResourceState, namespace: String)] = []
    var index = 0
    while index < waiting.count {
      let next = waiting[index]
      index += 1
      guard fields.copies[next.run.id] == nil else { continue }
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
    for next in copied.reversed() { try finish(next.run, of: next.namespace) }
    try endDeletions()
  }

  /// A run with those above it that go along, the topmost first.
  private func line(
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

  private func namespace(of run: ResourceState) throws -> String? {
    try run.reference("pipeline_id").flatMap { try decision.transaction.state($0) }?.fields["namespace"]?.stringValue
  }

  /// Copies what a run names, each a step of its own that later calls find done.
  /// - Returns: Whether all of it is there.
  private mutating func prepare(_ run: ResourceState) throws -> Bool {
    try begin()
    if let id = run.reference("pipeline_id"), let pipeline = try decision.transaction.living(id, type: "pipeline") {
      _ = try copy(pipeline: pipeline)
    }
    for field in ["input_dataset_ids", "output_dataset_ids"] {
      for id in run.fields[field]?.arrayValue ?? [] {
        guard goesOn else { return false }
        try copyDataset(id.stringValue.flatMap { Identifier($0) })
      }
    }
    return goesOn
  }

  /// Copies a run; what belongs to it comes with its deletion.
  private mutating func copy(run: ResourceState, of namespace: String) throws {
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
  /// children that stay, for now or for ever, are told by which name they find it.
  private mutating func finish(_ run: ResourceState, of namespace: String) throws {
    for link in try decision.transaction.referrers(of: run.id, type: "run", limit: Self.mostTold + 1) {
      guard !plan.contains(link.id), let child = try decision.transaction.living(link.id, type: "run"),
        child.reference("parent_run_id") == run.id
      else { continue }
      // A later call goes on with it.
      guard told < Self.mostTold else { return }
      told += 1
      steps += 1
      try tell(child, of: run, namespace)
    }
    let edges = try decision.transaction.referrers(of: run.id, type: "lineage_edge", limit: Self.mostEdges + 1)
    for link in edges.prefix(Self.mostEdges) { try move(edge: link.id) }
    guard edges.count <= Self.mostEdges else { return }
    try copyPairs(of: run)
    let going = try decision.deletionPlan(of: run, decision.model.type("run"))
    guard going.deletions.count <= Self.mostAlong else {
      kept += 1
      return
    }
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

  private func tell(_ child: ResourceState, of parent: ResourceState, _ namespace: String) throws {
    let plain = try target.plain(child)
    var context = plain.fields["context"]?.objectValue ?? [:]
    if context["parent_job"]?["namespace"] != nil {
      context["parent_run_id"] = .string(try runID(of: parent, namespace))
    }
    _ = try target.change(
      plain, set: ["context": .object(context), "parent_run_id": .null], event: "edited", data: [:])
  }

  /// The id by which its producer knows a run.
  private func runID(of run: ResourceState, _ namespace: String) throws -> String {
    guard let external = run.fields["external_id"]?.stringValue,
      try Report.runIdentifier(external, namespace: namespace, organization: order.from, in: target) == run.id
    else { return run.id.text }
    return external
  }

  /// Finds the copy of a run's parent. Of a parent that stays the copy keeps the names alone, as of one in another
  /// organization; of one that was moved before, the names lead to its copy.
  private func findParent(of run: ResourceState, into values: inout JSONObject) throws -> Identifier? {
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

  private mutating func copy(pipeline: ResourceState) throws -> Identifier {
    try copyNamed(pipeline, constraint: "pipeline_job")
  }

  // MARK: - Datasets

  private mutating func copyDataset(_ id: Identifier?) throws {
    guard let id, fields.copies[id] == nil, let dataset = try decision.transaction.living(id, type: "dataset"),
      dataset.organization == order.from
    else { return }
    let copy = try copyNamed(dataset, constraint: "dataset_name")
    // Its other names, by which reports made datasets too.
    for (namespace, name) in MovedFields.otherNames(ofDataset: try target.plain(dataset).fields) {
      let other = try target.find(
        type: "dataset", constraint: "dataset_name",
        values: [.string(order.from.text), .string(namespace), .string(name)])
      try copyDataset(other?.id)
    }
    // Those that name it among their symlinks, which lead to it.
    let aliases = (dataset.fields["alias_ids"]?.arrayValue ?? []).compactMap {
      $0.stringValue.flatMap { Identifier($0) }
    }
    guard !aliases.isEmpty else { return }
    for alias in aliases { try copyDataset(alias) }
    guard let known = try target.state(copy) else { return }
    let present = known.fields["alias_ids"]?.arrayValue ?? []
    let all = Set(present.compactMap(\.stringValue) + aliases.compactMap { fields.copies[$0]?.text })
    guard all.count > present.count else { return }
    _ = try target.change(
      known, set: ["alias_ids": .array(all.sorted().map(JSON.string))], event: "edited", data: [:])
  }

  /// Copies what is found by its namespace and name: made where it isn't there, else given what it lacks.
  private mutating func copyNamed(_ state: ResourceState, constraint: String) throws -> Identifier {
    if let known = fields.copies[state.id] { return known }
    let type = try decision.model.type(state.type)
    guard let namespace = state.fields["namespace"], let name = state.fields["name"] else {
      throw Refusal.internalError("What is to be moved has no name.")
    }
    let plain = try target.plain(state)
    var values = fields.renamed(try references(plain.fields, type))
    values["alias_ids"] = nil
    let copy: Identifier
    let known = try target.find(
      type: state.type, constraint: constraint, values: [.string(order.to.text), namespace, name])
    if let known {
      copy = known.id
      let isTaken = try known.fields["dag_id"] == nil && isTaken(values["dag_id"])
      if isTaken { values["dag_id"] = nil }
      _ = try target.change(
        known, set: fields.missing(values, in: known.fields), event: "edited", data: [:])
    } else {
      if try isTaken(values["dag_id"]) { values["dag_id"] = nil }
      let id = Report.identifier(of: state.type, key: [namespace, name], organization: order.to)
      copy = try create(type, values, id: try decision.transaction.state(id) == nil ? id : nil)
    }
    fields.copies[state.id] = copy
    if try copyNewFacts(of: state, to: copy, type), state.type == "dataset" {
      moved["datasets", default: 0] += 1
    }
    return copy
  }

  private func isTaken(_ dag: JSON?) throws -> Bool {
    guard let dag else { return false }
    return try target.find(type: "pipeline", constraint: "pipeline_dag_id", values: [.string(order.to.text), dag])
      != nil
  }

  /// Copies the facts that weren't copied before, and remembers, as of reports that were taken in, up to which version
  /// they were, and where to.
  /// - Returns: Whether this is the first time.
  @discardableResult
  private mutating func copyNewFacts(of state: ResourceState, to copy: Identifier, _ type: ResourceModel) throws -> Bool
  {
    let known = try copied(state.id)
    guard known?.version != state.version || known?.copy != copy else { return false }
    try copyFacts(of: state, to: copy, type, after: known?.copy == copy ? known?.version ?? 0 : 0)
    let noted: JSON = ["copy": .string(copy.text), "version": .integer(state.version)]
    try decision.transaction.storeCommand(
      actor: mark, id: state.id.text, StoredCommand(fingerprint: fingerprint(state.id), result: noted.canonicalBytes))
    if known == nil { steps += 1 }
    return known == nil
  }

  /// Where a resource was copied to, and which version of it.
  private func copied(_ id: Identifier) throws -> (copy: Identifier, version: Int64)? {
    guard let stored = try decision.transaction.storedCommand(actor: mark, id: id.text),
      stored.fingerprint == fingerprint(id)
    else { return nil }
    let noted = try JSON.parse(stored.result)
    guard let copy = noted["copy"]?.stringValue.flatMap({ Identifier($0) }),
      let version = noted["version"]?.integerValue
    else { return nil }
    return (copy, version)
  }

  private func isCopied(_ id: Identifier) throws -> Bool { try copied(id) != nil }

  private var mark: String { "move:\(order.to.text)" }

  private func fingerprint(_ id: Identifier) -> [UInt8] {
    decision.engine.vault.lookupHash("move", order.to.bytes + id.bytes)
  }

  /// Deletes the datasets that were copied and that nothing refers to any more.
  /// - Returns: Whether there are more of them.
  private mutating func sweepDatasets(_ survey: MoveSurvey) throws -> Bool {
    var left = survey.datasets.filter { !survey.named.contains($0) }
    while true {
      var linked: [Identifier] = []
      for id in left {
        guard try isCopied(id), let dataset = try decision.transaction.living(id, type: "dataset") else { continue }
        if try isLinked(dataset, survey) {
          linked.append(id)
          continue
        }
        guard goesOn else { return true }
        // Another job may have told more of it since it was copied.
        try begin()
        try copyDataset(id)
        try delete(dataset)
      }
      // One that another one's symlinks name goes once that has gone.
      guard linked.count < left.count else { return false }
      left = linked
    }
  }

  /// Copies datasets of a namespace, and deletes those that nothing refers to.
  private mutating func moveDatasets(_ survey: MoveSurvey) throws -> Bool {
    for id in survey.datasets {
      guard let dataset = try decision.transaction.living(id, type: "dataset"), order.fits(dataset.fields["namespace"])
      else { continue }
      let stays = try survey.named.contains(id) || isLinked(dataset, survey)
      if stays { kept += 1 }
      if try stays && isCopied(id) { continue }
      guard goesOn else { return true }
      try begin()
      try copyDataset(id)
      if stays { room -= 1 } else { try delete(dataset) }
    }
    return false
  }

  /// Whether somebody still needs a dataset: an edge of a job that stays or that people made, or another dataset that
  /// runs name and that is known by its name too.
  private func isLinked(_ dataset: ResourceState, _ survey: MoveSurvey) throws -> Bool {
    let links = try decision.transaction.referrers(of: dataset.id, type: "lineage_edge", limit: Self.mostLinks + 1)
    if links.count > Self.mostLinks { return true }
    for link in links {
      guard let edge = try decision.transaction.living(link.id, type: "lineage_edge") else { continue }
      let isFree =
        edge.reference("pipeline_id") == nil && edge.reference("run_id") == nil && MoveOrder.isReported(edge)
        && edge.fields["columns"]?.arrayValue?.isEmpty ?? true
      if !isFree { return true }
    }
    return (dataset.fields["alias_ids"]?.arrayValue ?? []).contains { other in
      other.stringValue.flatMap { Identifier($0) }.map { $0 != dataset.id && survey.named.contains($0) } ?? false
    }
  }

  private mutating func delete(_ dataset: ResourceState) throws {
    try begin()
    try plan.merge(decision.deletionPlan(of: dataset, decision.model.type("dataset")))
    try endDeletions()
    room -= 1
    steps += 1
    moved["datasets_deleted", default: 0] += 1
  }

  // MARK: - Edges, and what belongs to runs

  /// Copies an edge, and takes what goes out of it. It goes itself with one of its datasets, which stay while others
  /// name them.
  private mutating func move(edge id: Identifier) throws {
    guard !plan.contains(id), let edge = try decision.transaction.living(id, type: "lineage_edge") else { return }
    let plain = try target.plain(edge)
    // One between tasks goes along with them.
    if try copy(edge: plain) { moved["lineage_edges", default: 0] += 1 }
    let transaction = decision.transaction
    var rest = try MovedFields.rest(ofEdge: plain.fields) { job in try transaction.state(job).map(goes) ?? true }
    if let run = edge.reference("run_id"), try fields.copies[run] != nil || isCopied(run) { rest["run_id"] = .null }
    _ = try target.change(plain, set: rest, event: "edited", data: [:])
    steps += 1
  }

  /// Copies what the jobs that go have shown of an edge between datasets.
  /// - Parameter run: A run that showed it and isn't named by it any more.
  /// - Returns: Whether it is one.
  private mutating func copy(edge plain: ResourceState, through run: ResourceState? = nil) throws -> Bool {
    guard let source = plain.reference("source_id"), let sink = plain.reference("target_id") else { return false }
    try copyDataset(source)
    try copyDataset(sink)
    guard let newSource = fields.copies[source], let newSink = fields.copies[sink] else { return false }
    for job in MovedFields.jobs(ofEdge: plain.fields) + [plain.reference("pipeline_id")].compactMap({ $0 }) {
      if let pipeline = try decision.transaction.state(job), try goes(pipeline) { try copyGoing(pipeline) }
    }
    let key = [JSON.string(newSource.text), .string(newSink.text)]
    let known = try target.find(type: "lineage_edge", constraint: "lineage_edge_pair", values: key)
    var changes = fields.edge(plain.fields, onto: known?.fields ?? [:])
    if let run, known?.fields["run_id"] == nil, changes["run_id"] == nil {
      for (name, id) in [("run_id", run.id), ("pipeline_id", run.reference("pipeline_id") ?? run.id)] {
        if let copy = fields.copies[id] { changes[name] = .string(copy.text) }
      }
    }
    let type = try decision.model.type("lineage_edge")
    if let known {
      _ = try target.change(known, set: changes, event: "edited", data: [:])
    } else {
      let values = changes.filter { !$0.value.isNull && type.field($0.key) != nil }
        .merging(["source_id": key[0], "target_id": key[1]])
      let place = Report.identifier(of: "lineage_edge", key: key, organization: order.to)
      _ = try create(type, values, id: try decision.transaction.state(place) == nil ? place : nil)
    }
    return true
  }

  /// Copies the edges between a run's datasets that name another run by now, since that has shown them later.
  private mutating func copyPairs(of run: ResourceState) throws {
    func datasets(_ field: String) -> [Identifier] {
      (run.fields[field]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { Identifier($0) } }
    }
    let (inputs, outputs) = (datasets("input_dataset_ids"), datasets("output_dataset_ids"))
    guard inputs.count * outputs.count <= Self.mostEdges else { return }
    for source in inputs {
      for sink in outputs where source != sink {
        let key = [JSON.string(source.text), .string(sink.text)]
        let found = try target.find(type: "lineage_edge", constraint: "lineage_edge_pair", values: key)
        guard let found, found.organization == order.from else { continue }
        _ = try copy(edge: found, through: run)
      }
    }
  }

  /// Whether a pipeline is one of those that are moved, or were.
  private func goes(_ pipeline: ResourceState) throws -> Bool {
    if order.fits(pipeline.fields["namespace"]) { return true }
    return try pipeline.isDeleted && isCopied(pipeline.id)
  }

  private mutating func copyGoing(_ pipeline: ResourceState) throws {
    if !pipeline.isDeleted {
      _ = try copy(pipeline: pipeline)
      return
    }
    guard fields.copies[pipeline.id] == nil, let namespace = pipeline.fields["namespace"],
      let name = pipeline.fields["name"]
    else { return }
    let known = try target.find(
      type: "pipeline", constraint: "pipeline_job", values: [.string(order.to.text), namespace, name])
    fields.copies[pipeline.id] = known?.id
  }

  /// Copies what goes with a run: alerts, its tasks, and what belongs to those.
  private mutating func copyAlong(_ state: ResourceState, _ type: ResourceModel) throws {
    let plain = try target.plain(state)
    if state.type == "alert" {
      // What a check spoke of, so that the copy names the dataset's copy.
      try copyDataset(plain.fields["context"]?["dataset_id"]?.stringValue.flatMap { Identifier($0) })
    }
    if state.type == "lineage_edge", try copy(edge: plain) {
      moved["lineage_edges", default: 0] += 1
      return
    }
    let values = fields.renamed(try references(plain.fields, type))
    for field in type.fields where field.field.isRequired && plain.fields[field.name] != nil {
      guard values[field.name] != nil else {
        leftOut += 1
        return
      }
    }
    var id: Identifier?
    if state.type == "alert" { id = try alertIdentifier(plain) }
    if let taken = id, let known = try decision.transaction.state(taken) {
      if !known.isDeleted, known.type == "alert", known.organization == order.to {
        // The same reports were told there too.
        fields.copies[state.id] = taken
        return
      }
      id = nil
    }
    let copy = try create(type, values, id: id)
    fields.copies[state.id] = copy
    try copyFacts(of: state, to: copy, type, after: 0)
    moved[type.plural, default: 0] += 1
  }

  private func alertIdentifier(_ alert: ResourceState) throws -> Identifier? {
    guard let checked = alert.fields["context"]?["dataset_id"]?.stringValue.flatMap({ Identifier($0) }),
      let dataset = try target.state(checked)
    else { return nil }
    return Report.alertIdentifier(
      ofCopy: (alert.id, alert.fields), dataset: dataset.fields, fields, from: order.from, to: order.to)
  }

  // MARK: - Copying

  /// The declared fields, with the copies where they refer to something that has one, people who are there still as they
  /// are, and without what belongs to the first organization, was erased or was taken out.
  private func references(_ values: JSONObject, _ type: ResourceModel) throws -> JSONObject {
    var kept = JSONObject()
    for field in type.fields {
      guard let value = values[field.name], field.name != "organization_id", field.name != "version_number" else {
        continue
      }
      if value == Redactions.mark, !field.field.isRequired { continue }
      if let reference = field.field.reference {
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else { continue }
        if reference.types != ["user"] {
          if let copy = fields.copies[id] { kept[field.name] = .string(copy.text) }
        } else if try decision.transaction.living(id, type: "user") != nil {
          kept[field.name] = value
        }
        continue
      }
      kept[field.name] = value
    }
    return kept
  }

  private func create(_ type: ResourceModel, _ values: JSONObject, id: Identifier?) throws -> Identifier {
    let event = "\(type.name).\(type.type.command("create")?.event ?? "created")"
    return try decision.create(
      Decision.Creation(
        type: type, event: event, id: id, organization: order.to, values: values, causation: cause)
    ).resource
  }

  /// Records again what reports, logs, measurements and previews of a resource told beside its fields, as far as it can
  /// still be read. It is sealed as of now: its retention begins anew.
  private mutating func copyFacts(
    of state: ResourceState, to copy: Identifier, _ type: ResourceModel, after: Int64
  ) throws {
    let told = Set(type.facts.keys).union(["measured"])
    let first = max(after + 1, state.version - Self.mostFacts + 1)
    guard first <= state.version else { return }
    let there = after == 0 ? try reports(of: copy, type) : []
    for record in try decision.transaction.history(of: state.id, versions: first...max(first, state.version)) {
      let header = try record.parsedHeader()
      guard told.contains(header.verb), let body = try? record.parsedBody(), !body.data.isEmpty else { continue }
      if there.contains(Self.report(body.data)) { continue }
      var data = body.data
      for (name, value) in body.data where Vault.isSealed(value) {
        let opened = try decision.engine.sealer.open(value, resource: state.id, field: "data/\(name)")
        // What is open now is sealed again; what isn't sealed there stays closed.
        let isSealedThere = type.facts[header.verb]?.sealed.contains(name) ?? false
        if isSealedThere, case .value(let open) = opened { data[name] = open } else { data[name] = nil }
      }
      guard type.facts[header.verb]?.sealed.allSatisfy({ body.data[$0] == nil || data[$0] != nil }) ?? true,
        let copied = try decision.transaction.state(copy)
      else {
        leftOut += 1
        continue
      }
      try decision.record(header.event, on: copied, type, data: data)
    }
    if first > after + 1 { leftOut += first - after - 1 }
  }

  /// What tells a report that was taken in from others; nil of what is none.
  private static func report(_ data: JSONObject) -> JSON? {
    data["event_time"].map { ["at": $0, "type": data["event_type"] ?? .null, "by": data["producer"] ?? .null] }
  }

  /// The reports that a resource has already, where the same events were told to both organizations.
  private func reports(of copy: Identifier, _ type: ResourceModel) throws -> Set<JSON?> {
    guard let state = try decision.transaction.state(copy), state.version > 1 else { return [] }
    var found: Set<JSON?> = []
    let first = max(1, state.version - Self.mostFacts + 1)
    for record in try decision.transaction.history(of: copy, versions: first...state.version) {
      guard try type.facts[record.parsedHeader().verb] != nil, let body = try? record.parsedBody() else { continue }
      if let report = Self.report(body.data) { found.insert(report) }
    }
    return found
  }

  // MARK: - Recording

  /// Records, before the first change, that this was moved.
  private mutating func begin() throws {
    guard cause == nil else { return }
    let (id, known) = try NamespaceRules.place.resolve(decision.transaction.state)
    decision.answered = id
    let data: JSONObject = [
      "from": .string(order.from.text), "to": .string(order.to.text), "namespace": .string(order.namespace),
      "match": .string(order.match.rawValue), "kind": .string(order.kind.rawValue),
    ]
    if let known {
      cause = try decision.edit(
        known, decision.type, event: decision.command.event, values: [:], data: data, isForced: true)?.id
    } else {
      cause = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: nil, values: ["rules": []],
          data: data)
      ).id
    }
  }

  /// Deletes what has its copy.
  private mutating func endDeletions() throws {
    try decision.carryOut(plan, causation: cause)
    plan = DeletionPlan()
  }
}
