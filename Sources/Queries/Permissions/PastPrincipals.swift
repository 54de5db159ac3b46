import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// Whoever had a place in an organization at a moment, as the log then had them: what each could do follows from the
/// rules of today's program.
struct PastPrincipals {
  /// One of them.
  struct Entry {
    let principal: Principal
    /// What an answer says of them besides.
    let facts: JSONObject
  }

  private let organization: Identifier
  private let platform: String?
  private(set) var entries: [Entry] = []
  private var users: [Identifier: ResourceState?] = [:]
  /// The roles that people had in workspaces, by person and workspace.
  private var places: [Identifier: [Identifier: String]] = [:]
  private var roles: [Identifier: String] = [:]

  /// - Parameter platform: the organization's, then.
  init(of organization: Identifier, platform: String?) {
    self.organization = organization
    self.platform = platform
  }

  /// Takes in the places that people had in workspaces; to be done before ``add(membership:_:)``.
  mutating func add(place: ResourceState) {
    guard let user = place.reference("user_id"), let workspace = place.reference("workspace_id") else { return }
    places[user, default: [:]][workspace] = place.fields["role"]?.stringValue ?? "viewer"
  }

  /// The role that somebody had in a workspace; nil where they had no place in it.
  func role(of user: Identifier?, in workspace: Identifier) -> String? { user.flatMap { places[$0]?[workspace] } }

  private func workspaces(of user: Identifier) -> Set<Identifier> { Set((places[user] ?? [:]).keys) }

  /// Takes in a membership of then.
  mutating func add(membership: ResourceState, _ fold: (Identifier) throws -> ResourceState?) rethrows {
    guard let id = membership.reference("user_id"), let role = membership.fields["role"]?.stringValue,
      let user = try active(id, fold)
    else { return }
    let given = role == "member" && membership.fields["is_guest"] == true ? Principal.guest : role
    roles[id] = given
    let principal = Principal(
      kind: .user(id), platformRole: user.fields["role"]?.stringValue, isStaff: user.fields["is_staff"] == true,
      organizations: [organization: given], workspaces: workspaces(of: id),
      narrowings: narrowings(given, user.fields["role"]?.stringValue), subject: id)
    entries.append(
      Entry(
        principal: principal,
        facts: [
          "by": .string(given), "platform_role": user.fields["role"] ?? .null,
          "since": .string(membership.createdAt.text),
        ]))
  }

  /// Takes in a person who may have been an administrator, or an auditor of the whole service.
  mutating func add(official id: Identifier, _ fold: (Identifier) throws -> ResourceState?) rethrows {
    guard let user = try active(id, fold) else { return }
    let principal = Principal(
      kind: .user(id), platformRole: user.fields["role"]?.stringValue, isStaff: user.fields["is_staff"] == true,
      subject: id)
    guard principal.isAdministrator || principal.auditsService else { return }
    entries.append(
      Entry(
        principal: principal,
        facts: ["by": principal.isAdministrator ? "administrator" : "auditor of the service"]))
  }

  /// Takes in an API key of then; to be done after the memberships, which bound what its maker could hand on.
  mutating func add(key: ResourceState, at moment: Timestamp, _ fold: (Identifier) throws -> ResourceState?) rethrows {
    guard key.fields["is_active"]?.boolValue == true,
      key.fields["expires_at"]?.stringValue.flatMap({ Timestamp($0) }).map({ $0 > moment }) ?? true
    else { return }
    var maker: Identifier?
    var bound: Principal.Bound?
    if let id = key.creator, id != .systemUser {
      guard let user = try active(id, fold) else { return }
      maker = id
      let platformRole = user.fields["role"]?.stringValue
      if platformRole != "admin" {
        guard let role = roles[id] else { return }
        bound = Principal.Bound(role: role, platformRole: platformRole)
      }
    }
    let principal = Principal(
      kind: .apiKey(key.id, creator: maker), organizations: [organization: "key"],
      workspaces: maker.map { workspaces(of: $0) } ?? [],
      narrowings: bound.map { narrowings($0.role, $0.platformRole) } ?? [:],
      keyPermissions: KeyPermissions.read(key.fields["permissions"] ?? .null), bound: bound, subject: maker)
    var facts: JSONObject = [
      "by": "API key", "name": key.fields["name"] ?? .null,
      "made_by": maker.map { .string("user:\($0.text)") } ?? .null, "since": .string(key.createdAt.text),
    ]
    if key.fields["acts_for_people"] == true, bound == nil { facts["acts_for_people"] = true }
    entries.append(Entry(principal: principal, facts: facts))
  }

  private func narrowings(_ role: String, _ platformRole: String?) -> [Identifier: Narrowing] {
    Narrowing(role: role, platformRole: platformRole, platform: platform).map { [organization: $0] } ?? [:]
  }

  /// A person's account as it was, where they could act.
  private mutating func active(
    _ id: Identifier, _ fold: (Identifier) throws -> ResourceState?
  ) rethrows -> ResourceState? {
    if let known = users[id] { return known }
    var user = try fold(id)
    if user?.isDeleted == true || user?.fields["is_active"]?.boolValue == false { user = nil }
    users[id] = user
    return user
  }
}
