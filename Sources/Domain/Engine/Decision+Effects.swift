import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

extension Decision {
  /// What makes a new resource.
  struct Creation {
    let type: ResourceModel
    let event: String
    var id: Identifier?
    var organization: Identifier?
    /// Declared fields in the clear, defaults applied; nulls count as nothing.
    var values: JSONObject
    var data: JSONObject = [:]
    /// The bodies that the event drops.
    var drops: [DroppedBody] = []
    var causation: Identifier?
    /// False where the references lead to what this command has just made.
    var checksReferences = true
  }

  /// Makes a resource: checks references and uniqueness, gives it its number, seals what must be, links it.
  @discardableResult
  func create(_ creation: Creation) throws -> AppendedEvent {
    let type = creation.type
    let id = creation.id ?? Identifier.version7(at: now)
    if creation.id != nil {
      try checkCollisions()
      if let present = try transaction.state(id) {
        guard try isVisible(present) else { throw collision() }
        throw Refusal.conflict(reason: "unique", "There is a resource of this id already.", ["fields": ["id"]])
      }
    }
    // An organization is its own tenant.
    let organization = type.name == "organization" ? id : creation.organization
    var values = creation.values.filter { !$0.value.isNull }
    if let lifecycle = type.lifecycle, !values.contains(lifecycle.field) {
      values[lifecycle.field] = .string(lifecycle.initial)
    }
    // First of all what it refers to: nothing else may be said of what the caller may not know.
    if creation.checksReferences { try checkReferences(values, of: type, organization: organization) }
    values = try platformValues(values, of: type, organization: organization)
    var draft = try draft(
      creation.event, type: type, resource: id, organization: organization, fields: values,
      causation: creation.causation)
    let place = Sealer.Place(event: draft.id, resource: id, organization: organization)
    var set = JSONObject(minimumCapacity: values.count + 3)
    for (name, value) in values {
      guard let field = type.field(name) else {
        throw Refusal.internalError("The type \(type.name) has no field \(name).")
      }
      let subject = person(field, resource: id, values: values)
      if let stored = try engine.sealer.stored(value, of: field, before: nil, place: place, subject: subject) {
        set[name] = stored
        if let subject, subject != id { try refuseIfRestricted(subject) }
        if let subject, field.isSealed(stored, was: nil) { draft.note([subject]) }
      }
    }
    try claim(type, id: id, organization: organization, values: values)
    if !type.versioned.isEmpty, !set.contains("version_number") { set["version_number"] = 1 }
    set["created_by"] = .string((actor ?? CommandEngine.systemUser).text)
    set["number"] = .integer(try transaction.nextNumber(type.name))
    if type.organization != .none, let organization { set["organization_id"] = .string(organization.text) }
    draft.set = set
    draft.data = try sealedFacts(creation.data, draft, type)
    draft.drops = creation.drops
    let event = try append(draft, type: type)
    if let organization, organization != id { try transaction.link(id, type: type.name, to: organization) }
    for field in type.references {
      if let target = values[field.name]?.stringValue.flatMap({ Identifier($0) }) {
        try transaction.link(id, type: type.name, to: target)
      }
    }
    if type.name == "file", let state = try transaction.state(id), let content = FileContent.identifier(of: state) {
      try transaction.link(id, type: type.name, to: content)
    }
    if let actor, model.makerProtection[type.name] != nil {
      try transaction.link(id, type: type.name, to: actor)
    }
    return event
  }

  /// Changes a resource: records the fields that differ after opening sealed values, or nothing where none does.
  ///
  /// - Parameters:
  ///   - values: new values in the clear; null clears one.
  ///   - isForced: records the event even where no field differs (a state entered again, facts in `data`).
  ///   - takesMasks: whether a mask in a value stands for the secret that is there; else it is a text like any other.
  /// - Returns: The event, or nil where nothing was to be recorded.
  @discardableResult
  func edit(
    _ state: ResourceState, _ type: ResourceModel, event: String, values: JSONObject, data: JSONObject = [:],
    isForced: Bool = false, causation: Identifier? = nil, checksReferences: Bool = true, takesMasks: Bool = true
  ) throws -> AppendedEvent? {
    let values = takesMasks ? try unmasked(values, of: state, type) : values
    // Most edits that change nothing are seen before anything is sealed.
    if !isForced, values.allSatisfy({ isPlainlyUnchanged($0.key, $0.value, state, type) }) { return nil }
    var draft = try draft(
      event, type: type, resource: state.id, organization: state.organization, fields: state.fields,
      causation: causation)
    let place = Sealer.Place(event: draft.id, resource: state.id, organization: state.organization)
    var set = JSONObject(minimumCapacity: values.count)
    var was = JSONObject(minimumCapacity: values.count)
    for (name, value) in values {
      guard let field = type.field(name) else {
        throw Refusal.internalError("The type \(type.name) has no field \(name).")
      }
      let before = state.fields[name]
      let subject = person(field, resource: state.id, values: values, state: state)
      guard let stored = try engine.sealer.stored(value, of: field, before: before, place: place, subject: subject)
      else { continue }
      if let subject { try refuseIfRestricted(subject) }
      set.append(key: name, value: stored)
      was.append(key: name, value: before ?? .null)
      if let subject, field.isSealed(stored, was: before) { draft.note([subject]) }
    }
    if set.isEmpty, !isForced { return nil }
    if !values.contains("version_number"), type.versioned.contains(where: { set.contains($0) }) {
      set["version_number"] = .integer(ContentVersions.number(of: state) + 1)
      was["version_number"] = state.fields["version_number"] ?? .null
    }
    let changed = values.filter { set.contains($0.key) }
    if checksReferences { try checkReferences(changed, of: type, organization: state.organization) }
    try checkPlatform(changed, of: state, type)
    draft.set = set
    draft.was = was
    draft.data = try sealedFacts(data, draft, type)
    let appended = try append(draft, type: type)
    if !set.isEmpty { try moveIndexes(from: state, type, changed: set) }
    return appended
  }

