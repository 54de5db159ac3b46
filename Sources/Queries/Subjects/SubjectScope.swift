import Access
import BasicTypes
import Catalog
import EventLog
import Records
import Refusals

/// Whose data a caller may ask for as a whole: their own, and an officer or administrator that of others.
struct SubjectScope: Sendable {
  let principal: Principal

  /// Whether the caller holds one of some offices, in person, and so has business with other persons' records.
  private func holds(_ offices: Set<Recipient>) -> Bool { principal.office.map(offices.contains) ?? false }

  /// Whether all is for the caller: the person, administrators, and who holds an office over the whole service.
  private func isToldAll(about person: Identifier) -> Bool {
    principal.kind == .user(person) || principal.protectsService || principal.seesEverything
  }

  /// Whether what an organization recorded of a person is for the caller: to officers and auditors, what their own
  /// organizations did, where they are more than guests. What belongs to none is for all of them.
  func isTold(of organization: Identifier?, about person: Identifier) -> Bool {
    guard let organization else { return true }
    return isToldAll(about: person) || principal.holds([.officers, .auditors], in: organization)
  }

  /// Whether the caller knows of an organization by an office there, or over the whole service.
  func knows(_ organization: Identifier) -> Bool {
    principal.protectsService || principal.seesEverything || principal.holds([.officers, .auditors], in: organization)
  }

  /// Whether a reason about a person is for the caller, that was given in some organizations or, where there are none,
  /// nobody says where: to officers, one that their own organizations alone gave.
  func isTold(ofReasonIn organizations: [Identifier], about person: Identifier) -> Bool {
    if principal.kind == .user(person) || principal.protectsService || principal.isAdministrator { return true }
    return !organizations.isEmpty && organizations.allSatisfy { principal.holds([.officers], in: $0) }
  }

  /// Refuses who may ask for nobody's data, before anything is looked up.
  /// - Throws: ``Refusal`` `forbidden`.
  func requireOfficer() throws(Refusal) {
    guard principal.isAdministrator || holds([.officers]) else {
      throw Refusal.forbidden(permission: "officer", "Officers and administrators look persons up.")
    }
  }

  /// The state of a person whose values the caller may see: their own; to an officer, those of the people of an
  /// organization of theirs, or who were until the account went, guests on either side left out; to an officer of the
  /// whole service, everybody's.
  /// - Throws: ``Refusal`` `not_found`, `forbidden`.
  func person(_ id: Identifier, in snapshot: borrowing LogSnapshot, alsoFor others: Set<Recipient> = []) throws
    -> ResourceState
  {
    let isOwn = principal.isAdministrator || principal.kind == .user(id)
    let offices = others.union([.officers])
    // Whoever may ask for nobody's learns of no id whether it is somebody's.
    guard isOwn || holds(offices) else {
      throw Refusal.forbidden(permission: "officer", "Only the person, officers and administrators ask for this.")
    }
    guard let state = try snapshot.state(id), state.type == "user" else { throw notFound(id) }
    if isOwn { return state }
    guard
      try principal.protectsService || principal.seesEverything
        || snapshot.memberships(of: id).contains(where: {
          $0.isGoverning && principal.holds(offices, in: $0.organization)
        })
        || principal.oversaw(state, in: snapshot)
    else { throw notFound(id) }
    return state
  }

  private func notFound(_ id: Identifier) -> Refusal { .notFound(type: "user", id: id.text) }
}
