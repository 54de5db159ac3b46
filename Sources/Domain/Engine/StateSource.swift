import BasicTypes
import CanonicalJSON
import EventLog

/// Where states are read from: a committed snapshot, or the write transaction with what it has staged.
protocol StateSource: ~Copyable {
  borrowing func state(_ id: Identifier) throws -> ResourceState?
  borrowing func holder(constraint: String, key: [UInt8]) throws -> Identifier?
  borrowing func referrers(of target: Identifier, type: String?, limit: Int) throws -> [(type: String, id: Identifier)]
}

extension LogTransaction: StateSource {}
extension LogSnapshot: StateSource {}

extension StateSource where Self: ~Copyable {
  /// The state of a resource of that type that isn't deleted.
  func living(_ id: Identifier, type: String) throws -> ResourceState? {
    guard let state = try state(id), state.type == type, !state.isDeleted else { return nil }
    return state
  }

  /// A user's living memberships.
  func memberships(of user: Identifier) throws -> [ResourceState] {
    try referrers(of: user, type: "membership", limit: .max).compactMap { link in
      guard let state = try living(link.id, type: "membership"), state.reference("user_id") == user else { return nil }
      return state
    }
  }
}

extension ResourceState {
  /// The id that a reference field holds.
  func reference(_ field: String) -> Identifier? {
    fields[field]?.stringValue.flatMap { Identifier($0) }
  }

  /// Who made it.
  var creator: Identifier? { reference("created_by") }
}
