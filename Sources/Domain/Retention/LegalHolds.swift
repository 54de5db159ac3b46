import BasicTypes
import CanonicalJSON
import EventLog
import Records
import Refusals

extension LegalHolds {
  /// What only gives access and holds nothing of its own: an organization's hold
  /// doesn't keep anybody from taking access away.
  static let grants: Set<String> = [
    "api_key", "invitation", "membership", "session", "share_link", "sql_role", "workspace_member",
  ]
}

extension StateSource where Self: ~Copyable {
  /// An active hold on just that person, resource or organization; nil where there is none.
  func activeHold(on id: Identifier) throws -> Identifier? {
    for link in try referrers(of: id, type: LegalHolds.type, limit: .max) {
      if let hold = try living(link.id, type: LegalHolds.type), LegalHolds.target(of: hold) == id { return hold.id }
    }
    return nil
  }

  /// The active holds on anything of an organization but its people.
  func activeHolds(within organization: Identifier) throws -> [ResourceState] {
    try referrers(of: organization, type: LegalHolds.type, limit: .max).compactMap { link in
      guard let hold = try living(link.id, type: LegalHolds.type), LegalHolds.isActive(hold),
        hold.organization == organization, hold.fields["held_type"] != "user"
      else { return nil }
      return hold
    }
  }
}

extension Decision {
  /// Refuses where a legal hold on that person, resource or organization is active.
  /// - Throws: ``Refusal`` `held` with the hold's id.
  func refuseIfHeld(_ id: Identifier) throws {
    if let hold = try transaction.activeHold(on: id) { throw Refusal.held(by: hold.text) }
  }

  /// Refuses where a legal hold on a resource, or on the organization that it
  /// belongs to, is active; and where it is an active hold itself.
  /// - Throws: ``Refusal`` `held` with the hold's id.
  func refuseIfHeld(_ state: ResourceState) throws {
    if LegalHolds.target(of: state) != nil { throw Refusal.held(by: state.id.text) }
    try refuseIfHeld(state.id)
    guard let organization = state.organization, organization != state.id, !LegalHolds.grants.contains(state.type)
    else { return }
    try refuseIfHeld(organization)
  }
}
