import BasicTypes
import CanonicalJSON
import EventLog

/// Legal holds: what keeps a person, a resource or an organization from erasure,
/// retention and deletion while it is active.
///
/// An active hold is linked to what it holds in the log's index, so that every decision finds it by one look-up.
package enum LegalHolds {
  /// The type of holds.
  package static let type = "legal_hold"

  /// What an active hold holds; nil for a released one, and for everything else.
  package static func target(of state: ResourceState) -> Identifier? {
    guard state.type == type, isActive(state) else { return nil }
    return state.reference("held_id")
  }

  /// Whether that hold holds now.
  package static func isActive(_ state: ResourceState) -> Bool {
    !state.isDeleted && state.fields["is_active"] == true
  }
}
