import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Who may do what with what lives in a workspace.
///
/// There a person's role in the workspace decides, in the place of their platform role: a `viewer` reads; an `editor`
/// makes and changes pages, DAGs and schemas, and runs them; an `owner` may do everything, deleting, sharing and
/// members included. A member of the organization who has no place in the workspace sees what is in it, as all members
/// see what is their organization's, and changes nothing; on ETLab they don't see it (``Narrowing``). Owners and admins
/// of the organization and administrators may do everything, and an API key of theirs what its permission map says. The
/// key of somebody who is only a member by now needs both: its map, and that person's role in the workspace.
enum WorkspaceRules {
  /// A role in a workspace.
  enum Role: String, Comparable {
    case viewer, editor, owner

    private var rank: Int {
      switch self {
      case .viewer: 1
      case .editor: 2
      case .owner: 3
      }
    }

    static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }
  }

  /// Whether the workspace of a resource decides about a command on it, and has allowed it; false where the
  /// organization's roles decide.
  /// - Throws: ``Refusal`` `forbidden` where the role doesn't suffice.
  static func authorize(_ decision: Decision, on state: ResourceState) throws -> Bool {
    guard let user = try subject(of: decision, in: state.organization) else { return false }
    let present =
      state.type == "workspace" ? state.id : try workspace(of: state.type, state.fields, in: decision.transaction)
    guard let moved = decision.fields["workspace_id"] else {
      guard let present else { return false }
      try require(neededRole(for: decision), of: user, in: present, decision)
      return decision.principal.keyPermissions == nil
    }
    // What is moved must be the caller's to change where it is, and where it comes to.
    let next = moved.stringValue.flatMap { Identifier($0) }
    for place in Set([present, next].compactMap { $0 }) {
      try require(neededRole(for: decision), of: user, in: place, decision)
    }
    return present != nil && next != nil && decision.principal.keyPermissions == nil
  }

  /// The same for what a command makes.
  static func authorizeCreation(_ decision: Decision, in organization: Identifier?) throws -> Bool {
    guard let organization, decision.type.name != "workspace",
      let user = try subject(of: decision, in: organization),
      let place = try workspace(of: decision.type.name, decision.fields, in: decision.transaction),
      // One of elsewhere is told of by the check of references.
      let workspace = try decision.transaction.living(place, type: "workspace"),
      // Nor may one be told of that the caller doesn't see.
      workspace.organization == organization, try decision.isVisible(workspace)
    else { return false }
    try require(neededRole(for: decision), of: user, in: place, decision)
    return decision.principal.keyPermissions == nil
  }

  /// The person to whom the roles of workspaces apply, by themselves or by a key; nil for whoever stands above them.
  private static func subject(of decision: Decision, in organization: Identifier?) throws -> Identifier? {
    let principal = decision.principal
    guard !principal.isAdministrator, let organization,
      principal.rank(in: organization) == Principal.rank(of: "member"), !decision.command.command.isAdministrative,
      decision.command.command.permission != .read
    else { return nil }
    switch principal.kind {
    case .user(let user): return user
    case .apiKey: return principal.bound == nil ? nil : principal.subject
    case .localAdministrator, .server: return nil
    }
  }

  private static func neededRole(for decision: Decision) -> Role {
    let command = decision.command.command
    if Audience.workspaceTypes.contains(decision.type.name) || command.permission == .admin || command.effect == .delete
    {
      return .owner
    }
    return .editor
  }

  private static func require(_ role: Role, of user: Identifier, in workspace: Identifier, _ decision: Decision) throws
  {
    if let held = try member(user, of: workspace, in: decision)?.workspaceRole, held >= role { return }
    throw Refusal.forbidden(
      permission: "workspace:\(role.rawValue)", "This needs the role \(role.rawValue) in its workspace.")
  }

  /// The workspace in which something of that type with these fields lives.
  private static func workspace(
    of type: String, _ fields: JSONObject, in transaction: LogTransaction
  ) throws -> Identifier? {
    if let id = fields["workspace_id"]?.stringValue { return Identifier(id) }
    // A run has none, and lies where its pipeline does.
    guard let placement = Audience.Placement(of: type), placement.next != nil,
      let id = fields[placement.field]?.stringValue.flatMap({ Identifier($0) }),
      let target = try transaction.state(id)
    else { return nil }
    return try workspace(of: target.type, target.fields, in: transaction)
  }

  /// A person's place in a workspace.
  static func member(
    _ user: Identifier, of workspace: Identifier, in decision: Decision
  ) throws -> ResourceState? {
    let key = decision.engine.rules.key(
      "workspace_member_user", [.string(workspace.text), .string(user.text)], ignoringCase: false, under: workspace)
    guard let id = try decision.transaction.holder(constraint: "workspace_member_user", key: key) else { return nil }
    return try decision.transaction.living(id, type: "workspace_member")
  }

  /// Whether who made a share link may still invite to its workspace: a link gives no more than its maker has now.
  static func mayInvite(_ maker: Identifier?, to workspace: ResourceState, _ decision: Decision) throws -> Bool {
    guard let maker, maker != CommandEngine.systemUser else { return true }
    guard let organization = workspace.organization,
      let person = try PrincipalRegister.resolve(
        .user(maker), signIn: nil, from: decision.transaction, now: decision.now, epoch: 0)
    else { return false }
    if person.rank(in: organization) >= Principal.rank(of: "admin") { return true }
    guard person.canSee(organization: organization) else { return false }
    return try member(maker, of: workspace.id, in: decision)?.workspaceRole == .owner
  }

  /// The places in workspaces that somebody gives up together with a membership: those in that organization's.
  static func places(leftWith membership: ResourceState, in decision: Decision) throws -> [ResourceState] {
    guard membership.type == "membership", let user = membership.reference("user_id") else { return [] }
    return try decision.transaction.referrers(of: user, type: "workspace_member", limit: .max).compactMap { link in
      guard let place = try decision.transaction.living(link.id, type: "workspace_member"),
        place.organization == membership.organization, place.reference("user_id") == user
      else { return nil }
      return place
    }
  }

  /// Refuses a deletion by which a workspace that stays would lose its last owner.
  static func checkOwners(leavingBy plan: DeletionPlan, in decision: Decision) throws {
    var checked: Set<Identifier> = []
    for step in plan.deletions where step.type.name == "workspace_member" {
      guard step.state.workspaceRole == .owner, let workspace = step.state.reference("workspace_id"),
        !plan.contains(workspace), checked.insert(workspace).inserted
      else { continue }
      try requireOwner(of: workspace, in: decision) { !plan.contains($0) }
    }
  }

  /// Refuses unless an owner whom `counts` accepts remains.
  static func requireOwner(of workspace: Identifier, in decision: Decision, _ counts: (Identifier) -> Bool) throws {
    let transaction = decision.transaction
    for link in try transaction.referrers(of: workspace, type: "workspace_member", limit: .max) where counts(link.id) {
      if try transaction.living(link.id, type: "workspace_member")?.workspaceRole == .owner { return }
    }
    throw Refusal.conflict(
      reason: "state", "A workspace's last owner can't leave; make somebody else an owner first.",
      ["from": "owner", "allowed": []])
  }
}

extension ResourceState {
  /// The role that a workspace's member has, or a share link gives.
  var workspaceRole: WorkspaceRules.Role? { fields["role"]?.stringValue.flatMap(WorkspaceRules.Role.init(rawValue:)) }
}
