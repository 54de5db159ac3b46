import CanonicalJSON
import Catalog
import EventLog

extension ResourceType {
  /// Whether a resource of this type is public now: it lives, and one of the fields that make it so is true.
  public func isPublic(_ state: ResourceState) -> Bool {
    !state.isDeleted && publicFields.contains { state.fields[$0] == true }
  }
}

extension Principal {
  /// Whether the caller may read the public resources of that plural, whatever organization they belong to: every person may, an API key where its map
  /// lets it read that plural in its own organization.
  public func readsPublic(_ plural: String) -> Bool {
    if keyPermissions == nil { return true }
    return organizations.keys.contains { allows(.read, on: plural, organization: $0) }
  }
}
