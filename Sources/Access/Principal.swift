import BasicTypes
import Catalog

/// Who is asking, with everything that decides what they may do, as the log said it when the principal was resolved.
///
/// A value of its moment: commands check it again inside the write transaction; a session asks
/// ``CommandEngine/refresh(_:)`` before it answers a query.
public struct Principal: Sendable {
  /// What kind of caller.
  public enum Kind: Sendable, Hashable {
    /// The uid that runs the server, or root, over the Unix socket.
    case localAdministrator(uid: UInt32)
    /// A person.
    case user(Identifier)
    /// A program with an API key, which acts for the user who made the key.
    case apiKey(Identifier, creator: Identifier?)
    /// The server itself.
    case server
  }

  /// A person's place in one organization: what their API keys there may do at most.
  package struct Bound: Sendable, Hashable {
    /// The role there, as in ``Principal/organizations``.
    package let role: String
    /// The platform role.
    package let platformRole: String?

    /// The bound of somebody of these roles; nil where they may do everything there.
    package init?(role: String, platformRole: String?) {
      if role == "owner" || role == "admin" || platformRole == "admin" { return nil }
      self.role = role
      self.platformRole = platformRole
    }
  }

  /// Who.
  public let kind: Kind
  /// The same as events name it: `local:0`, `user:<uuid>`, `api_key:<uuid>`, `server`.
  public let actor: String
  /// The platform role (`admin`, `developer`, `viewer`, `officer`, `auditor`); nil for all but users.
  public let platformRole: String?
  /// Whether an auditor is one of the whole service: an administrator has made them staff of it.
  package let auditsService: Bool
  /// Whether an officer is one of the whole service, in the same way; that no organization has them doesn't make one.
  package let protectsService: Bool
  /// The organizations that the caller belongs to, with the role there: `owner`, `admin`, `member`, `guest` for a
  /// member who came by a share link, or `key` for an API key.
  public let organizations: [Identifier: String]
  /// The workspaces in which the caller has a place, of the organizations where they are a guest or narrowed.
  package let workspaces: Set<Identifier>
  /// How the caller is narrowed where they are an ordinary member, by organization; an API key is as its maker is.
  package let narrowings: [Identifier: Narrowing]
  /// An API key's permission map: verbs by plural resource, `*` for every resource; nil for all but keys.
  public let keyPermissions: [String: Set<Permission>]?
  /// What bounds an API key besides its map: the rights that its maker has now. Nil for all but keys, and where the
  /// maker may do everything there: an owner, an admin, an administrator.
  package let bound: Bound?
  /// The person whose key seals the origin and reason of what the caller does: the user, the person for whom a key
  /// acts, or else the key's creator.
  public let subject: Identifier?
  /// Whether an API key may act for people of its organization: it was given that right, and whoever made it may do
  /// everything there.
  package let actsForPeople: Bool
  /// The person for whom an API key gives a command; nil where the caller acts for nobody else.
  ///
  /// Such a caller has the rights that both have, as a key would that the person had made; nothing that a person may
  /// only do themselves is theirs.
  package let onBehalfOf: Identifier?
  /// From when on an API key, or the token by which a person signed in, is no longer good.
  public private(set) var expiresAt: Timestamp?
  /// The sign-in by which a person came here; nil for all but users.
  package private(set) var signIn: SignIn?
  /// How far the changes to users, memberships, keys and organizations had come when this was resolved.
  package let epoch: UInt64

