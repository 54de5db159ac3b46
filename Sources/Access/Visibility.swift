import BasicTypes
import CanonicalJSON
import Catalog
import EventLog

extension Principal {
  /// Whether the caller may see a resource of its organization, by the type's `visible_to`: theirs, everybody's, or
  /// shared; and everything for who administers the type there.
  public func isShown(_ state: ResourceState, of type: ResourceType) -> Bool {
    guard let visibility = type.visibility, !isAdministrator else { return true }
    guard let owner = state.reference(visibility.field), owner != subject else { return true }
    if let flag = visibility.unless, state.fields[flag] == true { return true }
    return allows(.admin, on: type.plural, organization: state.organization)
  }
}
