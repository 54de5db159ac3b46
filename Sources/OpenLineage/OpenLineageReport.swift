import BasicTypes
import CanonicalJSON
import EventLog

/// Takes one OpenLineage event in: its job becomes a pipeline, its run a run, its
/// datasets datasets, and what was made from what lineage edges.
///
/// The result depends on the set of events alone: any order, each any number of times, ends in the same fields, ids
/// included (ids of what reports make are version 5, of the organization and the name, unless something else holds that
/// id). Only versions count how often something changed on the way. A run made by reports is not pinned to a
/// `version_number`, since no report says which version ran. Three exceptions: where two organizations, or two job
/// namespaces of one, report one run id, the first one has it as id; what a report tells of a time to come counts as of
/// its receipt; and where two jobs report one run, its edges name either of them.
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
  /// The time of the event, or of its receipt where that is earlier: no clock that is ahead decides what comes later.
  private let time: Timestamp
  /// What of the event fields hold so far.
  private var taken = EventRemainder.Taken()

  private init(event: OpenLineageEvent, target: Target, organization: Identifier) {
    self.event = event
    self.target = target
    self.organization = organization
    time = min(event.time, target.receivedAt)
  }

  /// Records an event in a decision.
  ///
  /// - Throws: ``ReportFailure``, and what the target throws.
  public static func record(_ event: OpenLineageEvent, in target: Target) throws -> Outcome {
    let organization = try organization(of: event, in: target)
    var report = OpenLineageReport(event: event, target: target, organization: organization)
    guard try target.isFirstReport(digest: event.digest, organization: organization) else {
      return Outcome(resource: try report.knownResource(), organization: organization, isDuplicate: true)
    }
    return Outcome(resource: try report.record(), organization: organization, isDuplicate: false)
  }

  private static func organization(of event: OpenLineageEvent, in target: Target) throws -> Identifier {
    if target.ownOrganization == nil, let run = event.run, let job = event.job,
      let known = try chosenIdentifier(run.runID).flatMap(target.state), known.type == "run", !known.isDeleted,
      let owner = known.organization,
      let pipeline = try known.fields["pipeline_id"]?.stringValue.flatMap({ Identifier($0) }).flatMap(target.state),
      pipeline.fields["namespace"] == .string(job.namespace), pipeline.fields["name"] == .string(job.name)
    {
      // For the administrator a run stays where its own job's reports have put it.
      return owner
    }
    return try ReportOrganization.resolve(
      namespace: event.job?.namespace ?? event.dataset?.namespace ?? "", event.job == nil ? .dataset : .job, in: target)
  }

  /// The id of a run of that organization: the producer's own where it is a UUID that clients may choose, else version
  /// 5 of the organization, the job's namespace, a line break and the run id. So it is too where the producer's id is
  /// another organization's, which has its own run.
  public static func runIdentifier(_ runID: String, namespace: String, organization: Identifier) -> Identifier {
    chosenIdentifier(runID) ?? derivedIdentifier(runID, namespace: namespace, organization: organization)
  }

  private static func derivedIdentifier(_ runID: String, namespace: String, organization: Identifier) -> Identifier {
    .version5(namespace: organization, name: "\(namespace)\n\(runID)")
  }

  private static func chosenIdentifier(_ runID: String) -> Identifier? {
    Identifier(runID).flatMap { $0.isReserved ? nil : $0 }
  }

  private func runIdentifier(_ runID: String, namespace: String, in owner: Identifier) throws -> Identifier {
    try Self.runIdentifier(runID, namespace: namespace, organization: owner, in: target)
  }

  /// The id that a run has, or will have, in an organization.
  package static func runIdentifier(
    _ runID: String, namespace: String, organization owner: Identifier, in target: Target
  ) throws -> Identifier {
    if let chosen = chosenIdentifier(runID) {
      guard let known = try target.state(chosen) else { return chosen }
      if known.type == "run", known.organization == owner, try isOf(namespace, known, in: target) { return chosen }
    }
    let former = derivedIdentifier(runID, namespace: namespace, organization: owner)
    guard let known = try target.state(former) else { return former }
    if known.type == "run", known.organization == owner { return former }
    // Producers choose ids of version 5, too, so that another organization may have taken this one.
    return DerivedIdentifier(
      name: "openlineage:run:\(namespace)\n\(runID)", type: "run", organization: owner, former: former
    ).id
  }

  /// Whether a run may be the one of that id of a job namespace: two deployments of one scheduler, which make ids from
  /// names, have a run each. A run that only a child has named so far is of any.
  private static func isOf(_ namespace: String, _ run: ResourceState, in target: Target) throws -> Bool {
    guard let pipeline = run.fields["pipeline_id"]?.stringValue.flatMap({ Identifier($0) }),
      let known = try target.state(pipeline)?.fields["namespace"]?.stringValue
    else { return true }
    return known.utf8.elementsEqual(namespace.utf8)
  }

  private func knownResource() throws -> Identifier? {
    if let run = event.run, let job = event.job {
      return try runIdentifier(run.runID, namespace: job.namespace, in: organization)
    }
    if let job = event.job {
      return try find("pipeline", "pipeline_job", [.string(job.namespace), .string(job.name)])?.id
    }
    guard let dataset = event.dataset else { return nil }
    return try find("dataset", "dataset_name", [.string(dataset.namespace), .string(dataset.name)])?.id
  }

  private mutating func record() throws -> Identifier? {
    // First of all: a report that must be refused is refused before anything is staged.
    guard event.pairCount <= LineagePairs.limit else { throw ReportFailure.tooManyPairs(limit: LineagePairs.limit) }
    let run = try event.run.flatMap { run in try event.job.map { try prepareRun(run, job: $0) } }
    let pipeline = try event.job.map { try recordPipeline($0) }
    let tests = self.tests
    var inputs: [Identifier] = []
    for dataset in event.inputs {
      let (id, readings) = try recordDataset(dataset, tests: event.inputs.count == 1 ? tests : [])
      inputs.append(id)
      taken.inputs.append(readings)
    }
    var outputs: [Identifier] = []
    for dataset in event.outputs {
      let isTested = event.inputs.isEmpty && event.outputs.count == 1
      let (id, readings) = try recordDataset(dataset, tests: isTested ? tests : [])
      outputs.append(id)
      taken.outputs.append(readings)
    }
    let alone = try event.dataset.map { dataset in
      let (id, readings) = try recordDataset(dataset, tests: [])
      taken.dataset = readings
      return id
    }
    var lineage = LineagePairs()
    let listed = listed(inputs, outputs)
    if let run, let pipeline {
      let fields = try recordRun(run, pipeline: pipeline.id, inputs: inputs, outputs: outputs, listed: listed)
      try lineage.addPairs(of: fields, touching: listed.inputs, listed.outputs)
    } else {
      try lineage.addPairs(listed.inputs, listed.outputs, at: time)
      if let pipeline { _ = try target.change(pipeline, set: [:], event: "reported", data: data) }
    }
    let columns = try columns(outputs: outputs, inputs: inputs, alone: alone, in: &lineage)
    try recordEdges(lineage, columns: columns, run: run?.id, pipeline: pipeline?.id)
    try raiseAlerts(run: run?.id, pipeline: pipeline?.id, inputs: inputs, outputs: outputs, alone: alone)
    if event.run == nil { try recordFacts(inputs: inputs, outputs: outputs, alone: alone) }
    return run?.id ?? pipeline?.id ?? alone
  }

  /// The inputs and outputs of which each with each is a pair: none that a lineage facet speaks of.
  private func listed(
    _ inputs: [Identifier], _ outputs: [Identifier]
  ) -> (inputs: [Identifier], outputs: [Identifier]) {
    guard let lineage = event.lineage else { return (inputs, outputs) }
    let left = zip(outputs, event.outputs).filter { !lineage.decides($0.1) }.map(\.0)
    return (lineage.isOfJob ? [] : inputs, left)
  }

  /// The tests that the run's own facet tells, which are of the one dataset that it tested.
  private var tests: [ReportedAssertion] { event.run.map { ReportedAssertion.tests($0.facets) } ?? [] }

  /// How many checks of one dataset one report raises alerts for.
  private static var maximumAlerts: Int { 20 }

  /// Each check that failed is an alert, one for each run (or job, or time, where there is none): which one it is
  /// follows from them, so that no second report raises a second one.
  private func raiseAlerts(
    run: Identifier?, pipeline: Identifier?, inputs: [Identifier], outputs: [Identifier], alone: Identifier?
  ) throws {
    var checked = Array(zip(inputs, event.inputs)) + Array(zip(outputs, event.outputs))
    if let alone, let dataset = event.dataset { checked.append((alone, dataset)) }
    let isTested = event.inputs.count == 1 || (event.inputs.isEmpty && event.outputs.count == 1)
    for (index, (id, dataset)) in checked.enumerated() {
      var told = ReportedAssertion.all(dataset.facets)
      if index == 0, isTested { told += tests }
      let failed = told.filter(\.isFailed).map { (bytes: $0.key.canonicalBytes, assertion: $0) }
        .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
      for (_, assertion) in failed.prefix(Self.maximumAlerts) {
        let told = run ?? pipeline
        let identifier = Self.alertIdentifier(
          of: assertion.key, on: id, told, at: run == nil ? event.time : nil, organization: organization)
        guard try target.state(identifier) == nil else { continue }
        var context: JSONObject = ["dataset_id": .string(id.text), "assertion": .string(assertion.title)]
        if let column = assertion.json["column"] { context["column"] = column }
        if let pipeline { context["pipeline_id"] = .string(pipeline.text) }
        var fields: JSONObject = [
          "alert_type": "data_quality", "status": "active", "level": assertion.isWarning ? "warning" : "error",
          "severity": assertion.isWarning ? "medium" : "high", "context": .object(context),
          "message": .string("The check \(assertion.title) fails on \(dataset.name) (\(dataset.namespace))."),
        ]
        if let run { fields["run_id"] = .string(run.text) }
        _ = try target.create(
          type: "alert", id: identifier, organization: organization, fields: fields, event: "raised", data: [:])
      }
    }
  }

  /// The id of the alert that a check failed, which tells one occasion from all others.
  static func alertIdentifier(
    of check: JSON, on dataset: Identifier, _ told: Identifier?, at time: Timestamp?, organization: Identifier
  ) -> Identifier {
    let occasion: JSON = [
      "alert", .string(dataset.text), told.map { .string($0.text) } ?? .null, check,
      time.map { .string($0.text) } ?? .null,
    ]
    return .version5(namespace: organization, name: occasion.canonicalString)
  }

  /// What an event without a run says of datasets is recorded at them: there is no run at which it would be found.
  private func recordFacts(inputs: [Identifier], outputs: [Identifier], alone: Identifier?) throws {
    let all = data
    let facets = all["facets"]?.objectValue ?? [:]
    var ownFacts: [Identifier: JSONObject] = [:]
    for (key, datasets, identifiers) in [("inputs", event.inputs, inputs), ("outputs", event.outputs, outputs)] {
      for left in facets[key]?.arrayValue ?? [] {
        let place = datasets.firstIndex {
          left["namespace"] == .string($0.namespace) && left["name"] == .string($0.name)
        }
        guard let place else { continue }
        let own = ownFacts[identifiers[place]]?[key]?.arrayValue ?? []
        ownFacts[identifiers[place], default: [:]][key] = .array(own + [left])
      }
    }
    if let alone {
      if event.job == nil {
        ownFacts[alone] = facets
      } else if let left = facets["dataset"] {
        ownFacts[alone, default: [:]]["dataset"] = left
      }
    }
    for (dataset, facets) in ownFacts.sorted(by: { $0.key < $1.key }) {
      guard let state = try target.state(dataset) else { continue }
      var facts = all.filter { $0.key != "facets" }
      if !facets.isEmpty { facts["facets"] = .object(facets) }
      _ = try target.change(state, set: [:], event: "reported", data: facts)
    }
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
    let remainder = EventRemainder.of(event, taken: taken)
    if !remainder.isEmpty { data["facets"] = .object(remainder) }
    return data
  }

  private mutating func recordPipeline(_ job: OpenLineageEvent.Job) throws -> ResourceState {
    let (state, readings) = try recordNamed(
      type: "pipeline", constraint: "pipeline_job", namespace: job.namespace, name: job.name,
      fields: ["status": "active"]
    ) { fields in
      fields.apply(KnownFacets.job(job.facets, run: event.run?.facets ?? [:]), at: time)
    }
    taken.job = readings
    return state
  }

  private func recordDataset(
    _ dataset: OpenLineageEvent.Dataset, tests: [ReportedAssertion]
  ) throws -> (id: Identifier, readings: [KnownFacets.Reading]) {
    let (state, readings) = try recordDataset(dataset.key) { fields in
      let readings = fields.apply(KnownFacets.dataset(dataset.facets), at: time)
      fields.decide(assertions: ReportedAssertion.all(dataset.facets) + tests, at: time)
      if let latest = fields.latest { fields.set("reported_at", .string(latest.text)) }
      return readings
    }
    for alias in dataset.aliases {
      let other = ColumnLineage.Source(namespace: alias.namespace, name: alias.name)
      guard other != dataset.key else { continue }
      _ = try recordDataset(other) { fields in
        fields.addAlias(state.id)
        return []
      }
    }
    return (state.id, readings)
  }

  private func recordDataset(
    _ name: ColumnLineage.Source, update: (inout ReportedFields) -> [KnownFacets.Reading]
  ) throws -> (state: ResourceState, readings: [KnownFacets.Reading]) {
    try recordNamed(
      type: "dataset", constraint: "dataset_name", namespace: name.namespace, name: name.name, fields: [:],
      update: update)
  }

  /// Finds or makes what is unique by organization, namespace and name, and brings its fields up to date.
  private func recordNamed(
    type: String, constraint: String, namespace: String, name: String, fields initial: JSONObject,
    update: (inout ReportedFields) -> [KnownFacets.Reading]
  ) throws -> (state: ResourceState, readings: [KnownFacets.Reading]) {
    if let known = try find(type, constraint, [.string(namespace), .string(name)]) {
      var fields = reportedFields(known.fields)
      let readings = update(&fields)
      return (try target.change(known, set: fields.changes, event: "edited", data: [:]), readings)
    }
    var fields = reportedFields([:])
    let readings = update(&fields)
    let named: JSONObject = ["namespace": .string(namespace), "name": .string(name)]
    let state = try create(
      type: type, key: [.string(namespace), .string(name)],
      fields: fields.changes.filter { !$0.value.isNull }.merging(initial).merging(named))
    return (state, readings)
  }

  private func reportedFields(_ current: JSONObject) -> ReportedFields {
    ReportedFields(current, receivedAt: target.receivedAt)
  }

  private func create(type: String, key: [JSON], fields: JSONObject) throws -> ResourceState {
    let identifier = Self.identifier(of: type, key: key, organization: organization)
    let isNew = try target.state(identifier) == nil
    return try target.create(
      type: type, id: isNew ? identifier : nil, organization: organization, fields: fields, event: "created", data: [:])
  }

  /// The id of what reports make of a name, unless something else holds it.
  package static func identifier(of type: String, key: [JSON], organization: Identifier) -> Identifier {
    .version5(namespace: organization, name: JSON.array([.string(type)] + key).canonicalString)
  }

  private func prepareRun(_ run: OpenLineageEvent.Run, job: OpenLineageEvent.Job) throws -> ResourceState {
    let identifier = try runIdentifier(run.runID, namespace: job.namespace, in: organization)
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
    if Self.chosenIdentifier(runID) != identifier { fields["external_id"] = .string(runID) }
    return try target.create(
      type: "run", id: identifier, organization: organization, fields: fields, event: "created", data: [:])
  }

  /// Returns the run's fields as this report leaves them.
  private mutating func recordRun(
    _ run: ResourceState, pipeline: Identifier, inputs: [Identifier], outputs: [Identifier],
    listed: (inputs: [Identifier], outputs: [Identifier])
  ) throws -> ReportedFields {
    let facets = event.run?.facets ?? [:]
    var fields = reportedFields(run.fields)
    for (field, value) in RunStateMerge.merge(known(run.fields), report: event.report, at: time) {
      fields.set(field, value)
    }
    fields.decideTry(event.report, at: time)
    fields.decide("pipeline_id", .string(pipeline.text), at: time)
    if let producer = event.producer { fields.decide("producer", .string(producer), at: time) }
    if let message = KnownFacets.errorMessage(facets) {
      fields.decide("error_message", .string(message), at: time)
    } else if event.report == .success {
      // What an earlier try said is nothing that a success has.
      fields.decide("error_message", .null, at: time)
    }
    if let parameters = KnownFacets.parameters(facets) {
      fields.decide("params", .object(parameters), at: time)
    }
    for (identifier, dataset) in zip(outputs, event.outputs) {
      if let statistics = dataset.facets["outputStatistics"]?.objectValue {
        fields.decide(output: identifier, statistics, at: time)
      }
    }
    taken.run = fields.apply(KnownFacets.run(facets), at: time)
    if let parent = KnownFacets.parent(facets) { try record(parent, of: run, in: &fields) }
    note(inputs, in: "input_dataset_ids", listed: listed.inputs, &fields)
    note(outputs, in: "output_dataset_ids", listed: listed.outputs, &fields)
    let after = try target.change(run, set: fields.changes, event: "reported", data: data)
    if let trace = KnownFacets.stackTrace(facets) {
      let line: JSON = ["at": .string(time.text), "level": "ERROR", "message": .string(trace)]
      _ = try target.change(
        after, set: [:], event: "logged", data: ["lines": [line], "count": 1, "levels": ["ERROR": 1]])
    }
    return fields
  }

  /// The datasets of a run. Those that no list of pairs is made of, since a lineage facet spoke of them, are noted in a
  /// group of their own.
  private func note(
    _ identifiers: [Identifier], in group: String, listed: [Identifier], _ fields: inout ReportedFields
  ) {
    let listed = Set(listed)
    let explicit = "explicit_\(group)"
    fields.note(identifiers.filter(listed.contains).map(\.text), in: group, at: time)
    fields.note(identifiers.filter { !listed.contains($0) }.map(\.text), in: explicit, at: time)
    let all = Set((fields.noted(group) + fields.noted(explicit)).compactMap { Identifier($0.key) })
    if !all.isEmpty { fields.set(group, .array(all.sorted().map { .string($0.text) })) }
  }

  /// A run's fields without an end that hasn't come yet: a clock that was ahead has told it.
  private func known(_ fields: JSONObject) -> JSONObject {
    guard let end = fields["completed_at"]?.stringValue.flatMap({ Timestamp($0) }), end > target.receivedAt else {
      return fields
    }
    return fields.filter { $0.key != "completed_at" }
  }

  /// A run refers to a parent of its own organization; of another's it keeps the names alone.
  private func record(_ parent: KnownFacets.Parent, of run: ResourceState, in fields: inout ReportedFields) throws {
    var told: JSONObject = [
      "parent_job": ["namespace": .string(parent.namespace), "name": .string(parent.name)], "parent_run_id": .null,
    ]
    let known = try parentRun(runID: parent.runID, namespace: parent.namespace)
    if let known, known.organization == organization {
      if known.id != run.id { fields.decide("parent_run_id", .string(known.id.text), at: time) }
    } else {
      told["parent_run_id"] = .string(parent.runID)
      fields.decide("parent_run_id", .null, at: time)
    }
    fields.decide(group: "context.parent_job", members: told, of: "context", at: time)
  }

  /// The parent, made pending where it is not known yet; nil where it was deleted, or is no run.
  private func parentRun(runID: String, namespace: String) throws -> ResourceState? {
    let owner =
      namespace == event.job?.namespace
      ? organization : try ReportOrganization.resolve(namespace: namespace, .job, in: target)
    let identifier = try runIdentifier(runID, namespace: namespace, in: owner)
    guard let known = try target.state(identifier) else {
      return try createRun(identifier, runID: runID, organization: owner)
    }
    return known.type == "run" && known.organization == owner && known.deletedAt == nil ? known : nil
  }

  /// Which columns of which datasets each dataset of the event is made of.
  ///
  /// Of an input that the event's column lineage of an output passes over, nothing is: what the job said of it before
  /// no longer holds.
  private func columns(
    outputs: [Identifier], inputs: [Identifier], alone: Identifier?, in pairs: inout LineagePairs
  ) throws -> [LineagePairs.Pair: JSON] {
    var datasets = Array(zip(outputs, event.outputs)) + Array(zip(inputs, event.inputs))
    if let alone, let dataset = event.dataset { datasets.append((alone, dataset)) }
    var byTarget: [Identifier: ColumnLineage] = [:]
    for (identifier, dataset) in datasets {
      guard let columns = dataset.columns, !columns.isEmpty else { continue }
      byTarget[identifier, default: ColumnLineage()].add(columns)
    }
    for (named, lineage) in event.lineage?.targets ?? [] {
      let (state, _) = try recordDataset(named) { _ in [] }
      if lineage.hasColumns { byTarget[state.id, default: ColumnLineage()].add(lineage) }
      for source in lineage.sources {
        let (origin, _) = try recordDataset(source) { _ in [] }
        pairs.add(LineagePairs.Pair(source: origin.id, target: state.id), at: time)
      }
    }
    var columns: [LineagePairs.Pair: JSON] = [:]
    let listed = listed(inputs, outputs)
    for target in Set(listed.outputs) where byTarget[target] != nil {
      for input in listed.inputs { columns[LineagePairs.Pair(source: input, target: target)] = [] }
    }
    for (target, lineage) in byTarget {
      for (source, entries) in lineage.sorted {
        let (state, _) = try recordDataset(source) { _ in [] }
        columns[LineagePairs.Pair(source: state.id, target: target)] = entries
      }
    }
    return columns
  }

  private func recordEdges(
    _ pairs: LineagePairs, columns: [LineagePairs.Pair: JSON], run: Identifier?, pipeline: Identifier?
  ) throws {
    var all = pairs
    for pair in columns.keys { all.add(pair, at: time) }
    let through: JSONObject = [
      "run_id": run.map { .string($0.text) } ?? .null, "pipeline_id": pipeline.map { .string($0.text) } ?? .null,
    ]
    for (pair, latest) in all.sorted {
      let ends: JSONObject = ["source_id": .string(pair.source.text), "target_id": .string(pair.target.text)]
      let key = [JSON.string(pair.source.text), .string(pair.target.text)]
      let known = try target.find(type: "lineage_edge", constraint: "lineage_edge_pair", values: key)
      var fields = reportedFields(known?.fields ?? [:])
      fields.decide(group: "run_id", through, at: latest)
      if let latest = fields.time(of: "run_id") { fields.set("reported_at", .string(latest.text)) }
      if let columns = columns[pair] { fields.decide(columns: columns, of: pipeline, at: time) }
      if let known {
        _ = try target.change(known, set: fields.changes, event: "edited", data: [:])
      } else {
        _ = try create(
          type: "lineage_edge", key: key, fields: fields.changes.filter { !$0.value.isNull }.merging(ends))
      }
    }
  }
}