  /// A caller as it was resolved.
  package init(
    kind: Kind, platformRole: String? = nil, isStaff: Bool = false, organizations: [Identifier: String] = [:],
    workspaces: Set<Identifier> = [], narrowings: [Identifier: Narrowing] = [:],
    keyPermissions: [String: Set<Permission>]? = nil, bound: Bound? = nil,
    subject: Identifier? = nil, actsForPeople: Bool = false, onBehalfOf: Identifier? = nil,
    expiresAt: Timestamp? = nil, signIn: SignIn? = nil, epoch: UInt64 = 0
  ) {
    self.kind = kind
    self.platformRole = platformRole
    auditsService = platformRole == "auditor" && isStaff
    protectsService = platformRole == "officer" && isStaff
    self.organizations = organizations
    self.workspaces = workspaces
    self.narrowings = narrowings
    self.keyPermissions = keyPermissions
    self.bound = bound
    self.subject = subject
    self.actsForPeople = actsForPeople
    self.onBehalfOf = onBehalfOf
    self.expiresAt = signIn?.expiresAt ?? expiresAt
    self.signIn = signIn
    self.epoch = epoch
    actor =
      switch kind {
      case .localAdministrator(let uid): "local:\(uid)"
      case .user(let id): "user:\(id.text)"
      case .apiKey(let id, _): "api_key:\(id.text)"
      case .server: "server"
      }
    isAdministrator =
      switch kind {
      case .localAdministrator, .server: true
      case .user: platformRole == "admin"
      case .apiKey: false
      }
    tenant =
      switch kind {
      case .localAdministrator, .server: nil
      case .user(let id): isAdministrator ? nil : organizations.keys.min() ?? id
      case .apiKey(let id, _): organizations.keys.min() ?? id
      }
  }

  /// The local administrator, as the process of that uid.
  public static func localAdministrator(uid: UInt32) -> Principal { Principal(kind: .localAdministrator(uid: uid)) }

  /// The same person, by another sign-in.
  package func by(_ signIn: SignIn?) -> Principal {
    guard case .user = kind else { return self }
    var copy = self
    copy.signIn = signIn
    copy.expiresAt = signIn?.expiresAt
    return copy
  }

  /// The server itself.
  public static let server = Principal(kind: .server)

  /// Whether everything is allowed: the local administrator, the server, and users with the platform role `admin`.
  public let isAdministrator: Bool

  /// Whether every resource and record is for the caller: an administrator's, and who audits the whole service.
  package var seesEverything: Bool { isAdministrator || auditsService }

  /// Whether the caller is shown a person's values that may only be stored (GDPR Art. 18): that person and officers, in
  /// person. What else bounds them, the resource and the field say.
  package func isShownRestricted(of person: Identifier) -> Bool {
    guard case .user(let id) = kind else { return false }
    return id == person || platformRole == "officer"
  }

  /// The office that the platform role is; nil for everybody else, and for all API keys.
  package var office: Recipient? {
    switch platformRole {
    case "officer": .officers
    case "auditor": .auditors
    default: nil
    }
  }

  /// Whether the caller holds one of some offices in an organization, as more than a guest there.
  package func holds(_ offices: Set<Recipient>, in organization: Identifier?) -> Bool {
    guard let office, offices.contains(office), let organization else { return false }
    return organizations[organization] != nil && !isGuest(in: organization)
  }

  /// On whose account the caller takes the server's time: an organization that the caller belongs to, or the caller
  /// where there is none; nil for administrators and the server.
  package let tenant: Identifier?

  /// Whether the log has a say in who this is; false for the local administrator and the server.
  package var isResolved: Bool {
    switch kind {
    case .localAdministrator, .server: false
    case .user, .apiKey: true
    }
  }

  /// The organizations whose resources the caller may see; nil for all.
  public var visibleOrganizations: Set<Identifier>? {
    seesEverything ? nil : Set(organizations.keys)
  }

  /// Whether the caller may see what belongs to that organization; what belongs to none is for who sees everything.
  public func canSee(organization: Identifier?) -> Bool {
    if seesEverything { return true }
    guard let organization else { return false }
    return organizations[organization] != nil
  }

  /// Whether the caller has that permission on the resources of that plural
  /// (`pipelines`; also `audit` and `log`) in that organization.
  ///
  /// Administrators have every permission. Owners and admins of an organization have every one in it. A member's follow
  /// the platform role: `developer` reads, writes and executes; `viewer` reads; `auditor` and `officer` read, `audit`
  /// and `log` included. A guest reads what ``readByGuests`` says, whatever the platform role, of it what ``Audience``
  /// lets them see. An API key has what its map says, and never more than the person who made it has now. An auditor of
  /// the whole service reads everything, and has no other permission, whatever their memberships.
  public func allows(_ permission: Permission, on plural: String, organization: Identifier?) -> Bool {
    if isAdministrator { return true }
    if auditsService { return permission == .read }
    guard let organization, let role = organizations[organization] else { return false }
    if keyPermissions != nil { return isMapped(permission, on: plural) && isWithinBound(permission, on: plural) }
    return Principal.permissions(role: role, platformRole: platformRole, plural: plural).contains(permission)
  }

