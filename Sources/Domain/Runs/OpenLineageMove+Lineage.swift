import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Refusals

/// Datasets and the edges between them.
extension OpenLineageMove {
  // MARK: - Datasets

  /// Copies a dataset, and all that reports know by its names, or it by theirs.
  /// - Returns: Whether all of them are there; what a call had no time for, the next one copies.
  @discardableResult
  mutating func copyDataset(_ id: Identifier?) throws -> Bool {
    var waiting = [id].compactMap(\.self)
    var known: [ResourceState] = []
    while let next = waiting.popLast() {
      guard fields.copies[next] == nil, let dataset = try decision.transaction.living(next, type: "dataset"),
        dataset.organization == order.from
      else { continue }
      guard known.isEmpty || hasTime else { return false }
      _ = try copyNamed(dataset, constraint: "dataset_name")
      known.append(dataset)
      // Its other names, by which reports made datasets too.
      for (namespace, name) in MovedFields.otherNames(ofDataset: try target.plain(dataset).fields) {
        let other = try target.find(
          type: "dataset", constraint: "dataset_name",
          values: [.string(order.from.text), .string(namespace), .string(name)])
        if let other { waiting.append(other.id) }
      }
      // Those that name it among their symlinks, which lead to it.
      waiting += Self.aliases(of: dataset)
    }
    for dataset in known {
      let aliases = Self.aliases(of: dataset).compactMap { fields.copies[$0]?.text }
      guard !aliases.isEmpty, let copy = try fields.copies[dataset.id].flatMap({ try target.state($0) }) else {
        continue
      }
      let present = (copy.fields["alias_ids"]?.arrayValue ?? []).compactMap(\.stringValue)
      let all = Set(present + aliases)
      guard all.count > present.count else { continue }
      _ = try target.change(
        copy, set: ["alias_ids": .array(all.sorted().map(JSON.string))], event: "edited", data: [:])
    }
    return true
  }

  private static func aliases(of dataset: ResourceState) -> [Identifier] {
    (dataset.fields["alias_ids"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { Identifier($0) } }
  }

  /// Copies what is found by its namespace and name: made where it isn't there, else given what it lacks.
  mutating func copyNamed(_ state: ResourceState, constraint: String) throws -> Identifier {
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

  func isTaken(_ dag: JSON?) throws -> Bool {
    guard let dag else { return false }
    return try target.find(type: "pipeline", constraint: "pipeline_dag_id", values: [.string(order.to.text), dag])
      != nil
  }

  /// Copies the facts that weren't copied before, and remembers, as of reports that were taken in, up to which version
  /// they were, and where to.
  /// - Returns: Whether this is the first time.
  @discardableResult
  mutating func copyNewFacts(of state: ResourceState, to copy: Identifier, _ type: ResourceModel) throws -> Bool {
    let known = try copied(state.id)
    guard known?.version != state.version || known?.copy != copy else { return false }
    try copyFacts(of: state, to: copy, type, after: known?.copy == copy ? known?.version ?? 0 : 0)
    let noted: JSON = ["copy": .string(copy.text), "version": .integer(state.version)]
    try decision.transaction.storeCommand(
      actor: order.mark, id: state.id.text,
      StoredCommand(fingerprint: order.fingerprint(state.id, decision.engine), result: noted.canonicalBytes))
    steps += 1
    return known == nil
  }

  /// Where a resource was copied to, and which version of it.
  func copied(_ id: Identifier) throws -> (copy: Identifier, version: Int64)? {
    try order.copied(decision.transaction.storedCommand(actor: order.mark, id: id.text), id, decision.engine)
  }

  func isCopied(_ id: Identifier) throws -> Bool { try copied(id) != nil }

  /// Deletes the datasets that were copied and that nothing refers to any more.
  /// - Returns: Whether there are more of them.
  mutating func sweepDatasets(_ survey: MoveSurvey) throws -> Bool {
    for id in survey.datasets {
      guard try isCopied(id), let dataset = try decision.transaction.living(id, type: "dataset"),
        try !MoveOrder.isLinked(dataset, named: survey.named, in: decision.transaction)
      else { continue }
      guard goesOn else { return true }
      // Another job may have told more of it since it was copied.
      try begin()
      guard try copyDataset(id) else { return true }
      try delete(dataset)
    }
    return survey.hasMore
  }

  /// Copies datasets of a namespace, and deletes those that nothing refers to.
  mutating func moveDatasets(_ survey: MoveSurvey) throws -> Bool {
    for id in survey.datasets {
      guard let dataset = try decision.transaction.living(id, type: "dataset"), order.fits(dataset.fields["namespace"])
      else { continue }
      let stays =
        try survey.named.contains(id)
        || MoveOrder.isLinked(dataset, named: survey.named, in: decision.transaction)
      if try stays && isCopied(id) { continue }
      guard goesOn else { return true }
      try begin()
      guard try copyDataset(id) else { return true }
      if stays { room -= 1 } else { try delete(dataset) }
    }
    return survey.hasMore
  }

  mutating func delete(_ dataset: ResourceState) throws {
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
  mutating func move(edge id: Identifier) throws {
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
  mutating func copy(edge plain: ResourceState, through run: ResourceState? = nil) throws -> Bool {
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
  mutating func copyPairs(of run: ResourceState) throws {
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
  func goes(_ pipeline: ResourceState) throws -> Bool {
    if order.fits(pipeline.fields["namespace"]) { return true }
    return try pipeline.isDeleted && isCopied(pipeline.id)
  }

  mutating func copyGoing(_ pipeline: ResourceState) throws {
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
  mutating func copyAlong(_ state: ResourceState, _ type: ResourceModel) throws {
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

  func alertIdentifier(_ alert: ResourceState) throws -> Identifier? {
    guard let checked = alert.fields["context"]?["dataset_id"]?.stringValue.flatMap({ Identifier($0) }),
      let dataset = try target.state(checked)
    else { return nil }
    return Report.alertIdentifier(
      ofCopy: (alert.id, alert.fields), dataset: dataset.fields, fields, from: order.from, to: order.to)
  }
}
