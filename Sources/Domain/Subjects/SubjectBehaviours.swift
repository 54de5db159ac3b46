import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// What is decided about a person's data as a whole (GDPR Art. 17 and 18). The `id` of each command is the person's.
enum SubjectBehaviours {
  /// `subject.request_erasure`: noted until an officer confirms or rejects it; a request that is there already is a
  /// duplicate.
  static let requestErasure = Behaviour(
    authorizesItself: true, alsoRefuses: [.gone],
    decide: { decision in
      let person = try SubjectRules.person(decision)
      try SubjectRules.authorizeRequest(decision, for: person)
      guard try decision.transaction.subjectRecord(of: person.id)?.fields["status"] != "requested" else { return }
      try record(decision, on: person.id, ["status": "requested", "requested_at": .string(decision.now.text)])
    })

  /// `subject.reject_erasure`: the request is turned down, with the reason.
  static let rejectErasure = Behaviour(
    authorizesItself: true, alsoRefuses: [.gone],
    decide: { decision in
      let person = try SubjectRules.person(decision)
      try SubjectRules.requireOfficer(decision, over: person)
      guard try decision.transaction.subjectRecord(of: person.id)?.fields["status"] == "requested" else {
        throw Refusal.conflict(
          reason: "state", "There is no request to reject.", ["from": "none", "allowed": ["requested"]])
      }
      try record(decision, on: person.id, ["status": "none", "requested_at": .null])
    })

  /// `subject.erase`: everything that the log must say of it, in one transaction. The key, the read models and the
  /// receipt follow, and then the answer; see ``CommandEngine/completeErasures(of:)``.
  static let erase = Behaviour<ErasureInventory>(
    alsoRefuses: [.gone, .held],
    prepare: { _ in .background(ErasureInventory.take) },
    decide: { decision, inventory in
      let person = try SubjectRules.person(decision)
      try SubjectRules.requireOfficer(decision, over: person)
      let erasure = try Erasure(of: person, decision)
      let remains = try PlainRemains(inventory.plain, decision)
      var facts = try erasure.facts(inventory, decision)
      facts["dropped"] = remains.facts
      decision.members[decision.isDryRun ? "plan" : "receipt"] = .object(
        ErasureFacts.shown(facts) { SubjectRules.isTold(decision.principal, of: $0) })
      let confirmed = try record(
        decision, on: person.id,
        ["status": "confirmed", "confirmed_at": .string(decision.now.text), "restricted_at": .null], data: facts)
      // First, so that no event of the account repeats them as what was before.
      try remains.drop(decision, causation: confirmed.id)
      try erasure.carryOut(decision, causation: confirmed.id)
      // What the server orders itself, at start, is completed once the read models are there.
      if decision.principal.kind != .server { decision.erases.append(person.id) }
    })

  /// `subject.complete_erasure`: the key is destroyed and the read models are written anew.
  static let completeErasure = Behaviour(
    authorizesItself: true,
    decide: { decision in
      guard let person = decision.prepared.id, let known = try decision.transaction.subjectRecord(of: person),
        Subjects.isPending(known)
      else { return }
      try record(
        decision, on: person, ["status": "erased", "erased_at": .string(decision.now.text)],
        data: decision.parameters["facts"]?.objectValue ?? [:])
    })

  /// `subject.request_restriction`: noted until an officer restricts, or rejects it.
  static let requestRestriction = Behaviour(
    authorizesItself: true, alsoRefuses: [.gone],
    decide: { decision in
      let person = try SubjectRules.person(decision)
      try SubjectRules.authorizeRequest(decision, for: person)
      let known = try decision.transaction.subjectRecord(of: person.id)
      guard known?.fields["restriction_requested_at"] == nil, known?.fields["restricted_at"] == nil else { return }
      try record(decision, on: person.id, ["restriction_requested_at": .string(decision.now.text)])
    })

  /// `subject.reject_restriction`: the request is turned down, with the reason.
  static let rejectRestriction = Behaviour(
    authorizesItself: true, alsoRefuses: [.gone],
    decide: { decision in
      let person = try SubjectRules.person(decision)
      try SubjectRules.requireOfficer(decision, over: person)
      guard try decision.transaction.subjectRecord(of: person.id)?.fields["restriction_requested_at"] != nil else {
        throw Refusal.conflict(
          reason: "state", "There is no request to reject.", ["from": "none", "allowed": ["requested"]])
      }
      try record(decision, on: person.id, ["restriction_requested_at": .null])
    })

  /// `subject.restrict`: from the answer on, values of the person are shown to them and to officers alone. Restricting
  /// twice is a duplicate.
  static let restrict = Behaviour(
    authorizesItself: true, alsoRefuses: [.gone],
    decide: { decision in
      let person = try SubjectRules.person(decision)
      try SubjectRules.requireOfficer(decision, over: person)
      guard try decision.transaction.restriction(of: person.id) == nil else { return }
      try record(
        decision, on: person.id,
        ["restricted_at": .string(decision.now.text), "restriction_requested_at": .null, "unrestricted_at": .null])
      decision.restricts.append(person.id)
    })

  /// `subject.unrestrict`: the person's values may be used again. Doing it twice is a duplicate.
  static let unrestrict = Behaviour(
    authorizesItself: true, alsoRefuses: [.gone],
    decide: { decision in
      let person = try SubjectRules.person(decision)
      try SubjectRules.requireOfficer(decision, over: person)
      guard try decision.transaction.restriction(of: person.id) != nil else { return }
      try record(
        decision, on: person.id, ["restricted_at": .null, "unrestricted_at": .string(decision.now.text)])
      decision.restricts.append(person.id)
    })

  /// Records a decision about a person; the answer names the person.
  @discardableResult
  private static func record(
    _ decision: Decision, on person: Identifier, _ values: JSONObject, data: JSONObject = [:]
  ) throws -> AppendedEvent {
    let (id, known) = try Subjects.identifier(of: person).resolve(decision.transaction.state)
    let event: AppendedEvent
    if let known {
      guard
        let edited = try decision.edit(
          known, decision.type, event: decision.command.event, values: values, data: data, isForced: true)
      else { throw Refusal.internalError("A decision about a person recorded nothing.") }
      event = edited
    } else {
      event = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: id, organization: nil,
          values: values.merging([Subjects.personField: .string(person.text)]), data: data))
    }
    let before = known.flatMap { Subjects.target(of: $0) }
    let after = try decision.transaction.state(id).flatMap { Subjects.target(of: $0) }
    if let before, before != after {
      try decision.transaction.unlink(id, type: decision.type.name, from: before)
    }
    if let after { try decision.transaction.link(id, type: decision.type.name, to: after) }
    decision.answered = person
    return event
  }
}
