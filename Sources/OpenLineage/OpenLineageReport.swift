import BasicTypes
import CanonicalJSON
import EventLog

/// Takes one OpenLineage event in: its job becomes a pipeline, its run a run, its
/// datasets datasets, and what was made from what lineage edges.
///
/// The result depends on the set of events alone: any order, each any number of times, ends in the same fields, ids
/// included (ids of what reports make are version 5, of the organization and the name, unless a deleted resource holds
/// that id). Only versions count how often something changed on the way. A run made by reports is not pinned to a
/// `version_number`, since no report says which version ran.
public struct OpenLineageReport<Target: ReportTarget> {
  /// What came of an event.
  public struct Outcome: Sendable, Equatable {
    /// The run; for an event without one the pipeline or the dataset. Nil only where a
    /// repeated event's resource is gone since.
    public let resource: Identifier?
    /// The organization that it went to.
    public let organization: Identifier
    /// Whether the event was taken in before, so that nothing was recorded.
    public let isDuplicate: Bool
  }

  private let event: OpenLineageEvent
  private let target: Target
  private let organization: Identifier

  /// Records an event in a decision.
  ///
  /// - Throws: ``ReportFailure``, and what the target throws.
  public static func record(_ event: OpenLineageEvent, in target: Target) throws -> Outcome {
    let namespace = event.job?.namespace ?? event.dataset?.namespace ?? ""
    var organization = try ReportOrganization.resolve(namespace: namespace, in: target)
    if target.ownOrganization == nil, let run = event.run, let identifier = chosenIdentifier(run.runID),
      let known = try target.state(identifier), known.type == "run", let owner = known.organization
    {
      // For the administrator a run stays where it is, though a parent facet or an
      // earlier report named another namespace.
      organization = owner
    }
    let report = OpenLineageReport(event: event, target: target, organization: organization)
    guard try target.isFirstReport(digest: event.digest, organization: organization) else {
      return Outcome(resource: try report.knownResource(), organization: organization, isDuplicate: true)
    }
    return Outcome(resource: try report.record(), organization: organization, isDuplicate: false)
  }

  /// The id of a run: the producer's own where it is a UUID that clients may choose, else version 5 of the
  /// organization, the job's namespace, a line break and the run id.
  public static func runIdentifier(_ runID: String, namespace: String, organization: Identifier) -> Identifier {
    chosenIdentifier(runID) ?? .version5(namespace: organization, name: "\(namespace)\n\(runID)")
  }

  private static func chosenIdentifier(_ runID: String) -> Identifier? {
    Identifier(runID).flatMap { $0.isReserved ? nil : $0 }
  }

  private func knownResource() throws -> Identifier? {
    if let run = event.run, let job = event.job {
      return Self.runIdentifier(run.runID, namespace: job.namespace, organization: organization)
    }
    if let job = event.job {
      return try find("pipeline", "pipeline_job", [.string(job.namespace), .string(job.name)])?.id
    }
    guard let dataset = event.dataset else { return nil }
    return try find("dataset", "dataset_name", [.string(dataset.namespace), .string(dataset.name)])?.id
  }

  private func record() throws -> Identifier? {
    // First of all: a report that must be refused is refused before anything is staged.
    try LineagePairs.check(Set(event.inputs.map(\.key)).count, Set(event.outputs.map(\.key)).count)
    let run = try event.run.flatMap { run in try event.job.map { try prepareRun(run, job: $0) } }
    let pipeline = try event.job.map(recordPipeline)
    var inputs: [Identifier] = []
    for dataset in event.inputs { inputs.append(try recordDataset(dataset).id) }
    var outputs: [Identifier] = []
    for dataset in event.outputs { outputs.append(try recordDataset(dataset).id) }
    let alone = try event.dataset.map(recordDataset)
    var lineage = LineagePairs()
    if let run, let pipeline {
      let fields = try recordRun(run, pipeline: pipeline.id, inputs: inputs, outputs: outputs)
      try lineage.addPairs(of: fields, touching: inputs, outputs)
    } else {
      try lineage.addPairs(inputs, outputs, at: event.time)
      if let pipeline { _ = try target.change(pipeline, set: [:], event: "reported", data: data) }
    }
    try recordEdges(
      lineage, columns: columnLineages(outputs: outputs, inputs: inputs, alone: alone?.id), run: run?.id,
      pipeline: pipeline?.id)
    if let alone, event.job == nil { _ = try target.change(alone, set: [:], event: "reported", data: data) }
    return run?.id ?? pipeline?.id ?? alone?.id
  }

