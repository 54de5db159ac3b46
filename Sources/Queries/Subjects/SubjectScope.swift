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

  /// Whether what an organization recorded of a person is for the caller: all of it for the person, administrators and
  /// officers of the whole service, else what their own organizations did. What belongs to none is for all of them.
  func isTold(of organization: Identifier?, about person: Identifier) -> Bool {
    guard let organization else { return true }
    return principal.kind == .user(person) || principal.protectsService
      || principal.canSee(organization: organization)
  }

  /// Whether what was said in some organizations is for the caller, who has a part in one of them; the person,
  /// administrators and officers of the whole service are told all.
  func isTold(ofOneOf organizations: [Identifier], about person: Identifier) -> Bool {
    principal.kind == .user(person) || principal.protectsService || principal.isAdministrator
      || organizations.contains { principal.canSee(organization: $0) }
  }

  /// Refuses who may ask for nobody's data, before anything is looked up.
  /// - Throws: ``Refusal`` `forbidden`.
  func requireOfficer() throws(Refusal) {
    guard principal.isAdministrator || hasRole(["officer"]) else {
      throw Refusal.forbidden(permission: "officer", "Officers and administrators look persons up.")
    }
  }

  /// The state of a person whose values the caller may see: their own; to an officer, those of who shares an
  /// organization with them, or did until the account went; to an officer of the whole service, everybody's.
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
    guard
      try principal.protectsService
        || snapshot.memberships(of: id).contains(where: { principal.canSee(organization: $0.organization) })
        || principal.oversaw(state, in: snapshot)
    else { throw notFound(id) }
    return state
  }

  private func notFound(_ id: Identifier) -> Refusal { .notFound(type: "user", id: id.text) }
}
