import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import OpenLineage
import Records
import Refusals
import Vault

/// The door for OpenLineage producers.
enum OpenLineageBehaviours {
  /// `openlineage.record`: what a report says becomes pipelines, runs, datasets and edges. The answer's `id` is the
  /// run's; for a report without a run, the pipeline's or the dataset's.
  static let record = Behaviour<OpenLineageEvent>(
    alsoRefuses: [.notFound, .gone],
    prepare: { context in
      if !context.principal.isAdministrator, context.organization == nil {
        context.refuse("/organization_id", "is required: say which organization it belongs to")
      }
      guard let event = context.parameters["event"]?.objectValue else { return .refused }
      do {
        // Nothing of a report is refused for what a producer writes into a URL, and nothing of it is to be kept.
        let stripped = SecretText.stripped(.object(event))?.objectValue
        return .ready(try OpenLineageEvent.parse(stripped ?? event, path: "/event"))
      } catch let error as OpenLineageEvent.Malformed {
        context.problems += error.problems
      } catch {
        context.refuse("/event", "is no OpenLineage event")
      }
      return .refused
    },
    decide: { decision, event in
      let organization = try decision.newOrganization()
      try decision.authorize(in: organization)
      let target = ReportTransaction(decision: decision, ownOrganization: organization)
      do {
        let outcome = try OpenLineageReport.record(event, in: target)
        decision.answered = outcome.resource
        decision.members["organization_id"] = .string(outcome.organization.text)
      } catch let failure as ReportFailure {
        throw refusal(failure)
      }
    })

  /// `openlineage.map`: one rule more, in the place of what was said of that namespace before.
  static let map = Behaviour(
    check: { context in
      if context.organization == nil {
        context.refuse("/organization_id", "is required: say where the reports of this namespace go")
      }
      checkNamespace(&context)
    },
    decide: { decision in
      guard let organization = try decision.newOrganization() else {
        throw Refusal.invalidParam("/organization_id", "is required")
      }
      try decision.authorize(in: nil)
      try change(decision, to: rule(decision, organization))
    })

  /// `openlineage.unmap`: what was said of a namespace is said no more.
  static let unmap = Behaviour(
    check: { context in checkNamespace(&context) },
    decide: { decision in
      // A namespace has one rule of a kind, or none: where it leads needn't be said.
      _ = try decision.newOrganization()
      try decision.authorize(in: nil)
      try change(decision, to: nil)
    })

  @Sendable static func checkNamespace(_ context: inout CheckContext) {
    let limit = OpenLineageEvent.maximumNameBytes
    if let namespace = context.parameters["namespace"]?.stringValue, namespace.utf8.count > limit {
      context.refuse("/namespace", "must be at most \(limit) bytes, as in events")
    }
  }

  private static func rule(_ decision: Decision, _ organization: Identifier) throws -> NamespaceRules.Rule {
    guard let namespace = decision.parameters["namespace"]?.stringValue,
      let kind = decision.parameters["kind"]?.stringValue.flatMap(NamespaceRules.Kind.init),
      let match = decision.parameters["match"]?.stringValue.flatMap(NamespaceRules.Match.init)
    else { throw Refusal.invalidParam("/namespace", "is required") }
    return NamespaceRules.Rule(kind: kind, match: match, namespace: namespace, organization: organization)
  }

  /// Puts a rule in the place of what the parameters name, or takes that away.
  private static func change(_ decision: Decision, to new: NamespaceRules.Rule?) throws {
    let (id, known) = try NamespaceRules.place.resolve(decision.transaction.state)
    decision.answered = id
    let present = NamespaceRules(known?.fields["rules"]).rules
    let named = try new ?? rule(decision, id)
    let place = present.firstIndex { named.replaces($0) }
    var changed = present
    switch (place, new) {
    case (let place?, let new?): changed[place] = new
    case (let place?, nil): changed.remove(at: place)
    case (nil, let new?): changed.append(new)
    case (nil, nil):
      throw Refusal.invalidParam(
        "/namespace", "has no such rule; openlineage.rules shows those that there are")
    }
    guard changed.count <= NamespaceRules.limit else {
      throw Refusal.tooLarge(
        limit: Int64(NamespaceRules.limit),
        "There are \(NamespaceRules.limit) rules, and each report is compared with all of them: join some to a prefix.")
    }
    try decision.checkVersion(known?.version ?? 0)
    let values: JSONObject = ["rules": NamespaceRules(changed).json]
    guard let known else {
      try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: nil, values: values, data: [:]))
      return
    }
    try decision.edit(known, decision.type, event: decision.command.event, values: values)
  }

  private static func refusal(_ failure: ReportFailure) -> Refusal {
    switch failure {
    case .identifierTaken:
      .conflict(
        reason: "unique", "The id of this run belongs to something else already.", ["fields": ["/event/run/runId"]])
    case .tooManyPairs(let limit):
      .tooLarge(
        limit: Int64(limit),
        "This shows more than \(limit) pairs of a dataset and one made from it, each of which is an edge; report it in parts, or as several runs."
      )
    case .gone(let id, let since): .gone(type: "run", id: id.text, since: since.text)
    }
  }
}