  private func find(_ type: String, _ constraint: String, _ values: [JSON]) throws -> ResourceState? {
    try target.find(type: type, constraint: constraint, values: [.string(organization.text)] + values)
  }

  /// The facts of the report: what is sealed as `facets` is everything of the event that became no field.
  private var data: JSONObject {
    var data: JSONObject = ["event_time": .string(event.time.text)]
    if let type = event.json["eventType"], !type.isNull { data["event_type"] = type }
    if let producer = event.producer { data["producer"] = .string(producer) }
    if let schema = event.json["schemaURL"], !schema.isNull { data["schema_url"] = schema }
    let remainder = EventRemainder.of(event)
    if !remainder.isEmpty { data["facets"] = .object(remainder) }
    return data
  }

  private func recordPipeline(_ job: OpenLineageEvent.Job) throws -> ResourceState {
    try recordNamed(
      type: "pipeline", constraint: "pipeline_job", namespace: job.namespace, name: job.name,
      fields: ["kind": "flow", "status": "active"]
    ) { fields in
      fields.apply(KnownFacets.job(job.facets).assignments, at: event.time)
    }
  }

  private func recordDataset(_ dataset: OpenLineageEvent.Dataset) throws -> ResourceState {
    try recordNamed(
      type: "dataset", constraint: "dataset_name", namespace: dataset.namespace, name: dataset.name, fields: [:]
    ) { fields in
      fields.apply(KnownFacets.dataset(dataset.facets).assignments, at: event.time)
      if let latest = fields.latest { fields.set("reported_at", .string(latest.text)) }
    }
  }

  /// Finds or makes what is unique by organization, namespace and name, and brings its fields up to date.
  private func recordNamed(
    type: String, constraint: String, namespace: String, name: String, fields initial: JSONObject,
    update: (inout ReportedFields) -> Void
  ) throws -> ResourceState {
    if let known = try find(type, constraint, [.string(namespace), .string(name)]) {
      var fields = ReportedFields(known.fields)
      update(&fields)
      return try target.change(known, set: fields.changes, event: "edited", data: [:])
    }
    var fields = ReportedFields([:])
    update(&fields)
    let named: JSONObject = ["namespace": .string(namespace), "name": .string(name)]
    return try create(
      type: type, key: [.string(namespace), .string(name)],
      fields: fields.changes.filter { !$0.value.isNull }.merging(initial).merging(named))
  }

  private func create(type: String, key: [JSON], fields: JSONObject) throws -> ResourceState {
    let name = JSON.array([.string(type)] + key).canonicalString
    let identifier = Identifier.version5(namespace: organization, name: name)
    let isNew = try target.state(identifier) == nil
    return try target.create(
      type: type, id: isNew ? identifier : nil, organization: organization, fields: fields, event: "created", data: [:])
  }

  private func prepareRun(_ run: OpenLineageEvent.Run, job: OpenLineageEvent.Job) throws -> ResourceState {
    let identifier = Self.runIdentifier(run.runID, namespace: job.namespace, organization: organization)
    guard let known = try target.state(identifier) else {
      return try createRun(identifier, runID: run.runID, organization: organization)
    }
    guard known.type == "run", known.organization == organization else {
      throw ReportFailure.identifierTaken(identifier)
    }
    if let since = known.deletedAt { throw ReportFailure.gone(identifier, since: since) }
    return known
  }

  private func createRun(
    _ identifier: Identifier, runID: String, organization: Identifier
  ) throws -> ResourceState {
    var fields: JSONObject = ["status": "pending"]
    if Self.chosenIdentifier(runID) == nil { fields["external_id"] = .string(runID) }
    return try target.create(
      type: "run", id: identifier, organization: organization, fields: fields, event: "created", data: [:])
  }

