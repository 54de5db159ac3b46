import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// One command being decided, on the writer's thread: what it sees, what it records, and what it will answer.
///
/// Everything goes through the transaction, so a decision that throws leaves nothing behind.
final class Decision {
  let engine: CommandEngine
  let transaction: LogTransaction
  let prepared: PreparedCommand
  let command: CommandModel
  /// Who asks, as the transaction sees it now.
  let principal: Principal
  /// Whether nothing of it will be kept.
  let isDryRun: Bool

  /// What was recorded, in order.
  private(set) var events: [AppendedEvent] = []
  /// The resource that the answer is about.
  var answered: Identifier?
  /// The persons whom its events are about, as far as a ``SharedDigest`` is kept for them, and the organization of the
  /// first of these events.
  private(set) var subjects: [Identifier] = []
  private(set) var organization: Identifier?
  /// What the answer says besides.
  var members = JSONObject()
  /// What the answer says this once, and never again.
  var secretMembers = JSONObject()
  /// Whether something changed that principals are made of.
  private(set) var changesPrincipals = false
  /// Whether keys are to be destroyed once it is on the disk.
  var destroysKeys = false
  /// The persons whose erasure is to be completed once it is on the disk.
  var erases: [Identifier] = []
  /// Whether legal holds don't stop what is being decided.
  var passesHolds = false
  /// The persons whose data is restricted, or no longer, once it is on the disk.
  var restricts: [Identifier] = []
  /// Whether redactions are to be completed once it is on the disk.
  var redacts = false
  /// The sign-ins that end with this.
  var closings: [SignInClosing] = []
  /// How many events the whole command or batch has recorded before.
  private let eventsBefore: Int
  /// The event that this reacts to; nil for what a caller asked.
  private let cause: Identifier?
  /// What it has recorded that something follows from.
  private var causes: [Reactions.Cause] = []
  private var loadedTarget: ResourceState?

  init(
    engine: CommandEngine, transaction: LogTransaction, prepared: PreparedCommand, command: CommandModel,
    principal: Principal, isDryRun: Bool, eventsBefore: Int
  ) {
    self.isDryRun = isDryRun
    self.engine = engine
    self.transaction = transaction
    self.prepared = prepared
    self.command = command
    self.principal = principal
    self.eventsBefore = eventsBefore
    cause = nil
  }

  /// What the server decides because of an event of another decision.
  init(reactingTo cause: Identifier, in decision: Decision) {
    var common = CommonParameters()
    common.correlation = decision.prepared.common.correlation
    engine = decision.engine
    isDryRun = decision.isDryRun
    transaction = decision.transaction
    prepared = PreparedCommand(
      method: decision.prepared.method, content: decision.prepared.content, principal: .server, origin: Origin(),
      common: common)
    command = decision.command
    principal = .server
    eventsBefore = decision.eventsBefore + decision.events.count
    self.cause = cause
  }

  var model: CatalogModel { engine.model }
  var type: ResourceModel { command.type }
  var now: Timestamp { transaction.now }
  var fields: JSONObject { prepared.fields }
  var parameters: JSONObject { prepared.parameters }

  /// The acting user's id: the user, the person for whom a key acts, or else the key's creator; nil for the local
  /// administrator and the server.
  var actor: Identifier? { principal.subject }

  /// The resource that `id` names: seen, alive, at the expected version.
  /// - Throws: ``Refusal``: `not_found`, `gone`, `conflict`.
  func target() throws -> ResourceState {
    if let loadedTarget { return loadedTarget }
    guard let id = prepared.id else { throw Refusal.invalidParam("/id", "is required") }
    guard let state = try transaction.state(id), state.type == type.name, try isVisible(state) else {
      throw Refusal.notFound(type: type.name, id: id.text)
    }
    if let since = state.deletedAt {
      throw Refusal.gone(type: type.name, id: id.text, since: since.text)
    }
    if command.behaviour?.traits.authorizesItself != true { try authorize(on: state) }
    try checkVersion(state.version)
    loadedTarget = state
    answered = id
    return state
  }

  func checkVersion(_ actual: Int64) throws {
    guard let expected = prepared.common.expectedVersion, expected != actual else { return }
    throw Refusal.conflict(
      reason: "version", "It is at version \(actual), not \(expected): somebody changed it meanwhile.",
      ["expected": .integer(expected), "actual": .integer(actual)])
  }

  // MARK: - Who may

  /// Whether the caller may know of a resource.
  func isVisible(_ state: ResourceState) throws -> Bool {
    try model.audience(of: state.type).permits(.sees, to: principal, on: state, from: transaction)
  }

  /// Whether the caller may read and use a resource because it is public, whatever organization it belongs to.
  func isPublic(_ state: ResourceState) -> Bool {
    model.audience(of: state.type).publishes(state.fields, to: principal)
  }

