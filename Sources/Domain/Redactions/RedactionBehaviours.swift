import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Values that were written in the clear are taken out of the log again.
enum RedactionBehaviours {
  /// `redaction.create`: drops every body that holds one of the values, and puts what stays of it in its place, in one
  /// transaction with the events that name them. The files and the read models follow, and then the answer; see
  /// ``CommandEngine/completeRedactions(patience:)``.
  static let create = Behaviour(
    check: { context in
      for name in ["pointers", "facts"] { check(name, &context) }
      if context.fields["pointers"]?.arrayValue?.isEmpty ?? true, context.fields["facts"]?.arrayValue?.isEmpty ?? true,
        !context.refused.contains("/pointers"), !context.refused.contains("/facts")
      {
        context.refuse("/pointers", "must name a value, or facts must")
      }
    },
    authorizesItself: true, findsOrganization: true, alsoRefuses: [.held, .conflict, .tooLarge],
    decide: { decision in
      let state = try target(of: decision)
      try decision.checkVersion(0)
      let type = try decision.model.type(state.type)
      let pointers = try ways(decision, into: state, type)
      let keepsPresent = decision.fields["past_only"] == true
      if !keepsPresent { try refuseNeeded(pointers, of: state, type) }
      var redaction = Redaction(
        pointers: pointers, facts: Self.pointers(decision.fields["facts"]),
        kept: keepsPresent && !state.isDeleted ? state.fields : nil)
      guard state.version <= mostVersions else {
        throw Refusal.tooLarge(
          limit: mostVersions, "It has \(state.version) versions, and \(mostVersions) are gone through at once.")
      }
      var bytes = 0
      for first in stride(from: 1, through: state.version, by: 256) {
        let versions = first...min(first + 255, state.version)
        for record in try decision.transaction.history(of: state.id, versions: versions, isCounted: false) {
          bytes += record.body.count
          try redaction.take(record)
        }
        guard bytes <= mostBytes else {
          throw Refusal.tooLarge(
            limit: Int64(mostBytes), "Its events have more than \(mostBytes) bytes, which is gone through at once.")
        }
      }
      try record(redaction, of: state, decision)
    })

  /// How many versions the writer goes through at once.
  private static let mostVersions: Int64 = 100_000
  /// How many bytes of bodies.
  private static let mostBytes = 256 << 20

