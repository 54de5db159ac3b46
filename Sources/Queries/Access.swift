import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Postgres
import Refusals

/// What one caller may read of one resource type. What may not be seen is told as `not_found`; what may be seen but
/// not read, as `forbidden`.
struct Access: Sendable {
  let principal: Principal
  let type: ResourceType

  /// Whose rows of the type the caller may read.
  enum Scope: Sendable, Equatable {
    case everything
    /// Those of these organizations.
    case organizations(Set<Identifier>)
  }

  private var isUser: Bool { type.name == "user" }
  private var isOrganization: Bool { type.name == "organization" }

  /// The caller's own user, who may always read their own.
  var ownUser: Identifier? {
    if case .user(let identifier) = principal.kind { identifier } else { nil }
  }

  /// Whose rows a list may hold.
  /// - Throws: ``Refusal`` `forbidden` where the caller may read the type nowhere.
  func scope() throws -> Scope {
    guard let visible = principal.visibleOrganizations else { return .everything }
    let readable = visible.filter { principal.allows(.read, on: type.plural, organization: $0) }
    let isReachable = type.organization != .none || isOrganization || isUser
    guard isReachable, !readable.isEmpty || (isUser && ownUser != nil) || readsPublic else { throw forbidden }
    return .organizations(readable)
  }

  /// The condition that keeps a list to the scope, or nil where it has no bounds.
  func condition(_ scope: Scope, in sql: inout SQLBuilder) -> String? {
    guard case .organizations(let organizations) = scope else { return nil }
    let bound = sql.bind(organizations.sorted())
    if isOrganization { return "t.\"id\" = ANY(\(bound))" }
    guard isUser else {
      let own = narrowed("t.\"organization_id\" = ANY(\(bound))", in: &sql)
      guard readsPublic else { return own }
      let flags = type.publicFields.map { "t.\"\($0)\"" }.joined(separator: " OR ")
      return "((\(own)) OR ((\(flags)) AND t.\"deleted_at\" IS NULL))"
    }
    let shared = """
      EXISTS (SELECT 1 FROM daybook.memberships m WHERE m.user_id = t.id AND m.deleted_at IS NULL \
      AND m.organization_id = ANY(\(bound)))
      """
    guard let ownUser else { return shared }
    return "(t.\"id\" = \(sql.bind(.uuid(ownUser.text), as: "uuid")) OR \(shared))"
  }

  /// Lets the caller read a resource, or refuses.
  /// - Throws: ``Refusal`` `not_found` or `forbidden`.
  func require(_ state: ResourceState?, id: String, in snapshot: LogSnapshot) throws -> ResourceState {
    guard let state, state.type == type.name else { throw Refusal.notFound(type: type.name, id: id) }
    if principal.isAdministrator || (readsPublic && type.isPublic(state)) { return state }
    let organizations = try organizations(of: state, in: snapshot).filter { principal.canSee(organization: $0) }
    if isUser, state.id == ownUser { return state }
    guard !organizations.isEmpty else { throw Refusal.notFound(type: type.name, id: id) }
    guard organizations.contains(where: { principal.allows(.read, on: type.plural, organization: $0) }) else {
      throw forbidden
    }
    guard principal.isShown(state, of: type) else { throw Refusal.notFound(type: type.name, id: id) }
    return state
  }

  /// Whether the caller belongs to where a resource does, and doesn't only see it because it is public: only then its reasons are for
  /// them, which its organization's people gave each other.
  func belongs(to state: ResourceState) -> Bool {
    isUser || isOrganization || principal.canSee(organization: state.organization)
  }

  /// The organizations through which a resource can be seen.
  private func organizations(of state: ResourceState, in snapshot: LogSnapshot) throws -> [Identifier] {
    if let organization = state.organization { return [organization] }
    if isOrganization { return [state.id] }
    guard isUser else { return [] }
    return try snapshot.referrers(of: state.id, type: "membership", limit: 1000).compactMap { referrer in
      guard let membership = try snapshot.state(referrer.id), !membership.isDeleted else { return nil }
      return membership.organization
    }
  }

  /// Whether the caller may read the type's public resources, whatever organization they belong to.
  private var readsPublic: Bool { !type.publicFields.isEmpty && principal.readsPublic(type.plural) }

  private var forbidden: Refusal { .forbidden(permission: "\(type.plural):read") }
}