  /// Whether the caller is that user or shares an organization with them.
  func seesUser(_ id: Identifier) throws -> Bool {
    try model.audience(of: "user").permits(
      .sees, to: principal, id: id, organization: nil, fields: [:],
      sharing: { try transaction.memberships(of: id).compactMap(\.organization) }, referred: { _ in nil })
  }

  /// Refuses an auditor of the whole service, who reads everything and changes nothing but their own account.
  func checkOffice() throws {
    guard principal.auditsService, prepared.id == nil || prepared.id != principal.subject else { return }
    throw Refusal.forbidden(
      permission: "\(type.plural):\(command.command.permission.rawValue)",
      "An auditor of the whole service gives no commands.")
  }

  /// The command's permission in a resource's organization; for users, in an organization that is shared.
  func authorize(on state: ResourceState) throws {
    if state.type == "user" {
      try UserRules.authorize(self, on: state)
    } else if command.command.permission != .read || command.command.isAdministrative || !isPublic(state) {
      if try WorkspaceRules.authorize(self, on: state) { return }
      try authorize(in: state.organization, on: state)
    }
  }

  /// The command's permission in an organization.
  /// - Parameter state: what it is given for; nil where it makes something.
  func authorize(in organization: Identifier?, on state: ResourceState? = nil) throws {
    if command.command.isAdministrative {
      guard principal.isAdministrator else {
        throw Refusal.forbidden(
          permission: "administrator", "Only the local administrator and platform administrators may do this.")
      }
      return
    }
    if command.command.effect == .create, try WorkspaceRules.authorizeCreation(self, in: organization) { return }
    if try isGrantedBesides(in: organization, on: state) { return }
    try require(command.command.permission, on: type.plural, in: organization)
  }

  /// Whether the command is the caller's to give without the permission on its type: a run of a pipeline, for an API
  /// key that may execute pipelines; and what is their own, for members of organizations whose platform knows no roles.
  private func isGrantedBesides(in organization: Identifier?, on state: ResourceState?) throws -> Bool {
    let permission = command.command.permission
    if permission == .execute, principal.runsPipelines(of: organization) {
      var run = state?.fields ?? fields
      if type.name == "task_run" {
        guard let id = run["run_id"]?.stringValue.flatMap({ Identifier($0) }) else { return false }
        run = try transaction.living(id, type: "run")?.fields ?? [:]
      }
      if type.name == "run" || type.name == "task_run", run["pipeline_id"]?.stringValue != nil { return true }
    }
    guard principal.allowsOnOwn(permission, on: type.plural, organization: organization) else { return false }
    guard let subject = principal.subject else { return false }
    // Nobody makes, or gives away, what is then another's.
    for name in Decision.actorFields {
      if let named = fields[name]?.stringValue, Identifier(named) != subject { return false }
    }
    guard let state else { return command.command.effect == .create }
    return state.creator == subject || state.reference("owner_id") == subject
  }

  /// Why a key lacks a permission, where more is to be said than that: it takes somebody else to have it too.
  private func whyNot(_ permission: String, exceedsMaker: Bool) -> String? {
    switch (principal.onBehalfOf != nil, exceedsMaker) {
    case (true, true): "The key has the permission \(permission), the person doesn't."
    case (true, false): "The key doesn't have the permission \(permission)."
    case (false, true):
      """
      The key has the permission \(permission), but the person who made it has it no longer; somebody who has it makes \
      another key.
      """
    case (false, false): nil
    }
  }

  /// A permission, or `forbidden` with its name.
  func require(_ permission: Permission, on plural: String, in organization: Identifier?) throws {
    guard principal.allows(permission, on: plural, organization: organization) else {
      throw Refusal.forbidden(
        permission: "\(plural):\(permission.rawValue)",
        whyNot("\(plural):\(permission.rawValue)", exceedsMaker: principal.exceedsMaker(permission, on: plural)))
    }
  }

  /// The organization that a new resource shall belong to: seen by the caller, alive.
  func newOrganization() throws -> Identifier? {
    guard type.organization != .none else { return nil }
    guard let organization = try prepared.organization ?? sourceOrganization() else {
      if type.organization == .optional { return nil }
      throw Refusal.invalidParam("/organization_id", "is required: say which organization it belongs to")
    }
    guard principal.canSee(organization: organization), let state = try transaction.state(organization),
      state.type == "organization"
    else { throw Refusal.missing("organization", organization, at: "/organization_id") }
    guard !state.isDeleted else {
      throw Refusal.invalidParam("/organization_id", "this organization was deleted")
    }
    return organization
  }

