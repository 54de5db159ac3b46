import Access
import BasicTypes
import EventLog
import Records
import Refusals

/// Whose data a caller may ask for as a whole: their own, and an officer or administrator that of others.
struct SubjectScope: Sendable {
  let principal: Principal

  /// Whether the caller is an officer or auditor, in person, and so has business with other persons' records.
  private func hasRole(_ roles: [String]) -> Bool {
    guard case .user = principal.kind, let role = principal.platformRole else { return false }
    return roles.contains(role)
  }

  /// Refuses who may ask for nobody's data, before anything is looked up.
  /// - Throws: ``Refusal`` `forbidden`.
  func requireOfficer() throws(Refusal) {
    guard principal.isAdministrator || hasRole(["officer"]) else {
      throw Refusal.forbidden(permission: "officer", "Officers and administrators look persons up.")
    }
  }

  /// The state of a person whose values the caller may see: their own; to an officer, those of who shares an
  /// organization with them or belongs nowhere any more, and where the officer belongs nowhere, everybody's.
  /// - Throws: ``Refusal`` `not_found`, `forbidden`.
  func person(_ id: Identifier, in snapshot: borrowing LogSnapshot, alsoFor roles: [String] = []) throws
    -> ResourceState
  {
    let isOwn = principal.isAdministrator || principal.kind == .user(id)
    // Whoever may ask for nobody's learns of no id whether it is somebody's.
    guard isOwn || hasRole(["officer"] + roles) else {
      throw Refusal.forbidden(permission: "officer", "Only the person, officers and administrators ask for this.")
    }
    guard let state = try snapshot.state(id), state.type == "user" else { throw notFound(id) }
    if isOwn { return state }
    let memberships = try snapshot.memberships(of: id)
    guard
      principal.organizations.isEmpty || memberships.isEmpty
        || memberships.contains(where: { principal.canSee(organization: $0.organization) })
    else { throw notFound(id) }
    return state
  }

  private func notFound(_ id: Identifier) -> Refusal { .notFound(type: "user", id: id.text) }
}
