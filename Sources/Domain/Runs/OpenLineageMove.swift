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

  /// The most reports, logs, measurements and previews of one resource that are copied: the last ones.
  private static let mostFacts: Int64 = 2000
  /// The most edges that one call moves of a pipeline beside those of its runs.
  private static let mostEdges = 500

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
    decision.members["left"] = .bool(isLeft)
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
      guard let run = try decision.transaction.living(id, type: "run"), moves(run) else { continue }
      _ = try move(run, of: pipeline.fields["namespace"]?.stringValue ?? "")
    }
    try endDeletions()
    guard goesOn || job.runs.isEmpty, try !MoveOrder.isUsed(pipeline.id, in: decision.transaction) else { return false }
    try begin()
    _ = try copy(pipeline: pipeline)
    let edges = try decision.transaction.referrers(
      of: pipeline.id, type: "lineage_edge", limit: Self.mostEdges + 1)
    for link in edges.prefix(Self.mostEdges) { try move(edge: link.id) }
    try endDeletions()
    guard edges.count <= Self.mostEdges else { return false }
    try plan.merge(decision.deletionPlan(of: pipeline, decision.model.type("pipeline")))
    try endDeletions()
    room -= 1
    moved["pipelines", default: 0] += 1
    return true
  }

  /// Whether a run goes along: reports have made it, of a job that is meant.
  private func moves(_ run: ResourceState) -> Bool {
    guard run.organization == order.from, MoveOrder.isReported(run), let pipeline = run.reference("pipeline_id") else {
      return false
    }
    return order.fits((try? decision.transaction.state(pipeline))??.fields["namespace"])
  }

  /// Moves a run with what is its own, its parent before it and its children behind it.
  /// - Returns: The id of the copy.
  private mutating func move(_ run: ResourceState, of namespace: String) throws -> Identifier {
    if let known = fields.copies[run.id] { return known }
    let type = try decision.model.type("run")
    let going = try decision.deletionPlan(of: run, type)
    try begin()
    let plain = try target.plain(run)
    let runID = try self.runID(of: run, namespace)
    var values = plain.fields
    let parent = try moveParent(of: plain, into: &values)
    // A parent takes its children along, this one among them.
    if let known = fields.copies[run.id] { return known }
    room -= 1
    for field in ["input_dataset_ids", "output_dataset_ids"] {
      for id in values[field]?.arrayValue ?? [] { try copyDataset(id.stringValue.flatMap { Identifier($0) }) }
    }
    if let pipeline = try run.reference("pipeline_id").flatMap({ try decision.transaction.living($0, type: "pipeline") }
    ) {
      _ = try copy(pipeline: pipeline)
    }
    values = references(values, type)
    if let parent { values["parent_run_id"] = .string(parent.text) }
    let place = try Report.runIdentifier(runID, namespace: namespace, organization: order.to, in: target)
    values["external_id"] = place.text == runID.lowercased() ? nil : .string(runID)
    fields.copies[run.id] = place
    values = fields.renamed(values)
    let copy: Identifier
    if let known = try decision.transaction.living(place, type: "run") {
      let present = try target.plain(known)
      _ = try target.change(
        present, set: MovedFields.missing(ofRun: values, in: present.fields), event: "edited", data: [:])
      copy = place
    } else {
      // What was moved back finds its old id taken by itself, deleted.
      copy = try create(type, values, id: try decision.transaction.state(place) == nil ? place : nil)
    }
    fields.copies[run.id] = copy
    try copyFacts(of: run, to: copy, type)
    moved["runs", default: 0] += 1
    for step in going.deletions where step.state.id != run.id { try copyAlong(step.state, step.type) }
    for link in try decision.transaction.referrers(of: run.id, type: "lineage_edge", limit: .max) {
      try move(edge: link.id)
    }
    plan.merge(going)
    for link in try decision.transaction.referrers(of: run.id, type: "run", limit: .max) where goesOn {
      guard let child = try decision.transaction.living(link.id, type: "run"), moves(child) else { continue }
      let pipeline = try child.reference("pipeline_id").flatMap { try decision.transaction.state($0) }
      _ = try move(child, of: pipeline?.fields["namespace"]?.stringValue ?? "")
    }
    return copy
  }

  /// The id by which its producer knows a run.
  private func runID(of run: ResourceState, _ namespace: String) throws -> String {
    guard let external = run.fields["external_id"]?.stringValue,
      try Report.runIdentifier(external, namespace: namespace, organization: order.from, in: target) == run.id
    else { return run.id.text }
    return external
  }

  /// Finds the copy of a run's parent, moving it first where it goes along. Of one that stays the copy keeps the names
  /// alone, as of a parent in another organization; of one that was moved before, the names lead to its copy.
  private mutating func moveParent(of run: ResourceState, into values: inout JSONObject) throws -> Identifier? {
    values["parent_run_id"] = nil
    var context = values["context"]?.objectValue ?? [:]
    let told = context["parent_job"]?["namespace"]?.stringValue
    if let id = run.reference("parent_run_id"), let parent = try decision.transaction.living(id, type: "run") {
      if let known = fields.copies[id] { return known }
      let pipeline = try parent.reference("pipeline_id").flatMap { try decision.transaction.state($0) }
      let namespace = pipeline?.fields["namespace"]?.stringValue ?? told ?? ""
      // One that only its children have named has no job yet.
      let isNamedAlone = pipeline == nil && !MoveOrder.isReported(parent) && parent.fields["status"] == "pending"
      if moves(parent) || isNamedAlone && order.fits(told.map(JSON.string)) {
        return try move(parent, of: namespace)
      }
      context["parent_run_id"] = .string(try runID(of: parent, namespace))
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

  /// Tells the children that stay, for now or for ever, by which name they find a run that has gone.
  private func tellChildren() throws {
    for step in plan.deletions where step.type.name == "run" {
      for link in try decision.transaction.referrers(of: step.state.id, type: "run", limit: .max) {
        guard !plan.contains(link.id), let child = try decision.transaction.living(link.id, type: "run"),
          child.reference("parent_run_id") == step.state.id
        else { continue }
        let plain = try target.plain(child)
        var context = plain.fields["context"]?.objectValue ?? [:]
        guard let namespace = context["parent_job"]?["namespace"]?.stringValue else { continue }
        context["parent_run_id"] = .string(try runID(of: step.state, namespace))
        _ = try target.change(
          plain, set: ["context": .object(context), "parent_run_id": .null], event: "edited", data: [:])
      }
    }
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
    var values = fields.renamed(references(plain.fields, type))
    values["alias_ids"] = nil
    let copy: Identifier
    let known = try target.find(
      type: state.type, constraint: constraint, values: [.string(order.to.text), namespace, name])
    if let known {
      copy = known.id
      let isTaken = try known.fields["dag_id"] == nil && isTaken(values["dag_id"])
      if isTaken { values["dag_id"] = nil }
      _ = try target.change(
        known, set: MovedFields.missing(values, in: known.fields), event: "edited", data: [:])
    } else {
      if try isTaken(values["dag_id"]) { values["dag_id"] = nil }
      let id = Report.identifier(of: state.type, key: [namespace, name], organization: order.to)
      copy = try create(type, values, id: try decision.transaction.state(id) == nil ? id : nil)
    }
    fields.copies[state.id] = copy
    if try isFirstCopy(of: state.id) {
      try copyFacts(of: state, to: copy, type)
      if state.type == "dataset" { moved["datasets", default: 0] += 1 }
    }
    return copy
  }

  private func isTaken(_ dag: JSON?) throws -> Bool {
    guard let dag else { return false }
    return try target.find(type: "pipeline", constraint: "pipeline_dag_id", values: [.string(order.to.text), dag])
      != nil
  }

  /// Remembers, as of reports that were taken in, that something was copied there.
  private func isFirstCopy(of id: Identifier) throws -> Bool {
    if try isCopied(id) { return false }
    try decision.transaction.storeCommand(
      actor: mark, id: id.text, StoredCommand(fingerprint: fingerprint(id), result: []))
    return true
  }

  private func isCopied(_ id: Identifier) throws -> Bool {
    try decision.transaction.storedCommand(actor: mark, id: id.text)?.fingerprint == fingerprint(id)
  }

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
        if try isLinked(dataset) {
          linked.append(id)
          continue
        }
        guard goesOn else { return true }
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
      let stays = try survey.named.contains(id) || isLinked(dataset)
      if stays { kept += 1 }
      if try stays && isCopied(id) { continue }
      guard goesOn else { return true }
      try begin()
      try copyDataset(id)
      if stays { room -= 1 } else { try delete(dataset) }
    }
    return false
  }

  /// Whether an edge leads to a dataset, or another dataset is known by its name too.
  private func isLinked(_ dataset: ResourceState) throws -> Bool {
    if try !decision.transaction.referrers(of: dataset.id, type: "lineage_edge", limit: 1).isEmpty { return true }
    return try (dataset.fields["alias_ids"]?.arrayValue ?? []).contains { other in
      guard let id = other.stringValue.flatMap({ Identifier($0) }), id != dataset.id else { return false }
      return try decision.transaction.living(id, type: "dataset")?.organization == order.from
    }
  }

  private mutating func delete(_ dataset: ResourceState) throws {
    try begin()
    try plan.merge(decision.deletionPlan(of: dataset, decision.model.type("dataset")))
    try endDeletions()
    room -= 1
    moved["datasets_deleted", default: 0] += 1
  }

  // MARK: - Edges, and what belongs to runs

  private mutating func move(edge id: Identifier) throws {
    guard !plan.contains(id), let edge = try decision.transaction.living(id, type: "lineage_edge"),
      let source = edge.reference("source_id"), let sink = edge.reference("target_id")
    else { return }
    try copyDataset(source)
    try copyDataset(sink)
    // One between tasks goes along with them.
    guard let newSource = fields.copies[source], let newSink = fields.copies[sink] else { return }
    let plain = try target.plain(edge)
    for job in MovedFields.jobs(ofEdge: plain.fields) + [edge.reference("pipeline_id")].compactMap({ $0 }) {
      if let pipeline = try decision.transaction.state(job), goes(pipeline) { try copyGoing(pipeline) }
    }
    let key = [JSON.string(newSource.text), .string(newSink.text)]
    let known = try target.find(type: "lineage_edge", constraint: "lineage_edge_pair", values: key)
    let changes = fields.edge(plain.fields, onto: known?.fields ?? [:])
    let type = try decision.model.type("lineage_edge")
    if let known {
      _ = try target.change(known, set: changes, event: "edited", data: [:])
    } else {
      let values = changes.filter { !$0.value.isNull && type.field($0.key) != nil }
        .merging(["source_id": key[0], "target_id": key[1]])
      let place = Report.identifier(of: "lineage_edge", key: key, organization: order.to)
      _ = try create(type, values, id: try decision.transaction.state(place) == nil ? place : nil)
    }
    moved["lineage_edges", default: 0] += 1
    let transaction = decision.transaction
    let rest = MovedFields.rest(ofEdge: plain.fields) { job in
      (try? transaction.state(job))?.map(goes) ?? true
    }
    if let rest {
      _ = try target.change(plain, set: rest, event: "edited", data: [:])
    } else {
      try plan.merge(decision.deletionPlan(of: edge, type))
    }
  }

  /// Whether a pipeline is one of those that are moved, or were.
  private func goes(_ pipeline: ResourceState) -> Bool { order.fits(pipeline.fields["namespace"]) }

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
    let values = fields.renamed(references(plain.fields, type))
    for field in type.fields where field.field.isRequired && plain.fields[field.name] != nil {
      guard values[field.name] != nil else {
        leftOut += 1
        return
      }
    }
    var id: Identifier?
    if state.type == "alert" { id = try alertIdentifier(plain) }
    if let taken = id, try decision.transaction.state(taken) != nil { id = nil }
    let copy = try create(type, values, id: id)
    fields.copies[state.id] = copy
    try copyFacts(of: state, to: copy, type)
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

  /// The declared fields, with the copies where they refer to something that has one, people as they are, and without
  /// what belongs to the first organization, was erased or was taken out.
  private func references(_ values: JSONObject, _ type: ResourceModel) -> JSONObject {
    var kept = JSONObject()
    for field in type.fields {
      guard let value = values[field.name], field.name != "organization_id", field.name != "version_number" else {
        continue
      }
      if value == Redactions.mark, !field.field.isRequired { continue }
      if let reference = field.field.reference, reference.types != ["user"] {
        let copy = value.stringValue.flatMap { Identifier($0) }.flatMap { fields.copies[$0] }
        if let copy { kept[field.name] = .string(copy.text) }
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
  private mutating func copyFacts(of state: ResourceState, to copy: Identifier, _ type: ResourceModel) throws {
    let told = Set(type.facts.keys).union(["measured"])
    let first = max(1, state.version - Self.mostFacts + 1)
    for record in try decision.transaction.history(of: state.id, versions: first...max(first, state.version)) {
      let header = try record.parsedHeader()
      guard told.contains(header.verb), let body = try? record.parsedBody(), !body.data.isEmpty else { continue }
      var data = body.data
      for (name, value) in body.data where Vault.isSealed(value) {
        let opened = try decision.engine.sealer.open(value, resource: state.id, field: "data/\(name)")
        if case .value(let open) = opened { data[name] = open } else { data[name] = nil }
      }
      guard type.facts[header.verb]?.sealed.allSatisfy({ body.data[$0] == nil || data[$0] != nil }) ?? true,
        let copied = try decision.transaction.state(copy)
      else {
        leftOut += 1
        continue
      }
      try decision.record(header.event, on: copied, type, data: data)
    }
    if first > 1 { leftOut += first - 1 }
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
    try tellChildren()
    try decision.carryOut(plan, causation: cause)
    plan = DeletionPlan()
  }
}