/// The transaction as a report sees it.
struct ReportTransaction: ReportTarget {
  let decision: Decision
  let ownOrganization: Identifier?
  var receivedAt: Timestamp { decision.now }
  var defaultOrganization: String? { decision.engine.reportOrganization }
  var namespaceRules: NamespaceRules {
    get throws {
      NamespaceRules(try NamespaceRules.place.resolve(decision.transaction.state).state?.fields["rules"])
    }
  }

  func find(type: String, constraint: String, values: [JSON]) throws -> ResourceState? {
    let model = try decision.model.type(type)
    guard let constraint = model.unique.first(where: { $0.name == constraint }) else {
      throw Refusal.internalError("The catalog has no unique constraint \(constraint).")
    }
    let rules = decision.engine.rules
    guard let holder = try rules.holders(of: rules.keys(constraint, values), constraint, in: decision.transaction).first
    else { return nil }
    return try decision.transaction.living(holder, type: type).map(plain)
  }

  func state(_ id: Identifier) throws -> ResourceState? { try decision.transaction.state(id).map(plain) }

  /// The resource with its secrets in the clear, for what is merged into it. What can't be opened says so: nothing of a
  /// report may be refused for it.
  func plain(_ state: ResourceState) throws -> ResourceState {
    var plain = try decision.plain(state)
    guard let type = decision.model.types[state.type] else { return plain }
    for field in type.fields where field.secretScope != nil {
      guard let value = plain.fields[field.name], SecretMembers.holdsSealed(value) else { continue }
      plain.fields[field.name] = SecretMembers.withoutSealed(value)
    }
    return plain
  }

  func isFirstReport(digest: [UInt8], organization: Identifier) throws -> Bool {
    let fingerprint = decision.engine.vault.lookupHash("report", digest)
    let actor = "report:\(organization.text)"
    let id = Identifier(bytes: fingerprint.prefix(16))?.text ?? ""
    if let known = try decision.transaction.storedCommand(actor: actor, id: id), known.fingerprint == fingerprint {
      return false
    }
    try decision.transaction.storeCommand(
      actor: actor, id: id, StoredCommand(fingerprint: fingerprint, result: []))
    return true
  }

  func create(
    type: String, id: Identifier?, organization: Identifier?, fields: JSONObject, event: String, data: JSONObject
  ) throws -> ResourceState {
    let model = try decision.model.type(type)
    var values = try checked(fields, model)
    for field in model.fields where !values.contains(field.name) && !UnsaidFields.contains(field.name, of: type) {
      if let value = field.field.defaultValue { values[field.name] = value }
    }
    if !model.versioned.isEmpty, model.field("version_number") != nil, values["version_number"] == nil {
      values["version_number"] = 1
    }
    let created = try decision.create(
      Decision.Creation(
        type: model, event: "\(type).\(event)", id: id, organization: organization, values: values, data: data))
    guard let state = try state(created.resource) else {
      throw Refusal.internalError("A resource that was just made is not there.")
    }
    return state
  }

  func change(_ state: ResourceState, set: JSONObject, event: String, data: JSONObject) throws -> ResourceState {
    let model = try decision.model.type(state.type)
    guard let stored = try decision.transaction.state(state.id) else {
      throw Refusal.internalError("A resource that a report changes is not there.")
    }
    let values = PipelineBehaviours.withVersion(try checked(set, model), of: state, model)
    try decision.edit(
      stored, model, event: "\(state.type).\(event)", values: values, data: data, isForced: !data.isEmpty,
      takesMasks: false)
    return try self.state(state.id) ?? state
  }

  /// The values in their normal form; refuses what the fields can't hold, as every command does.
  private func checked(_ fields: JSONObject, _ type: ResourceModel) throws -> JSONObject {
    var problems: [ValueProblem] = []
    var normal = JSONObject(minimumCapacity: fields.count)
    for (name, value) in fields {
      guard let field = type.field(name) else {
        throw Refusal.internalError("The type \(type.name) has no field \(name).")
      }
      normal.append(
        key: name, value: FieldCheck.check(value, field: field.field, path: "/event", problems: &problems))
      if let last = problems.last, last.path.hasPrefix("/event"), !last.problem.hasPrefix("makes ") {
        problems[problems.count - 1] = ValueProblem(
          path: "/event", problem: "makes a \(Refusal.spoken(type.name)) whose \(name) \(last.problem)")
      }
    }
    guard problems.isEmpty else { throw Refusal.invalidParams(problems) }
    return normal
  }
}
