import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// An organization's asking of people to become its members.
///
/// Who administers an organization governs the accounts of its members. So nobody becomes one by another's act alone:
/// the person accepts, or an administrator of the service adds them, or the organization itself has made the account.
enum InvitationBehaviours {
  /// `invitation.create`.
  static let create = Behaviour(decide: { decision in try invite(decision) })

  /// `invitation.accept`: by the person, who becomes a member with the role that is offered; a guest becomes a full
  /// member.
  static let accept = Behaviour(
    authorizesItself: true,
    decide: { decision in
      let state = try decision.target()
      guard let user = state.reference("user_id"), decision.principal.kind == .user(user),
        let organization = state.organization
      else {
        throw Refusal.forbidden(permission: "user", "Only the person who is invited can accept, after signing in.")
      }
      try checkInviter(of: state, decision)
      // Who is held may still accept: it is answered, not withdrawn.
      try decision.conclude(state, decision.type, event: decision.command.event)
      guard let accepted = decision.events.last else { return }
      let type = try decision.model.type("membership")
      var values: JSONObject = [
        "joined_at": .string(decision.now.text), "role": state.fields["role"] ?? "member",
        "user_id": .string(user.text),
      ]
      if state.fields["is_guest"] == true { values["is_guest"] = true }
      guard
        let present = try decision.transaction.memberships(of: user).first(where: { $0.organization == organization })
      else {
        let joined = try decision.create(
          Decision.Creation(
            type: type, event: "membership.created", organization: organization, values: values,
            causation: accepted.id, checksReferences: false))
        decision.members["membership_id"] = .string(joined.resource.text)
        return
      }
      decision.members["membership_id"] = .string(present.id.text)
      // Who was added meanwhile keeps the place that they have.
      guard !present.isGoverning, state.fields["is_guest"] != true else { return }
      try decision.checkNewMember(values, of: organization)
      values["is_guest"] = false
      try decision.edit(
        present, type, event: type.updatedEvent, values: values, causation: accepted.id, checksReferences: false)
    })

  /// `invitation.delete`: withdrawn by who administers invitations there, or declined by the person.
  static let delete = Behaviour(authorizesItself: true, decide: { try $0.deleteAsPersonOrAuthorized() })

  /// Makes an invitation of a command's fields, which are those of a membership.
  static func invite(_ decision: Decision) throws {
    let organization = try decision.newOrganization()
    try decision.authorize(in: organization)
    try decision.checkVersion(0)
    guard let organization, let user = decision.fields["user_id"]?.stringValue.flatMap({ Identifier($0) }) else {
      throw Refusal.invalidParam("/user_id", "is required")
    }
    try MembershipRules.checkGrant(decision.fields, in: organization, by: decision)
    let belongs = try decision.transaction.memberships(of: user).contains {
      $0.organization == organization && $0.isGoverning
    }
    if belongs {
      throw Refusal.conflict(
        reason: "unique", "This person is a member already; change their role by membership.edit.",
        ["fields": ["organization_id", "user_id"], "constraint": "membership_user"])
    }
    var values = decision.fields
    values["organization_name"] = try decision.transaction.state(organization)?.fields["name"] ?? .null
    let event = try decision.create(
      Decision.Creation(
        type: decision.model.type("invitation"), event: "invitation.created", id: decision.prepared.id,
        organization: organization, values: values))
    decision.answered = event.resource
  }

  /// An invitation gives no more than who made it could give now.
  private static func checkInviter(of invitation: ResourceState, _ decision: Decision) throws {
    guard let inviter = invitation.creator, inviter != CommandEngine.systemUser else { return }
    let person = try PrincipalRegister.resolve(
      .user(inviter), signIn: nil, from: decision.transaction, now: decision.now, epoch: 0)
    if let person, person.allows(.admin, on: "memberships", organization: invitation.organization),
      try MembershipRules.mayGrant(invitation.fields, in: invitation.organization, by: person, decision)
    {
      return
    }
    throw Refusal.conflict(
      reason: "state", "Whoever invited you may no longer give this role there; ask for another invitation.",
      ["from": "invited", "allowed": []])
  }
}