  private func sourceOrganization() throws -> Identifier? {
    guard let field = command.behaviour?.traits.organizationSource, let source = fields[field]?.stringValue,
      let id = Identifier(source)
    else { return nil }
    guard let state = try transaction.state(id), try isVisible(state) else {
      let types = type.references.first { $0.name == field }?.field.reference?.types
      throw Refusal.missing(types?.first ?? "resource", id, at: "/\(field)")
    }
    return state.organization
  }

  // MARK: - Recording

  /// A draft of an event of this command, with its reason and origin sealed.
  ///
  /// - Parameter fields: The resource's, as they are or shall be: they tell whom it is about.
  func draft(
    _ event: String, type: ResourceModel, resource: Identifier, organization: Identifier?, fields: JSONObject,
    causation: Identifier? = nil
  ) throws -> EventDraft {
    var draft = EventDraft(
      event: event, type: type.name, resource: resource, actor: principal.actor, schema: model.catalog.revision,
      at: now)
    draft.organization = organization
    if let person = principal.onBehalfOf {
      draft.onBehalfOf = person
      draft.note([person])
    }
    draft.causation = causation ?? cause
    draft.correlation = prepared.common.correlation
    // Who uses what another organization made public, or deletes what another one
    // uses, tells it neither why nor from where.
    if let organization, !principal.canSee(organization: organization),
      causation != nil || !type.type.publicFields.isEmpty
    {
      return draft
    }
    try sealWhyAndWhence(&draft, of: person(type, resource, fields, event: event))
    return draft
  }

  /// The person whom a resource is about, for whom the reason of an event is sealed too: what is said of somebody goes
  /// with them. The ground of an erasure stays with its receipt. Nobody where the person was erased, whom an older log
  /// may have brought back.
  private func person(
    _ type: ResourceModel, _ resource: Identifier, _ fields: JSONObject, event: String
  ) -> Identifier? {
    let person: Identifier? =
      if type.name == Subjects.type {
        event == Subjects.confirmation ? nil : Subjects.person(fields)
      } else {
        model.audience(of: type.name).person(of: resource, fields)
      }
    guard let person, person != .systemUser, !engine.vault.isErased(.subject(person)) else { return nil }
    return person
  }

  private func sealWhyAndWhence(_ draft: inout EventDraft, of person: Identifier?) throws {
    let place = Sealer.Place(event: draft.id, resource: draft.resource, organization: draft.organization)
    if let reason = prepared.common.reason {
      var subjects = principal.subject.map { [$0] } ?? []
      for id in prepared.common.about + (person.map { [$0] } ?? []) where !subjects.contains(id) {
        subjects.append(id)
      }
      draft.reason = try engine.sealer.sealed(.string(reason), for: subjects, field: "reason", place: place)
      draft.note(subjects)
    }
    guard let origin = prepared.origin.value else { return }
    if principal.kind == .server {
      // A stranger's address: nobody's whose key it could be, so it expires.
      draft.origin = try engine.vault.seal(
        origin, for: .expiring(organization: draft.organization, retentionClass: "sessions", month: now.month),
        context: place.context("origin"))
      return
    }
    let subjects = principal.subject.map { [$0] } ?? []
    draft.origin = try engine.sealer.sealed(origin, for: subjects, field: "origin", place: place)
    draft.note(subjects)
  }

  /// Checks that the persons whom the reason speaks of are there.
  func checkAbout() throws {
    for (index, id) in prepared.common.about.enumerated() {
      guard try transaction.living(id, type: "user") != nil, try seesUser(id) else {
        throw Refusal.missing("user", id, at: "/about/\(index)")
      }
    }
  }

  /// Notes in which organizations the reason was given that an event of a decision about a person has.
  private func noteGivenIn(_ draft: inout EventDraft, decidingAbout person: Identifier) throws {
    let organizations = try organizationsOfReason(about: person)
    if !organizations.isEmpty {
      draft.data[ReasonGivenIn.member] = .array(organizations.map { .string($0.text) })
    }
  }

  /// The organizations of a person that the caller speaks for.
  private func organizationsOfReason(about person: Identifier) throws -> [Identifier] {
    try transaction.memberships(of: person).filter(\.isGoverning)
      .compactMap(\.organization).filter { principal.canSee(organization: $0) }
  }

  /// Notes in which organizations the reason was given that an account's event has.
  private func noteGivenIn(_ draft: inout EventDraft) throws {
    let organizations = try organizationsOfReason(about: draft.resource)
    // Nothing is sealed for who was erased, whom an older log may have brought back.
    guard !organizations.isEmpty, !engine.vault.isErased(.subject(draft.resource)) else { return }
    draft.data[ReasonGivenIn.member] = try engine.vault.seal(
      .array(organizations.map { .string($0.text) }), for: .subject(draft.resource),
      context: SealContext(
        eventID: draft.id, resourceID: draft.resource, field: "data/\(ReasonGivenIn.member)"))
    draft.note([draft.resource])
  }

