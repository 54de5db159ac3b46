import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// An organization's asking of people to become its members.
///
/// Who administers an organization governs the accounts of its members. So nobody becomes one by another's act alone:
/// the person accepts, or an administrator of the service adds them, or the organization itself has made the account.
enum InvitationBehaviours {
  /// `invitation.create`: of a person who is known here, or of whoever has an e-mail address.
  static let create = Behaviour(
    check: { context in
      guard let email = context.parameters["email"] else { return }
      _ = FieldCheck.check(
        email, field: Field(name: "email", type: .email), path: "/email", problems: &context.problems)
      if context.fields["user_id"]?.stringValue != nil {
        context.refuse("/email", "stands for a person whose id isn't known: give user_id or email")
      }
    },
    decide: { decision in
      if let email = decision.parameters["email"]?.stringValue {
        try inviteAddress(email, decision)
      } else {
        try invite(decision)
      }
    })

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
      guard !isExpired(state, decision) else {
        throw Refusal.conflict(
          reason: "state", "The invitation has expired; ask for another one.",
          ["from": "expired", "allowed": ["invited"]])
      }
      try checkInviter(of: state, for: user, decision)
      try join(user, organization, by: state, decision)
    })

  /// `invitation.redeem`: the same by the token that was sent to an address, for the person who has that address.
  static let redeem = Behaviour(
    authorizesItself: true,
    findsOrganization: true,
    alsoRefuses: [.notFound],
    decide: { decision in
      let (state, user) = try redeemable(decision)
      guard let organization = state.organization else { throw unknownToken }
      try checkInviter(of: state, for: user, decision)
      try join(user, organization, by: state, decision)
    })

  /// `invitation.decline`: by that person.
  static let decline = Behaviour(
    authorizesItself: true,
    findsOrganization: true,
    alsoRefuses: [.notFound],
    decide: { decision in
      let (state, _) = try redeemable(decision)
      try decision.conclude(state, decision.type, event: decision.command.event)
    })

  /// `invitation.delete`: withdrawn by who administers invitations there, or declined by the person.
  static let delete = Behaviour(authorizesItself: true, decide: { try $0.deleteAsPersonOrAuthorized() })

  /// Makes an invitation of a command's fields, which are those of a membership.
  static func invite(_ decision: Decision) throws {
    let organization = try decision.newOrganization()
    try decision.authorize(in: organization)
    try decision.checkVersion(0)
    if let text = decision.fields["expires_at"]?.stringValue, let expiry = Timestamp(text), expiry <= decision.now {
      throw Refusal.invalidParam("/expires_at", "must be in the future")
    }
    guard let organization, let user = decision.fields["user_id"]?.stringValue.flatMap({ Identifier($0) }) else {
      throw Refusal.invalidParam(
        "/user_id", "is required: an id, or the e-mail address of somebody whose id you don't know")
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

  /// How long an address has to answer where nothing else is said, in seconds: 14 days.
  private static let patience: Int64 = 14 * 24 * 60 * 60

  /// Asks whoever has an address. Nothing is looked up and nothing of the address kept, so neither the answer nor the
  /// log tells whether anybody here has it.
  private static func inviteAddress(_ email: String, _ decision: Decision) throws {
    let organization = try decision.newOrganization()
    try decision.authorize(in: organization)
    try decision.checkVersion(0)
    guard let organization else { throw Refusal.invalidParam("/organization_id", "is required") }
    // What the person's platform role adds is asked when they accept: nothing is known of them now.
    try MembershipRules.checkGrant(
      role: decision.fields["role"]?.stringValue ?? "member", platformRole: nil, in: organization,
      by: decision.principal)
    var values = decision.fields
    if let text = values["expires_at"]?.stringValue, let expiry = Timestamp(text) {
      guard expiry > decision.now else { throw Refusal.invalidParam("/expires_at", "must be in the future") }
    } else {
      values["expires_at"] = .string(decision.now.adding(seconds: patience).text)
    }
    let token = SecretToken.make(prefix: "dbi_")
    values["token_hash"] = .string(SecretToken.sha256Hex(token))
    values["token_prefix"] = .string(String(token.prefix(ShareLinkBehaviours.prefixLength)))
    values["address_hash"] = .string(addressHash(email, of: token))
    let event = try decision.create(
      Decision.Creation(
        type: decision.model.type("invitation"), event: "invitation.created", id: decision.prepared.id,
        organization: organization, values: values))
    decision.answered = event.resource
    decision.secretMembers["token"] = .string(token)
  }

  /// What tells an address to who has the token, and to nobody else: the token has 256 random bits, and is not kept.
  private static func addressHash(_ email: String, of token: String) -> String {
    SecretToken.sha256Hex("\(token)\n\(Field.Comparison.folded.form(of: email))")
  }

  /// The invitation whose token was given, and who asks, where they have the address that it was sent to. One error
  /// tells of tokens that never were, are used, withdrawn or expired, and of those of another address.
  private static func redeemable(_ decision: Decision) throws -> (ResourceState, Identifier) {
    guard case .user(let user) = decision.principal.kind else {
      throw Refusal.forbidden(permission: "user", "Only the person who is invited answers, after signing in.")
    }
    guard let token = decision.parameters["token"]?.stringValue else {
      throw Refusal.invalidParam("/token", "is required")
    }
    let key = decision.engine.rules.key(
      "invitation_token", [.string(SecretToken.sha256Hex(token))], ignoringCase: false)
    guard let id = try decision.transaction.holder(constraint: "invitation_token", key: key),
      let state = try decision.transaction.living(id, type: "invitation"), !isExpired(state, decision),
      let organization = state.organization,
      try decision.transaction.living(organization, type: "organization")?.fields["is_active"]?.boolValue != false,
      let person = try decision.transaction.living(user, type: "user"), let sealed = person.fields["email"],
      case .value(let email) = try decision.engine.sealer.open(sealed, resource: user, field: "email"),
      let address = email.stringValue, state.fields["address_hash"] == .string(addressHash(address, of: token))
    else { throw unknownToken }
    if let named = decision.prepared.organization, named != organization { throw unknownToken }
    decision.answered = state.id
    return (state, user)
  }

  private static let unknownToken = Refusal(
    .notFound,
    """
    No invitation that is in force has this token for the e-mail address of your account: it is unknown, used, \
    withdrawn, expired, or was sent to another address. Ask for another one.
    """,
    ["resource_type": "invitation"])

  private static func isExpired(_ invitation: ResourceState, _ decision: Decision) -> Bool {
    invitation.fields["expires_at"]?.stringValue.flatMap { Timestamp($0) }.map { $0 <= decision.now } ?? false
  }

  /// Makes who accepts a member with the role that is offered; a guest becomes a full member.
  private static func join(
    _ user: Identifier, _ organization: Identifier, by state: ResourceState, _ decision: Decision
  ) throws {
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
  }

  /// An invitation gives no more than who made it could give now.
  private static func checkInviter(
    of invitation: ResourceState, for user: Identifier, _ decision: Decision
  ) throws {
    guard let inviter = invitation.creator, inviter != CommandEngine.systemUser else { return }
    let person = try PrincipalRegister.resolve(
      .user(inviter), signIn: nil, from: decision.transaction, now: decision.now, epoch: 0)
    if let person, person.allows(.admin, on: "memberships", organization: invitation.organization),
      try MembershipRules.mayGrant(
        invitation.fields.merging(["user_id": .string(user.text)]), in: invitation.organization, by: person, decision)
    {
      return
    }
    throw Refusal.conflict(
      reason: "state", "Whoever invited you may no longer give this role there; ask for another invitation.",
      ["from": "invited", "allowed": []])
  }
}