  /// Returns the run's fields as this report leaves them.
  private func recordRun(
    _ run: ResourceState, pipeline: Identifier, inputs: [Identifier], outputs: [Identifier]
  ) throws -> ReportedFields {
    let facets = event.run?.facets ?? [:]
    var fields = ReportedFields(run.fields)
    for (field, value) in RunStateMerge.merge(run.fields, report: event.report, at: event.time) {
      fields.set(field, value)
    }
    fields.decide("pipeline_id", .string(pipeline.text), at: event.time)
    if let producer = event.producer { fields.decide("producer", .string(producer), at: event.time) }
    if let message = KnownFacets.errorMessage(facets) {
      fields.decide("error_message", .string(message), at: event.time)
    }
    fields.apply(KnownFacets.run(facets).assignments, at: event.time)
    if let parent = KnownFacets.parent(facets) {
      let job: JSON = ["namespace": .string(parent.namespace), "name": .string(parent.name)]
      fields.decide(member: "parent_job", of: "context", job, at: event.time)
      if let identifier = try parentRun(runID: parent.runID, namespace: parent.namespace), identifier != run.id {
        fields.decide("parent_run_id", .string(identifier.text), at: event.time)
      }
    }
    for (group, identifiers) in [("input_dataset_ids", inputs), ("output_dataset_ids", outputs)] {
      for identifier in identifiers { fields.note(identifier.text, in: group, at: event.time) }
      let all = fields.noted(group).map(\.key)
      if !all.isEmpty { fields.set(group, .array(all.sorted().map(JSON.string))) }
    }
    _ = try target.change(run, set: fields.changes, event: "reported", data: data)
    return fields
  }

  /// The parent's id, made pending where it is not known yet; nil where that id is
  /// no living run of the parent's organization.
  private func parentRun(runID: String, namespace: String) throws -> Identifier? {
    let owner = try ReportOrganization.resolve(namespace: namespace, in: target)
    let identifier = Self.runIdentifier(runID, namespace: namespace, organization: owner)
    guard let known = try target.state(identifier) else {
      return try createRun(identifier, runID: runID, organization: owner).id
    }
    let isVisible = known.organization == owner || target.ownOrganization == nil
    return known.type == "run" && isVisible && known.deletedAt == nil ? known.id : nil
  }

  /// The column lineage that each dataset of the event carries, with that dataset's id.
  private func columnLineages(
    outputs: [Identifier], inputs: [Identifier], alone: Identifier?
  ) -> [(dataset: Identifier, lineage: ColumnLineage)] {
    var datasets = Array(zip(outputs, event.outputs)) + Array(zip(inputs, event.inputs))
    if let alone, let dataset = event.dataset { datasets.append((alone, dataset)) }
    return datasets.compactMap { identifier, dataset in
      guard let facet = dataset.facets["columnLineage"], facet["_deleted"]?.boolValue != true else { return nil }
      return (identifier, ColumnLineage(facet))
    }
  }

  private func recordEdges(
    _ pairs: LineagePairs, columns: [(dataset: Identifier, lineage: ColumnLineage)], run: Identifier?,
    pipeline: Identifier?
  ) throws {
    let through: JSONObject = [
      "run_id": run.map { .string($0.text) } ?? .null, "pipeline_id": pipeline.map { .string($0.text) } ?? .null,
    ]
    for (pair, time) in pairs.sorted {
      try recordEdge(pair, columns: nil, through: through, at: time)
    }
    for (dataset, lineage) in columns {
      for (source, entries) in lineage.columns {
        let plain = OpenLineageEvent.Dataset(namespace: source.namespace, name: source.name, facets: [:])
        let pair = LineagePairs.Pair(source: try recordDataset(plain).id, target: dataset)
        try recordEdge(pair, columns: entries, through: through, at: event.time)
      }
    }
  }

  private func recordEdge(
    _ pair: LineagePairs.Pair, columns: JSON?, through: JSONObject, at time: Timestamp
  ) throws {
    let ends: JSONObject = ["source_id": .string(pair.source.text), "target_id": .string(pair.target.text)]
    let key = [JSON.string(pair.source.text), .string(pair.target.text)]
    let known = try target.find(type: "lineage_edge", constraint: "lineage_edge_pair", values: key)
    var fields = ReportedFields(known?.fields ?? [:])
    fields.decide(group: "run_id", through, at: time)
    if let columns { fields.decide("columns", columns, at: time) }
    if let known {
      _ = try target.change(known, set: fields.changes, event: "edited", data: [:])
    } else {
      let given = fields.changes.filter { !$0.value.isNull }.merging(ends)
      _ = try create(type: "lineage_edge", key: key, fields: given)
    }
  }
}

extension ReportedFields {
  /// What known facets say, at a report's time.
  fileprivate mutating func apply(_ assignments: [KnownFacets.Assignment], at time: Timestamp) {
    for assignment in assignments {
      if let member = assignment.member {
        decide(member: member, of: assignment.field, assignment.value, at: time)
      } else {
        decide(assignment.field, assignment.value, at: time)
      }
    }
  }
}
