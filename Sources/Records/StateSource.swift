import BasicTypes
import CanonicalJSON
import EventLog

/// Where states are read from: a committed snapshot, or the write transaction with what it has staged.
package protocol StateSource: ~Copyable {
  /// The resource's state, deleted or not; nil where there never was one.
  borrowing func state(_ id: Identifier) throws -> ResourceState?
  /// Who holds a unique key.
  borrowing func holder(constraint: String, key: [UInt8]) throws -> Identifier?
  /// Who holds a key of a unique constraint that begins so, in the order of the keys.
  borrowing func holders(constraint: String, beginningWith start: [UInt8]) throws -> [Identifier]
  /// What is linked to a target, of one type or of all.
  borrowing func referrers(of target: Identifier, type: String?, limit: Int) throws -> [(type: String, id: Identifier)]
}

extension LogTransaction: StateSource {}
extension LogSnapshot: StateSource {}

extension StateSource where Self: ~Copyable {
  /// The state of a resource of that type that isn't deleted.
  package func living(_ id: Identifier, type: String) throws -> ResourceState? {
    guard let state = try state(id), state.type == type, !state.isDeleted else { return nil }
    return state
  }

  /// A user's living memberships.
  package func memberships(of user: Identifier) throws -> [ResourceState] {
    try referrers(of: user, type: "membership", limit: .max).compactMap { link in
      guard let state = try living(link.id, type: "membership"), state.reference("user_id") == user else { return nil }
      return state
    }
  }
}

extension ResourceState {
  /// Whether a membership lets who administers the organization, and its officers and auditors, govern the person's
  /// account too. A guest came for a workspace, by the act of whoever opened it alone, and stays governed by where they
  /// are a full member.
  package var isGoverning: Bool { fields["is_guest"] != true }
}