extension ReportedFields {
  /// What known facets say, at a report's time.
  /// - Returns: Those whose word the fields hold.
  fileprivate mutating func apply(_ readings: [KnownFacets.Reading], at time: Timestamp) -> [KnownFacets.Reading] {
    var taken: [KnownFacets.Reading] = []
    for reading in readings {
      var isTaken = true
      for assignment in reading.assignments {
        let holds =
          if let member = assignment.member {
            decide(member: member, of: assignment.field, assignment.value, at: time)
          } else if assignment.isShared {
            decide(shared: assignment.field, assignment.value.arrayValue ?? [], at: time)
          } else {
            decide(assignment.field, assignment.value, at: time)
          }
        isTaken = isTaken && holds
      }
      if isTaken { taken.append(reading) }
    }
    return taken
  }

  /// One more dataset that names this one among its symlinks; they are found again by it, in whatever order the
  /// reports come. What a later report has withdrawn, its own symlinks tell.
  fileprivate mutating func addAlias(_ dataset: Identifier) {
    let known = self["alias_ids"]?.arrayValue ?? []
    guard known.count < OpenLineageEvent.maximumAliases, !known.contains(.string(dataset.text)) else { return }
    let all = (known.compactMap(\.stringValue) + [dataset.text]).sorted()
    set("alias_ids", .array(all.map(JSON.string)))
  }
}
