/// Whether the resources of a type belong to an organization.
public enum OrganizationRule: String, Sendable {
  /// `organization_id` is required at creation (a key's or a one-organization user's
  /// own is the default) and never changes.
  case required
  /// `organization_id` may be absent.
  case optional
  /// The type has no `organization_id` (users, organizations themselves).
  case none
}
