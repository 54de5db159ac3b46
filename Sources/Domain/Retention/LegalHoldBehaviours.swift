import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Legal holds on people, resources and organizations: placed, edited and released by officers and administrators, and
/// by nobody else. Who is held to a hold neither lifts it nor can keep somebody from being erased by one of their own.
enum LegalHoldBehaviours {
  /// `legal_hold.place`: from now on nobody deletes it and no sweep takes it, until every hold on it is released.
  static let place = Behaviour(
    authorizesItself: true,
    decide: { decision in
      guard let id = decision.fields["held_id"]?.stringValue.flatMap({ Identifier($0) }) else {
        throw Refusal.invalidParam("/held_id", "is required")
      }
      guard let held = try decision.transaction.state(id), decision.model.types[held.type]?.type.hasReadModel == true,
        try decision.isVisible(held)
      else { throw notFound(id) }
      guard !held.isDeleted else { throw Refusal.invalidParam("/held_id", "this was deleted") }
      guard held.type != LegalHolds.type else {
        throw Refusal.invalidParam("/held_id", "is a legal hold itself")
      }
      if let named = decision.prepared.organization, !decision.principal.canSee(organization: named) {
        throw Refusal.missing("organization", named, at: "/organization_id")
      }
      let organization: Identifier?
      if held.type == "user" {
        organization = try decision.newOrganization()
      } else {
        organization = held.organization
        if let named = decision.prepared.organization, let organization, named != organization,
          decision.principal.onlyOrganization != named
        {
          throw Refusal.invalidParam("/organization_id", "is not the organization of what is held")
        }
      }
      try authorize(decision, in: organization)
      if held.type == "user" { try checkGoverned(held, decision, in: organization) }
      try decision.checkVersion(0)
      let values = decision.fields.merging(["held_type": .string(held.type), "is_active": true])
      let event = try decision.create(
        Decision.Creation(
          type: decision.type, event: decision.command.event, id: decision.prepared.id, organization: organization,
          values: values))
      try decision.transaction.link(event.resource, type: decision.type.name, to: id)
      decision.answered = event.resource
    })

  /// `legal_hold.release`: what it held is free again, unless another hold is active. Releasing twice is a duplicate.
  static let release = Behaviour(
    authorizesItself: true,
    decide: { decision in
      let state = try decision.target()
      try authorize(decision, in: state.organization)
      guard let held = LegalHolds.target(of: state) else { return }
      try decision.edit(
        state, decision.type, event: decision.command.event,
        values: ["is_active": false, "released_at": .string(decision.now.text)])
      if held != state.organization {
        try decision.transaction.unlink(state.id, type: decision.type.name, from: held)
      }
    })

  /// `legal_hold.edit`: its name and its matter.
  static let edit = Behaviour(
    authorizesItself: true,
    decide: { decision in
      let state = try decision.target()
      try authorize(decision, in: state.organization)
      try decision.edit(state, decision.type, event: decision.command.event, values: decision.fields)
    })

  /// Refuses to hold a person from where they are a guest: what they did at home would be held with them.
  private static func checkGoverned(_ person: ResourceState, _ decision: Decision, in organization: Identifier?) throws
  {
    guard !decision.principal.isAdministrator else { return }
    let isGoverned = try decision.transaction.memberships(of: person.id).contains {
      $0.isGoverning && $0.organization == organization
    }
    guard isGoverned else {
      throw Refusal.forbidden(
        permission: "officer",
        "The person is not a member of the organization, or only a guest: an officer of one of theirs holds them.")
    }
  }

  private static func notFound(_ id: Identifier) -> Refusal {
    .missing("resource", id, at: "/held_id", "there is no person, resource or organization of this id")
  }

  /// Officers of the organization, and administrators.
  private static func authorize(_ decision: Decision, in organization: Identifier?) throws {
    let principal = decision.principal
    guard principal.isAdministrator || principal.holds([.officers], in: organization) else {
      throw Refusal.forbidden(
        permission: "officer", "Only officers of the organization, and administrators, place and release legal holds.")
    }
  }
}