  /// Puts a draft into the log.
  @discardableResult
  func append(_ draft: EventDraft, type: ResourceModel) throws -> AppendedEvent {
    var draft = draft
    if draft.reason != nil, draft.organization == nil {
      if type.name == "user" {
        try noteGivenIn(&draft)
      } else if type.name == Subjects.type, let person = prepared.id {
        try noteGivenIn(&draft, decidingAbout: person)
      }
    }
    guard eventsBefore + events.count < CommandEngine.eventLimit else {
      throw Refusal.tooLarge(
        limit: Int64(CommandEngine.eventLimit),
        "This would record more than \(CommandEngine.eventLimit) events at once; do it in parts.")
    }
    try checkBudget()
    if type.decidesPrincipals, command.behaviour?.traits.keepsPrincipals != true { changesPrincipals = true }
    let event = try transaction.append(draft)
    try checkSize(event, type)
    if events.isEmpty { organization = draft.organization }
    SharedDigest.add(draft.subjects, to: &subjects)
    events.append(event)
    if Reactions.follow(from: draft.event) {
      causes.append(Reactions.Cause(event: event, set: draft.set, was: draft.was, data: draft.data))
    }
    return event
  }

  /// Checks that read models can hold an event, and what it makes of its resource.
  ///
  /// PostgreSQL takes at most 256 MB in one `jsonb`, where a value can be six times as long as in the log: the limit
  /// leaves room for what read models make of an event (before and after, a whole version).
  private func checkSize(_ event: AppendedEvent, _ type: ResourceModel) throws {
    let limit = CommandEngine.sizeLimit
    if event.bodySize > limit {
      throw Refusal.tooLarge(
        limit: Int64(limit),
        "The event \(event.event) would have \(event.bodySize) bytes, with what it replaces, and may have \(limit): "
          + "change fewer fields at once, or shorter ones.")
    }
    if let size = event.grownTo, size > limit {
      throw Refusal.tooLarge(
        limit: Int64(limit),
        "This \(Refusal.spoken(type.name)) would have \(size) bytes in all, and may have \(limit): "
          + "clear or shorten other fields of it first.")
    }
  }

  /// Refuses what costs the writer too much.
  /// - Throws: ``Refusal`` `too_large`.
  func checkBudget() throws { try engine.budget.check(transaction.work) }

  /// What was recorded since the last time that something may follow from.
  func takeCauses() -> [Reactions.Cause] {
    defer { causes = [] }
    return causes
  }

  /// Counts what a reaction has recorded as recorded by this command.
  func adopt(_ reaction: Decision) {
    events += reaction.events
    SharedDigest.add(reaction.subjects, to: &subjects)
    causes += reaction.causes
    if reaction.changesPrincipals { changesPrincipals = true }
  }

  /// Records facts about a resource that change nothing of its state; those that the catalog calls sealed are sealed
  /// with the key of their organization, class and month.
  @discardableResult
  func record(_ event: String, on state: ResourceState, _ type: ResourceModel, data: JSONObject) throws -> AppendedEvent
  {
    var draft = try draft(
      event, type: type, resource: state.id, organization: state.organization, fields: state.fields)
    draft.data = try sealedFacts(data, draft, type)
    return try append(draft, type: type)
  }

  /// An event's data with the members sealed that the catalog says.
  func sealedFacts(_ data: JSONObject, _ draft: EventDraft, _ type: ResourceModel) throws -> JSONObject {
    guard let dot = draft.event.utf8.firstIndex(of: UInt8(ascii: ".")),
      let fact = type.facts[String(draft.event[draft.event.index(after: dot)...])], let name = fact.retentionClass
    else { return data }
    var sealed = data
    for member in fact.sealed {
      guard let value = data[member], !value.isNull else { continue }
      sealed[member] = try engine.vault.seal(
        value, for: .expiring(organization: draft.organization, retentionClass: name, month: now.month),
        context: SealContext(eventID: draft.id, resourceID: draft.resource, field: "data/\(member)"))
    }
    return sealed
  }

  /// The values that the catalog says a command sets: constants, `$now`, `$actor`.
  func constants() -> JSONObject {
    let sets = command.command.sets
    if sets.isEmpty { return sets }
    return sets.mapValues { value in
      switch value.stringValue {
      case "$now": .string(now.text)
      case "$actor": actor.map { .string($0.text) } ?? .null
      default: value
      }
    }
  }
}

extension EventDraft {
  /// Adds persons to whom the event is about.
  mutating func note(_ persons: [Identifier]) {
    for id in persons where !subjects.contains(id) { subjects.append(id) }
  }
}
