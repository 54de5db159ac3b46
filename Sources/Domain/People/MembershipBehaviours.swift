import Access
import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals

/// People's places in organizations.
enum MembershipBehaviours {
  /// `membership.create`: an administrator of the service adds somebody at once; anybody else invites.
  static let create = Behaviour(decide: { decision in
    if decision.principal.isAdministrator {
      try decision.applyCreation()
    } else {
      try InvitationBehaviours.invite(decision)
    }
  })

  /// `membership.edit`: a new role; the last owner keeps theirs.
  static let edit = Behaviour(decide: { decision in
    let state = try decision.target()
    try MembershipRules.checkRank(of: state, by: decision.principal)
    let values = decision.fields
    if values.contains("is_guest"), values["is_guest"] != true, !state.isGoverning, !decision.principal.isAdministrator
    {
      throw Refusal.conflict(
        reason: "state", "A guest becomes a full member by accepting: invite them by membership.create.",
        ["from": "guest", "allowed": []])
    }
    if values.contains("is_guest") {
      try MembershipRules.checkGrant(state.fields.merging(values), in: state.organization, by: decision)
    }
    if let organization = state.organization, let role = values["role"]?.stringValue,
      let old = state.fields["role"]?.stringValue, role != old
    {
      try MembershipRules.checkGrant(state.fields.merging(values), in: organization, by: decision)
      if old == "owner" {
        try MembershipRules.requireOwner(of: organization, in: decision) { $0 != state.id }
      }
    }
    try decision.edit(state, decision.type, event: decision.command.event, values: values)
  })

  /// `membership.delete`: by who administers memberships there, or by the member, who leaves; never the last owner's.
  /// The keys that the member made there are revoked with it.
  static let delete = Behaviour(
    authorizesItself: true,
    decide: { decision in
      let state = try decision.target()
      let isOwn = state.reference("user_id").map { decision.principal.kind == .user($0) } ?? false
      if !isOwn {
        try decision.authorize(on: state)
        try MembershipRules.checkRank(of: state, by: decision.principal)
      }
      let keys = try state.reference("user_id").map {
        try KeyBehaviours.keys(madeBy: $0, in: state.organization, decision)
      }
      try decision.delete(state, decision.type, event: decision.command.event)
      guard let keys, let event = decision.events.first(where: { $0.resource == state.id }) else { return }
      try KeyBehaviours.revoke(keys, decision, causation: event.id)
    })
}
