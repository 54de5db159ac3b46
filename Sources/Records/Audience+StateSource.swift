import Access
import BasicTypes
import EventLog

extension Audience {
  /// Whether a caller sees, or reads, the resource of a state; who shares an organization with a user, the same source
  /// says.
  /// - Throws: `EventLogError` where the log is damaged.
  package func permits(
    _ standing: Standing, to principal: Principal, on state: ResourceState, in source: borrowing LogSnapshot
  ) throws -> Bool {
    try permits(standing, to: principal, on: state, from: source)
  }

  /// The same for any source of states.
  package func permits(
    _ standing: Standing, to principal: Principal, on state: ResourceState,
    from source: borrowing some StateSource & ~Copyable
  ) throws -> Bool {
    try permits(
      standing, to: principal, id: state.id, organization: state.organization, fields: state.fields,
      sharing: { try source.memberships(of: state.id).compactMap(\.organization) },
      referred: { try source.state($0)?.fields })
  }
}
