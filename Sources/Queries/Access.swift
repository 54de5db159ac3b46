import Access
import BasicTypes
import Catalog
import EventLog
import Records
import Refusals

/// What one caller may read of one resource type. What may not be seen is told as `not_found`; what may be seen but
/// not read, as `forbidden`.
struct Access: Sendable {
  let principal: Principal
  let type: ResourceType
  let condition: AudienceCondition
  /// The personal fields of the type.
  let personal: [Field]
  /// Gets of whom values were shown.
  let note: @Sendable (ReadNote) -> Void

  var audience: Audience { condition.audience }

  /// What a list may hold.
  /// - Throws: ``Refusal`` `forbidden` where the caller may read the type nowhere.
  func reach() throws -> Audience.Reach {
    guard let reach = audience.reach(of: principal) else { throw forbidden }
    return reach
  }

  /// Lets the caller read a resource, or refuses.
  /// - Throws: ``Refusal`` `not_found` or `forbidden`.
  func require(_ state: ResourceState?, id: String, in snapshot: borrowing LogSnapshot) throws -> ResourceState {
    guard let state, state.type == type.name else { throw Refusal.notFound(type: type.name, id: id) }
    if try permits(state, in: snapshot) || principal.oversaw(state, in: snapshot) { return state }
    guard try audience.permits(.sees, to: principal, on: state, in: snapshot) else {
      throw Refusal.notFound(type: type.name, id: id)
    }
    throw forbidden
  }

  /// Whether the caller may read a resource of the type.
  func permits(_ state: ResourceState, in snapshot: borrowing LogSnapshot) throws -> Bool {
    try audience.permits(.reads, to: principal, on: state, in: snapshot)
  }

  /// Whether the caller belongs to where a resource that they may read does: doesn't only see it because it is public,
  /// and is no guest there. Only then its reasons are for them, which its organization's people gave each other.
  func belongs(to state: ResourceState) -> Bool {
    if let organization = state.organization, principal.isGuest(in: organization) { return false }
    return audience.publicFields.isEmpty || principal.canSee(organization: state.organization)
  }

  /// Whether the caller may read a resource only because it is public: then what it was before that is not for them.
  func isVisitor(of state: ResourceState) -> Bool {
    !audience.publicFields.isEmpty && !principal.canSee(organization: state.organization)
  }

  private var forbidden: Refusal { .forbidden(permission: "\(type.plural):read") }
}