  /// The resource with the secrets inside of its fields in the clear; what can't be opened is its token.
  func plain(_ state: ResourceState) throws -> ResourceState {
    guard let type = model.types[state.type] else { return state }
    var plain = state
    plain.fields = try engine.sealer.plain(state.fields, of: type, resource: state.id)
    return plain
  }

  /// New values with what the masks in them stand for, in the clear.
  /// - Throws: ``Refusal`` `invalid_params` for a mask that stands for nothing.
  func unmasked(_ values: JSONObject, of state: ResourceState, _ type: ResourceModel) throws -> JSONObject {
    var open = values
    for (name, value) in values {
      guard let scope = type.field(name)?.secretScope else { continue }
      open[name] = try SecretMembers(sealer: engine.sealer, field: name, scope: scope, resource: state.id)
        .unmasked(value, before: state.fields[name])
    }
    return open
  }

  /// Values with the mask in place of each secret, for checks whose outcome would tell something of it.
  func masked(_ values: JSONObject, _ type: ResourceModel) -> JSONObject {
    var masked = values
    for (name, value) in values {
      guard let scope = type.field(name)?.secretScope else { continue }
      masked[name] = SecretMembers.masked(value, field: name, scope: scope)
    }
    return masked
  }

  /// Whether a value in the clear is another one than that of a personal field; so it counts where that was erased.
  func differs(_ value: JSON, from field: String, of state: ResourceState) throws -> Bool {
    guard let stored = state.fields[field] else { return !value.isNull }
    return try engine.sealer.open(stored, resource: state.id, field: field) != .value(value)
  }

  private func isPlainlyUnchanged(_ name: String, _ value: JSON, _ state: ResourceState, _ type: ResourceModel) -> Bool
  {
    guard let field = type.field(name) else { return false }
    switch field.keeping {
    case .plain, .hash: return value.isNull ? !state.fields.contains(name) : state.fields[name] == value
    default: return false
    }
  }

  /// Whose key seals a field.
  private func person(
    _ field: FieldModel, resource: Identifier, values: JSONObject, state: ResourceState? = nil
  ) -> Identifier? {
    guard let subject = field.subject else { return nil }
    switch subject {
    case .resource: return resource
    case .field(let name): return (values[name] ?? state?.fields[name])?.stringValue.flatMap { Identifier($0) }
    }
  }

  // MARK: - Uniqueness

  func platform(of organization: Identifier) throws -> String? {
    try transaction.state(organization)?.fields["platform"]?.stringValue
  }

  private func claim(
    _ type: ResourceModel, id: Identifier, organization: Identifier?, values: JSONObject
  ) throws {
    for constraint in type.unique where try engine.rules.binds(constraint, organization, platform) {
      var parts: [JSON] = []
      for name in constraint.fields {
        guard let value = name == "organization_id" ? organization.map({ .string($0.text) }) : values[name] else {
          break
        }
        parts.append(value)
      }
      guard parts.count == constraint.fields.count else { continue }
      try claim(constraint, parts, of: type, for: id)
    }
  }

  private func claim(
    _ constraint: UniqueConstraint, _ values: [JSON], of type: ResourceModel, for id: Identifier
  ) throws {
    if !constraint.fields.contains("organization_id") { try checkCollisions() }
    let keys = engine.rules.keys(constraint, values)
    if let holder = try engine.rules.holders(of: keys, constraint, in: transaction).first(where: { $0 != id }) {
      let state = try transaction.state(holder)
      if let state, try !isVisible(state) {
        // A dry run records nothing, and so tells nothing of what its caller can't see.
        if isDryRun { return }
        throw collision()
      }
      let fields = constraint.fields.filter { $0 != "organization_id" }
      let spelling = try state.map { try differsInSpelling(values, from: $0, constraint, type) } ?? false
      throw Refusal.conflict(
        reason: "unique",
        "There is \(Refusal.oneOf(type.name)) with this \(fields.joined(separator: " and ")) already"
          + (spelling ? ", written in another way: only case or the form of characters differs." : "."),
        ["fields": .array(constraint.fields.map(JSON.string)), "constraint": .string(constraint.name)])
    }
    for key in keys.all(for: id) { try transaction.claim(constraint: constraint.name, key: key, for: id) }
  }

