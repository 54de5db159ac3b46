import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

/// Who may decide about a person's data as a whole.
enum SubjectRules {
  /// The platform role of those who do.
  static let officer = "officer"

  /// The person whom a command is about, deleted or not.
  /// - Throws: ``Refusal`` `not_found`; `gone` where the person was erased.
  static func person(_ decision: Decision) throws -> ResourceState {
    guard let id = decision.prepared.id else { throw Refusal.invalidParam("/id", "is required") }
    guard let state = try decision.transaction.state(id), state.type == "user", try reaches(decision, state) else {
      throw Refusal.notFound(type: "user", id: id.text)
    }
    if decision.principal.kind != .server, let record = try decision.transaction.subjectRecord(of: id),
      Subjects.isErased(record)
    {
      throw Refusal.gone(type: "user", id: id.text, since: record.fields["confirmed_at"]?.stringValue ?? "")
    }
    return state
  }

  /// Whether the caller may know of the person: as of any user, and an officer of the whole service of everybody.
  private static func reaches(_ decision: Decision, _ person: ResourceState) throws -> Bool {
    try decision.principal.protectsService || decision.isVisible(person)
  }

  /// Whether a caller is told of an organization in what is said of a person; an officer of the service is of all.
  static func isTold(_ principal: Principal, of organization: Identifier) -> Bool {
    principal.protectsService || principal.isAdministrator || principal.holds([.officers], in: organization)
  }

  /// Whether somebody is an officer, in person: an API key never is.
  static func isOfficer(_ principal: Principal) -> Bool {
    guard case .user = principal.kind else { return false }
    return principal.platformRole == officer
  }

  /// Refuses everybody but officers of the whole service and of an organization to which the person belongs as more
  /// than a guest, and an officer in their own matter. The server finishes what one has ordered.
  static func requireOfficer(_ decision: Decision, over person: ResourceState) throws {
    let principal = decision.principal
    if principal.kind == .server { return }
    guard isOfficer(principal) else {
      throw Refusal.forbidden(
        permission: officer,
        "Only a person with the platform role officer decides this; an administrator gives somebody that role first.")
    }
    guard principal.kind != .user(person.id) else {
      throw Refusal.forbidden(permission: officer, "Nobody decides about their own data: another officer does.")
    }
    guard try governs(decision, person) else {
      throw Refusal.forbidden(
        permission: officer,
        "The person is only a guest where you are an officer: an officer of an organization of theirs decides.")
    }
  }

  /// Whether the caller is an officer where the person belongs as more than a guest, or of the whole service. Who is
  /// a guest somewhere became one by the act of that organization alone, and isn't governed from there.
  static func governs(_ decision: Decision, _ person: ResourceState) throws -> Bool {
    try decision.principal.protectsService
      || decision.transaction.memberships(of: person.id).contains {
        $0.isGoverning && decision.principal.holds([.officers], in: $0.organization)
      }
  }

  /// The person, officers, administrators, and who administers users in an organization to which the person belongs.
  static func authorizeRequest(_ decision: Decision, for person: ResourceState) throws {
    let principal = decision.principal
    if principal.isAdministrator || principal.kind == .user(person.id) { return }
    if try governs(decision, person) { return }
    let isGoverned = try decision.transaction.memberships(of: person.id).contains {
      $0.isGoverning && principal.allows(.admin, on: "users", organization: $0.organization)
    }
    guard isGoverned else { throw Refusal.forbidden(permission: "users:admin") }
  }
}
