import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension Decision {
  /// Deletes the target for the person whom its `user_id` names, or for who has the command's permission.
  func deleteAsPersonOrAuthorized() throws {
    let state = try target()
    let isOwn = state.reference("user_id").map { principal.kind == .user($0) } ?? false
    if !isOwn { try authorize(on: state) }
    try delete(state, type, event: command.event)
  }

  /// Deletes a resource, and what depends on it as the catalog says: cascades depth first, each with an event of its
  /// own that names the event which caused it; references that are cleared; references that forbid it.
  /// - Throws: ``Refusal`` `conflict` (`reference`) with what still refers to it, `held` where a legal hold forbids
  ///   it, `too_large` where too much depends on it.
  func delete(_ state: ResourceState, _ type: ResourceModel, event: String) throws {
    try carryOut(try deletionPlan(of: state, type), event: event)
  }

  /// Ends a resource on which nothing depends, as its own command has it that is no deletion; no hold keeps it.
  func conclude(_ state: ResourceState, _ type: ResourceModel, event: String) throws {
    var plan = DeletionPlan()
    _ = plan.add(state, type, cause: nil)
    try carryOut(plan, event: event)
  }

  /// What the deletion of a resource takes along, after every check that could refuse it; nothing is recorded.
  func deletionPlan(of state: ResourceState, _ type: ResourceModel) throws -> DeletionPlan {
    var plan = DeletionPlan()
    try collect(state, type, cause: nil, into: &plan)
    try refuseReferrers(in: plan, deleting: state)
    try MembershipRules.checkOwners(leavingBy: plan, in: self)
    try WorkspaceRules.checkOwners(leavingBy: plan, in: self)
    return plan
  }

  /// What the erasure of a person takes along: as a deletion would, but nothing that refers to them forbids it, since
  /// their id, which names nobody, stays.
  /// - Throws: ``Refusal`` `held`, `too_large`.
  func erasurePlan(of person: ResourceState, _ type: ResourceModel) throws -> DeletionPlan {
    var plan = DeletionPlan()
    try collect(person, type, cause: nil, into: &plan)
    return plan
  }

  /// Records a planned deletion.
  /// - Parameters:
  ///   - event: The event of what the plan began with, where it isn't its type's own.
  ///   - causation: The event that caused the deletion of what the plan began with.
  func carryOut(_ plan: DeletionPlan, event: String? = nil, causation: Identifier? = nil) throws {
    var deletions: [Identifier: Identifier] = [:]
    for step in plan.deletions {
      let name = step.cause == nil ? event ?? step.type.deletedEvent : step.type.deletedEvent
      let appended = try recordDeletion(
        step.state, step.type, event: name, causation: step.cause.flatMap { deletions[$0] } ?? causation)
      deletions[step.state.id] = appended.id
    }
    for clearing in plan.clearings where !plan.contains(clearing.referrer.id) {
      let present = try transaction.state(clearing.referrer.id) ?? clearing.referrer
      let values = JSONObject(members: clearing.fields.map { (key: $0, value: JSON.null) })
      try edit(
        present, clearing.type, event: clearing.type.updatedEvent, values: values,
        causation: deletions[clearing.target], checksReferences: false)
    }
  }

  private func recordDeletion(
    _ state: ResourceState, _ type: ResourceModel, event: String, causation: Identifier?
  ) throws -> AppendedEvent {
    var draft = try draft(
      event, type: type, resource: state.id, organization: state.organization, fields: state.fields,
      causation: causation)
    draft.set = ["deleted_at": .string(now.text)]
    draft.was = ["deleted_at": .null]
    if type.name == "user" { draft.note([state.id]) }
    let entries = try engine.rules.entries(for: state, platform: platform)
    let appended = try append(draft, type: type)
    for (constraint, key) in entries.unique {
      try transaction.release(constraint: constraint, key: key)
    }
    for target in entries.links { try transaction.unlink(state.id, type: type.name, from: target) }
    return appended
  }

  /// Follows the links from what goes to what goes with it.
  private func collect(
    _ state: ResourceState, _ type: ResourceModel, cause: Identifier?, into plan: inout DeletionPlan
  ) throws {
    guard plan.add(state, type, cause: cause) else { return }
    try refuseIfHeld(state)
    try refuseIfRestricted(state, type)
    guard plan.deletions.count <= CommandEngine.eventLimit else {
      throw Refusal.tooLarge(
        limit: Int64(CommandEngine.eventLimit),
        "More than \(CommandEngine.eventLimit) resources depend on this; delete parts of it first.")
    }
    for place in try WorkspaceRules.places(leftWith: state, in: self) {
      try collect(place, try model.type("workspace_member"), cause: state.id, into: &plan)
    }
    for link in try transaction.referrers(of: state.id, type: nil, limit: CommandEngine.eventLimit + 1) {
      guard !plan.contains(link.id), let referrer = try transaction.state(link.id), !referrer.isDeleted,
        let referrerType = model.types[link.type]
      else { continue }
      var isCascade = referrer.organization == state.id
      var cleared: [String] = []
      var isRestricted = false
      for field in referrerType.references where referrer.reference(field.name) == state.id {
        switch field.field.reference?.onDelete {
        case .cascade: isCascade = true
        case .clear: cleared.append(field.name)
        case .restrict, nil: isRestricted = true
        }
      }
      if referrer.creator == state.id, let organization = referrer.organization,
        let platforms = model.makerProtection[referrerType.name], let platform = try platform(of: organization),
        platforms.contains(platform)
      {
        isRestricted = true
      }
      if isCascade {
        try collect(referrer, referrerType, cause: state.id, into: &plan)
        continue
      }
      if isRestricted { plan.restricting.append((referrer, referrerType)) }
      if !cleared.isEmpty {
        plan.clearings.append(
          DeletionPlan.Clearing(referrer: referrer, type: referrerType, target: state.id, fields: cleared))
      }
    }
  }

  private func refuseReferrers(in plan: DeletionPlan, deleting state: ResourceState) throws {
    let remaining = plan.restricting.filter { !plan.contains($0.referrer.id) }
    guard !remaining.isEmpty else { return }
    var listed: [JSON] = []
    for (referrer, type) in remaining where listed.count < 20 {
      guard try isVisible(referrer) else { continue }
      var object: JSONObject = ["resource_type": .string(referrer.type), "id": .string(referrer.id.text)]
      if let field = type.field("name"), field.keeping == .plain, let name = referrer.fields["name"]?.stringValue {
        object["name"] = .string(name)
      }
      listed.append(.object(object))
    }
    let count = remaining.count == 1 ? "1 resource still refers" : "\(remaining.count) resources still refer"
    throw Refusal.conflict(
      reason: "reference", "\(count) to this \(Refusal.spoken(state.type)).", ["referrers": .array(listed)])
  }
}

/// What a deletion takes along, found before anything is recorded.
struct DeletionPlan {
  struct Step {
    let state: ResourceState
    let type: ResourceModel
    /// The resource whose deletion takes this one along.
    let cause: Identifier?
  }

  struct Clearing {
    let referrer: ResourceState
    let type: ResourceModel
    let target: Identifier
    let fields: [String]
  }

  /// What goes, each after what causes it.
  private(set) var deletions: [Step] = []
  var clearings: [Clearing] = []
  var restricting: [(referrer: ResourceState, type: ResourceModel)] = []
  private var ids: Set<Identifier> = []

  func contains(_ id: Identifier) -> Bool { ids.contains(id) }

  /// How many events it comes to, at most.
  var eventCount: Int { deletions.count + clearings.count }

  /// Takes another plan in.
  mutating func merge(_ other: DeletionPlan) {
    for step in other.deletions { _ = add(step.state, step.type, cause: step.cause) }
    clearings += other.clearings
  }

  /// Adds a resource; false where it goes already.
  mutating func add(_ state: ResourceState, _ type: ResourceModel, cause: Identifier?) -> Bool {
    guard ids.insert(state.id).inserted else { return false }
    deletions.append(Step(state: state, type: type, cause: cause))
    return true
  }
}