  /// Whether values that count as those of a resource are other bytes.
  private func differsInSpelling(
    _ values: [JSON], from state: ResourceState, _ constraint: UniqueConstraint, _ type: ResourceModel
  ) throws -> Bool {
    guard constraint.ignoresForm, let held = try engine.rules.values(of: constraint, in: state, type) else {
      return false
    }
    return JSON.array(held).canonicalBytes != JSON.array(values).canonicalBytes
  }

  // MARK: - What is taken where the caller can't see

  /// Refuses whoever has met too much that is taken where they can't see, before they learn whether this is.
  private func checkCollisions() throws {
    guard !principal.isAdministrator, let prober else { return }
    try engine.collisions.check(prober, now: now)
  }

  /// The refusal where a value is taken by what the caller may not know of; it is counted, and recorded afterwards.
  private func collision() -> Refusal {
    if let prober { engine.collisions.count(prober, now: now) }
    return Refusal.hiddenConflict
  }

  /// Who asks: the person, or a key that no person has made.
  private var prober: Identifier? {
    if case .apiKey(let key, nil) = principal.kind, principal.onBehalfOf == nil { return key }
    return principal.subject
  }

  /// Moves unique keys and links along with what an edit has changed.
  private func moveIndexes(from before: ResourceState, _ type: ResourceModel, changed: JSONObject) throws {
    let touched = type.unique.filter { constraint in constraint.fields.contains { changed.contains($0) } }
    let relinked =
      type.references.contains { changed.contains($0.name) }
      || (type.name == "file" && FileContent.fields.contains { changed.contains($0) })
    guard !touched.isEmpty || relinked, let after = try transaction.state(before.id) else { return }
    for constraint in touched where try engine.rules.binds(constraint, before.organization, platform) {
      let old = try engine.rules.keys(constraint, of: before, type)
      let values = try engine.rules.values(of: constraint, in: after, type)
      let new = values.map { engine.rules.keys(constraint, $0) }
      guard old != new else { continue }
      if let values { try claim(constraint, values, of: type, for: before.id) }
      let kept = new?.all(for: before.id) ?? []
      for key in old?.all(for: before.id) ?? [] where !kept.contains(key) {
        try transaction.release(constraint: constraint.name, key: key)
      }
    }
    guard relinked else { return }
    let old = engine.rules.links(of: before, type)
    let new = engine.rules.links(of: after, type)
    for target in new where !old.contains(target) { try transaction.link(before.id, type: type.name, to: target) }
    for target in old where !new.contains(target) { try transaction.unlink(before.id, type: type.name, from: target) }
  }

  // MARK: - References

  /// Checks that references lead to something alive, of an allowed type, in the same organization.
  func checkReferences(_ values: JSONObject, of type: ResourceModel, organization: Identifier?) throws {
    var problems: [Refusal.ReferenceProblem] = []
    for field in type.references {
      guard let reference = field.field.reference,
        let id = values[field.name]?.stringValue.flatMap({ Identifier($0) })
      else { continue }
      if let problem = try problem(of: reference, to: id, from: type, organization: organization, "/\(field.name)") {
        problems.append(problem)
      }
    }
    guard problems.isEmpty else { throw Refusal.references(problems) }
  }

  private func problem(
    of reference: Reference, to id: Identifier, from type: ResourceModel, organization: Identifier?, _ path: String
  ) throws -> Refusal.ReferenceProblem? {
    let names = reference.types.map(Refusal.spoken).joined(separator: " or ")
    let missing = Refusal.ReferenceProblem(
      path: path, problem: "there is no \(names) of this id", missing: (type: reference.types[0], id: id))
    guard let state = try transaction.state(id), reference.types.contains(state.type) else { return missing }
    if state.type == "user" {
      guard try mayRefer(toUser: id, from: type, organization: organization) else { return missing }
    } else if let organization, state.organization != organization, !isPublic(state) {
      return missing
    } else if !principal.narrowings.isEmpty, try !isVisible(state) {
      // Not every member knows of everything of the organization.
      return missing
    }
    guard state.isDeleted else { return nil }
    return Refusal.ReferenceProblem(path: path, problem: "this \(Refusal.spoken(state.type)) was deleted")
  }

  /// A user who is referred to is the caller, or a member of the resource's
  /// organization; administrators may name anyone.
  private func mayRefer(toUser id: Identifier, from type: ResourceModel, organization: Identifier?) throws -> Bool {
    if principal.isAdministrator || id == actor { return true }
    if type.name == "membership" || type.name == "invitation" { return try seesUser(id) }
    guard let organization else { return try seesUser(id) }
    return try transaction.memberships(of: id).contains { $0.organization == organization }
  }
}
