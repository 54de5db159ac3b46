import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Who may do what to a person's account, which belongs to no organization.
enum UserRules {
  /// Platform roles that only administrators hand out or touch.
  static let privilegedRoles: Set<String> = ["admin", "officer", "auditor"]
  /// Fields by which somebody signs in, or that give rights: changed only by the
  /// person, and by who governs the account.
  static let accountFields: Set<String> = ["email", "username", "keycloak_id", "role", "is_staff", "is_superuser"]
  /// Fields that give rights on the platform: administrators only.
  static let platformFields: Set<String> = ["is_staff", "is_superuser"]

  /// Whether the caller may give the command about that user: an administrator; the
  /// person, for their own profile and password; who has `users:admin` in an organization
  /// of which the person is a full member, and for all but the profile in each of those.
  static func authorize(_ decision: Decision, on user: ResourceState) throws {
    let principal = decision.principal
    if principal.isAdministrator { return }
    if decision.command.command.isAdministrative {
      throw Refusal.forbidden(permission: "administrator")
    }
    let verb = decision.command.command.name
    if principal.kind == .user(user.id), verb == "edit" || verb == "set_password" { return }
    if verb == "verify_email", principal.subject == user.id {
      throw Refusal.forbidden(permission: "users:admin", "Nobody verifies their own e-mail address.")
    }
    let shared = try decision.transaction.memberships(of: user.id)
    guard
      shared.contains(where: { $0.isGoverning && principal.allows(.admin, on: "users", organization: $0.organization) })
    else {
      throw Refusal.forbidden(permission: "users:admin")
    }
    if verb != "edit" { try requireGovernance(of: user, memberships: shared, by: principal) }
  }

  /// Refuses unless the caller governs the account: no privileged role, and in every
  /// organization of which the person is a full member the caller administers users and ranks no lower.
  /// Else an admin of one organization could take over an account that is another's.
  static func requireGovernance(
    of user: ResourceState, memberships: [ResourceState], by principal: Principal
  ) throws {
    if principal.isAdministrator || principal.kind == .user(user.id) { return }
    let isPrivileged = user.fields["role"]?.stringValue.map(privilegedRoles.contains) ?? false
    let memberships = memberships.filter(\.isGoverning)
    let governs = memberships.allSatisfy { membership in
      guard let organization = membership.organization else { return false }
      return principal.allows(.admin, on: "users", organization: organization)
        && principal.rank(in: organization) >= Principal.rank(of: membership.fields["role"]?.stringValue)
    }
    guard governs, !isPrivileged, !memberships.isEmpty else {
      throw Refusal.forbidden(
        permission: "administrator",
        "This account has rights beyond the organizations that you administer; only an administrator may do this.")
    }
  }

  /// Checks a platform role that is handed out, and the flags that come with it.
  static func checkPlatformRights(_ values: JSONObject, before: ResourceState?, by principal: Principal) throws {
    if principal.isAdministrator { return }
    for field in platformFields {
      guard let value = values[field] else { continue }
      guard value == before?.fields[field] ?? false else {
        throw Refusal.forbidden(permission: "administrator", "Only administrators may change \(field).")
      }
    }
    guard let role = values["role"]?.stringValue else { return }
    let old = before?.fields["role"]?.stringValue
    if role == old { return }
    let touchesPrivilege = privilegedRoles.contains(role) || old.map(privilegedRoles.contains) == true
    let raisesOneself = before.map { principal.kind == .user($0.id) } ?? false
    if touchesPrivilege || raisesOneself {
      throw Refusal.forbidden(permission: "administrator", "Only administrators may give this platform role.")
    }
  }
}
