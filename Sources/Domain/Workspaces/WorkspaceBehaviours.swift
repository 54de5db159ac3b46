import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

/// Places that several people work on, and who is in them.
enum WorkspaceBehaviours {
  /// `workspace.create`: its owner, by default who makes it, and who makes it are its first owners.
  static let create = Behaviour(decide: { decision in
    var values = JSONObject()
    if decision.fields["owner_id"] == nil, let actor = decision.actor { values["owner_id"] = .string(actor.text) }
    let created = try decision.applyCreation(values)
    let organization = try decision.transaction.state(created.resource)?.organization
    var owners: [Identifier] = []
    if let owner = (values["owner_id"] ?? decision.fields["owner_id"])?.stringValue.flatMap({ Identifier($0) }) {
      owners.append(owner)
    }
    if case .user(let maker) = decision.principal.kind, !owners.contains(maker) { owners.append(maker) }
    for owner in owners {
      try raise(owner, to: .owner, in: created.resource, organization, decision, causation: created.id)
    }
  })

  /// `workspace.edit`: who becomes its owner has the role too.
  static let edit = Behaviour(decide: { decision in
    let state = try decision.target()
    let edited = try decision.edit(
      state, decision.type, event: decision.command.event, values: decision.fields.merging(decision.constants()))
    guard let edited, let owner = decision.fields["owner_id"]?.stringValue.flatMap({ Identifier($0) }) else { return }
    try raise(owner, to: .owner, in: state.id, state.organization, decision, causation: edited.id)
  })

  /// `workspace.join`: the role of the link whose token it is, for who signed in, and a guest's place in the
  /// workspace's organization. A role that is higher already stays; nothing is recorded where nothing changes.
  static let join = Behaviour(
    authorizesItself: true,
    findsOrganization: true,
    alsoRefuses: [.notFound],
    decide: { decision in
      guard case .user(let user) = decision.principal.kind else {
        throw Refusal.forbidden(permission: "user", "Only a person who has signed in can join a workspace.")
      }
      let (link, workspace, organization) = try invitation(decision)
      guard let role = link.workspaceRole else { throw unknownToken }
      try decision.checkVersion(workspace.version)
      decision.answered = workspace.id
      let present = try WorkspaceRules.member(user, of: workspace.id, in: decision)?.workspaceRole
      decision.members["role"] = .string(max(role, present ?? role).rawValue)
      decision.members["organization_id"] = .string(organization.text)
      let belongs = try decision.transaction.memberships(of: user).contains { $0.organization == organization }
      if belongs, let present, present >= role { return }
      let joined = try decision.record(
        decision.command.event, on: workspace, decision.type,
        data: [
          "role": .string(role.rawValue), "share_link_id": .string(link.id.text), "user_id": .string(user.text),
        ])
      try ShareLinkBehaviours.count(link, decision, causation: joined.id)
      if !belongs {
        try decision.create(
          Decision.Creation(
            type: decision.model.type("membership"), event: "membership.created", organization: organization,
            values: [
              "is_guest": true, "joined_at": .string(decision.now.text), "role": "member",
              "user_id": .string(user.text),
            ], causation: joined.id, checksReferences: false))
      }
      try raise(user, to: role, in: workspace.id, organization, decision, causation: joined.id)
    })

  /// The link of the token that was given, and where it leads. One error tells of tokens that never were, are revoked
  /// or expired, whose workspace is gone, or whose maker may no longer invite there: who has no invitation learns
  /// nothing.
  private static func invitation(
    _ decision: Decision
  ) throws -> (link: ResourceState, workspace: ResourceState, organization: Identifier) {
    let transaction = decision.transaction
    guard let token = decision.parameters["token"]?.stringValue else {
      throw Refusal.invalidParam("/token", "is required")
    }
    let key = decision.engine.rules.key(
      "share_link_token", [.string(SecretToken.sha256Hex(token))], ignoringCase: false)
    guard let id = try transaction.holder(constraint: "share_link_token", key: key),
      let link = try transaction.living(id, type: "share_link"), link.fields["is_active"]?.boolValue == true,
      let place = link.reference("workspace_id"), let workspace = try transaction.living(place, type: "workspace"),
      let organization = workspace.organization,
      let tenant = try transaction.living(organization, type: "organization"),
      tenant.fields["is_active"]?.boolValue != false
    else { throw unknownToken }
    if let expiry = link.fields["expires_at"]?.stringValue.flatMap({ Timestamp($0) }), expiry <= decision.now {
      throw unknownToken
    }
    if let named = decision.prepared.organization, named != organization { throw unknownToken }
    guard try WorkspaceRules.mayInvite(link.creator, to: workspace, decision) else { throw unknownToken }
    return (link, workspace, organization)
  }

  private static let unknownToken = Refusal(
    .notFound,
    """
    No share link that is in force has this token: it is unknown, expired or revoked, or whoever made it may no longer \
    invite. Ask for another one.
    """,
    ["resource_type": "share_link"])

  /// Gives somebody at least that role.
  private static func raise(
    _ user: Identifier, to role: WorkspaceRules.Role, in workspace: Identifier, _ organization: Identifier?,
    _ decision: Decision, causation: Identifier
  ) throws {
    let type = try decision.model.type("workspace_member")
    guard let member = try WorkspaceRules.member(user, of: workspace, in: decision) else {
      try decision.create(
        Decision.Creation(
          type: type, event: "workspace_member.created", organization: organization,
          values: [
            "role": .string(role.rawValue), "user_id": .string(user.text), "workspace_id": .string(workspace.text),
          ], causation: causation, checksReferences: false))
      return
    }
    if let present = member.workspaceRole, present >= role { return }
    try decision.edit(
      member, type, event: type.updatedEvent, values: ["role": .string(role.rawValue)], causation: causation)
  }
}
