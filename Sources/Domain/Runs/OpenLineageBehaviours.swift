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
  private func plain(_ state: ResourceState) throws -> ResourceState {
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
    for field in model.fields where !values.contains(field.name) {
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