  /// Whether the caller has that permission on what is their own of that plural, as a member of an organization whose
  /// platform knows no roles.
  package func allowsOnOwn(_ permission: Permission, on plural: String, organization: Identifier?) -> Bool {
    guard let organization, let narrowing = narrowings[organization],
      narrowing.permissionsOnOwn(plural).contains(permission)
    else { return false }
    return keyPermissions == nil || isMapped(permission, on: plural)
  }

  /// Whether the caller is an API key that may execute pipelines of an organization, and so their runs, which its maker
  /// may.
  package func runsPipelines(of organization: Identifier?) -> Bool {
    guard let organization, organizations[organization] != nil, keyPermissions != nil else { return false }
    return isMapped(.execute, on: "pipelines") && isWithinBound(.execute, on: "runs")
  }

  /// Whether an API key's map has that permission.
  private func isMapped(_ permission: Permission, on plural: String) -> Bool {
    guard let keyPermissions else { return false }
    return keyPermissions[plural]?.contains(permission) == true || keyPermissions["*"]?.contains(permission) == true
  }

  private func isWithinBound(_ permission: Permission, on plural: String) -> Bool {
    guard let bound else { return true }
    return Principal.permissions(role: bound.role, platformRole: bound.platformRole, plural: plural)
      .contains(permission)
  }

  /// Whether an API key's map has a permission that its maker, or the person for whom it acts, doesn't have.
  package func exceedsMaker(_ permission: Permission, on plural: String) -> Bool {
    isMapped(permission, on: plural) && !isWithinBound(permission, on: plural)
  }

  /// The role of a member who came by a share link of a workspace.
  package static let guest = "guest"

  /// The plurals of what guests read: workspaces and what lies in them, and what is theirs alone.
  package static let readByGuests: Set<String> = [
    "dashboards", "notifications", "organizations", "pipelines", "runs", "schema_definitions", "task_runs",
    "user_preferences", "workspaces",
  ]

  /// Whether the caller is only a guest in an organization; an API key is where its maker is one.
  package func isGuest(in organization: Identifier) -> Bool {
    organizations[organization] == Principal.guest
      || organizations[organization] != nil && bound?.role == Principal.guest
  }

  /// What a role in an organization, together with a platform role, allows there.
  package static func permissions(role: String, platformRole: String?, plural: String) -> Set<Permission> {
    if role == "owner" || role == "admin" || platformRole == "admin" { return Set(Permission.allCases) }
    let isRecord = plural == "audit" || plural == "log"
    if role == guest { return readByGuests.contains(plural) ? [.read] : [] }
    switch platformRole {
    case "developer": return isRecord ? [] : [.read, .write, .execute]
    case "auditor", "officer": return [.read]
    default: return isRecord ? [] : [.read]
    }
  }

  /// The permissions that the caller has on every resource of an organization: the measure of what it may hand on.
  package func grantable(in organization: Identifier) -> Set<Permission> {
    if isAdministrator { return Set(Permission.allCases) }
    if auditsService { return [.read] }
    guard let role = organizations[organization] else { return [] }
    if let keyPermissions {
      let mapped = keyPermissions["*"] ?? []
      guard let bound else { return mapped }
      return mapped.intersection(
        Principal.permissions(role: bound.role, platformRole: bound.platformRole, plural: "*"))
    }
    return Principal.permissions(role: role, platformRole: platformRole, plural: "*")
  }

  /// The role's rank in that organization: owners 3, admins 2, members and keys 1,
  /// strangers 0; administrators stand above.
  package func rank(in organization: Identifier) -> Int {
    isAdministrator ? 4 : Principal.rank(of: organizations[organization])
  }

  /// The rank of a role in an organization; 0 for none.
  package static func rank(of role: String?) -> Int {
    switch role {
    case "owner": 3
    case "admin": 2
    case nil: 0
    default: 1
    }
  }

  /// The caller's only organization: what a command means that names none.
  public var onlyOrganization: Identifier? {
    organizations.count == 1 ? organizations.first?.key : nil
  }
}
