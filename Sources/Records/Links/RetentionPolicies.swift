import BasicTypes
import CanonicalJSON
import EventLog

/// Which policy is in force: the organization's own, else one without organization, else what its platform's document
/// says.
package enum RetentionPolicies {
  /// The type of policies.
  package static let type = "retention_policy"

  /// What policies without organization are linked to, so that they are found without a search.
  package static let everywhere = Identifier.version5(namespace: .urlNamespace, name: "daybook:retention:policies")

  /// What a policy without organization is linked to; nil for everything else.
  package static func target(of state: ResourceState) -> Identifier? {
    state.type == type && state.organization == nil && !state.isDeleted ? everywhere : nil
  }
}