  /// `redaction.complete`: the log's files and the read models are without the values.
  static let complete = Behaviour(
    authorizesItself: true,
    decide: { decision in
      guard let id = decision.prepared.id, let state = try decision.transaction.state(id),
        Redactions.target(of: state) != nil
      else { return }
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: ["status": "complete", "completed_at": .string(decision.now.text)],
        data: decision.parameters["done"]?.objectValue ?? [:])
      try decision.transaction.unlink(id, type: decision.type.name, from: Redactions.pending)
    })

  // MARK: - What is meant

  private static let mostPointers = 100

  private static func check(_ name: String, _ context: inout CheckContext) {
    if let given = context.fields[name]?.arrayValue, given.count > mostPointers {
      return context.refuse("/\(name)", "must be at most \(mostPointers)")
    }
    for (index, value) in (context.fields[name]?.arrayValue ?? []).enumerated() {
      guard let text = value.stringValue, let pointer = JSONPointer(text), !pointer.tokens.isEmpty else {
        context.refuse("/\(name)/\(index)", "must be a JSON Pointer, such as /description or /steps/0/config")
        continue
      }
      guard pointer.tokens[0] != Redaction.everywhere else {
        context.refuse("/\(name)/\(index)", "must begin with a name: a * may follow it")
        continue
      }
    }
  }

  private static func pointers(_ value: JSON?) -> [JSONPointer] {
    (value?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { JSONPointer($0) } }
  }

  /// The resource, living or deleted, about whose values the caller decides.
  private static func target(of decision: Decision) throws -> ResourceState {
    let principal = decision.principal
    guard principal.kind == .server || SubjectRules.isOfficer(principal) else {
      throw Refusal.forbidden(
        permission: SubjectRules.officer,
        "Only a person with the platform role officer decides this; an administrator gives somebody that role first.")
    }
    guard let id = decision.fields["resource_id"]?.stringValue.flatMap({ Identifier($0) }) else {
      throw Refusal.invalidParam("/resource_id", "is required")
    }
    guard let state = try decision.transaction.state(id), let type = decision.model.types[state.type]?.type,
      type.hasReadModel, !fixed.contains(type.name), try reaches(decision, state)
    else { throw Refusal.missing("resource", id, at: "/resource_id", "there is no resource of this id to be redacted") }
    try decision.refuseIfHeld(state)
    return state
  }

  /// The types whose values are terms that the log signed.
  private static let fixed: Set<String> = ["export"]

  /// Whether a resource is for the caller to decide about: of an organization in which they are an officer and more
  /// than a guest, an account of somebody who is more than a guest there, and for an officer of the whole service any.
  private static func reaches(_ decision: Decision, _ state: ResourceState) throws -> Bool {
    let principal = decision.principal
    if principal.kind == .server || principal.protectsService { return true }
    guard try decision.isVisible(state) else { return false }
    if let organization = state.organization { return principal.holds([.officers], in: organization) }
    return try state.type != "user" || SubjectRules.governs(decision, state)
  }

  /// The pointers, each into a field that can say that something was taken out of it.
  private static func ways(_ decision: Decision, into state: ResourceState, _ type: ResourceModel) throws
    -> [JSONPointer]
  {
    try pointers(decision.fields["pointers"]).enumerated().map { index, pointer in
      func refuse(_ problem: String) -> Refusal { .invalidParam("/pointers/\(index)", problem) }
      guard let field = type.field(pointer.tokens[0]) else {
        throw refuse("a \(Refusal.spoken(type.name)) has no field \(pointer.tokens[0])")
      }
      switch field.keeping {
      case .plain, .secretMembers: break
      case .personal, .passwordHash:
        throw refuse("is sealed with a person's key: erase the person (subject.erase)")
      case .secret, .hash: throw refuse("is a secret that nobody is shown")
      }
      let isInside = pointer.tokens.count > 1
      switch field.field.type {
      case .text where !isInside: return pointer
      case .string where !isInside:
        guard field.field.maximumLength.map({ $0 >= Redactions.markText.utf8.count }) ?? true else {
          throw refuse("is too short to say that something was taken out")
        }
        return pointer
      case .json, .object, .list: return pointer
      case .tags: return isInside ? pointer : pointer.appending(Redaction.everywhere)
      default: throw refuse("is neither text nor JSON")
      }
    }
  }

  /// Refuses to take from a living resource what finds it or keeps it apart from others.
  private static func refuseNeeded(_ pointers: [JSONPointer], of state: ResourceState, _ type: ResourceModel) throws {
    guard !state.isDeleted else { return }
    for pointer in pointers where pointer.tokens.count == 1 && state.fields.contains(pointer.tokens[0]) {
      let name = pointer.tokens[0]
      guard state.fields[name] != Redactions.mark, type.unique.contains(where: { $0.fields.contains(name) }) else {
        continue
      }
      throw Refusal.conflict(
        reason: "state",
        "A living \(Refusal.spoken(type.name)) is told from others by its \(name): give it another one first, then "
          + "redact with past_only.", ["fields": [.string(name)]])
    }
  }

  // MARK: - Recording

  private static func record(_ redaction: Redaction, of state: ResourceState, _ decision: Decision) throws {
    decision.members[decision.isDryRun ? "plan" : "redacted"] = plan(of: redaction, state)
    decision.answered = try record(redaction, of: state, decision, causation: nil)
  }

  /// Records what a redaction drops, where it drops anything, as a redaction of its own; answers its id.
  @discardableResult
  static func record(
    _ redaction: Redaction, of state: ResourceState, _ decision: Decision, causation: Identifier?
  ) throws -> Identifier? {
    let drops = redaction.drops
    guard !drops.isEmpty else { return nil }
    let parts = stride(from: 0, to: drops.count, by: DroppedBody.mostOfOneEvent).map {
      Array(drops[$0..<min($0 + DroppedBody.mostOfOneEvent, drops.count)])
    }
    let type = try decision.model.type(Redactions.type)
    let isAsked = causation == nil
    let given: JSONObject =
      isAsked
      ? decision.fields
      : [
        "resource_id": .string(state.id.text),
        "pointers": .array(redaction.pointers.map { .string($0.description) }),
      ]
    var creation = Decision.Creation(
      type: type, event: "\(type.name).created", id: isAsked ? decision.prepared.id : nil,
      organization: state.organization,
      values: given.merging([
        "resource_type": .string(state.type), "dropped_count": .integer(Int64(drops.count)), "status": "recorded",
      ]), causation: causation)
    creation.drops = parts[0]
    let event = try decision.create(creation)
    for part in parts.dropFirst() {
      var draft = try decision.draft(
        "\(type.name).continued", type: type, resource: event.resource, organization: state.organization,
        fields: given, causation: event.id)
      draft.drops = part
      try decision.append(draft, type: type)
    }
    try decision.transaction.link(event.resource, type: type.name, to: Redactions.pending)
    decision.redacts = true
    return event.resource
  }

  /// What is taken out, for whoever asks before and after.
  private static func plan(of redaction: Redaction, _ state: ResourceState) -> JSON {
    let ways = redaction.pointers.map(\.description) + redaction.facts.map { "data" + $0.description }
    return [
      "resource_type": .string(state.type), "resource_id": .string(state.id.text),
      "is_deleted": .bool(state.isDeleted), "events": .integer(Int64(redaction.drops.count)),
      "first_position": redaction.drops.first.map { JSON(position: $0.position) } ?? .null,
      "last_position": redaction.drops.last.map { JSON(position: $0.position) } ?? .null,
      "values": .array(
        zip(ways, redaction.counts).map { ["pointer": .string($0), "count": .integer(Int64($1))] }),
    ]
  }
}
