import BasicTypes
import NIOConcurrencyHelpers

/// Persons whose values are kept and not used (GDPR Art. 18).
///
/// The vault opens them all the same, since what is stored is compared and indexed; whoever shows values, or copies
/// them to where they are read in the clear, asks here first. The log says who they are; a vault that was just opened
/// knows of none.
extension Vault {
  /// From now on a person's values are only stored.
  /// - Parameter resources: What holds values of theirs in the clear, if anything does: of fields that became personal
  ///   after they were recorded.
  public func restrict(_ person: Identifier, resources: Set<Identifier>) {
    restricted.withLockedValue { $0[person] = resources }
  }

  /// A person's values may be shown again.
  public func unrestrict(_ person: Identifier) { restricted.withLockedValue { $0[person] = nil } }

  /// Whether there is anybody whose values are only stored.
  public var hasRestrictions: Bool { restricted.withLockedValue { !$0.isEmpty } }

  /// Whether a person's values are only stored.
  public func isRestricted(_ person: Identifier) -> Bool { restricted.withLockedValue { $0[person] != nil } }

  /// The person whose values a resource holds in the clear, and who may only be stored.
  package func restrictedPerson(of resource: Identifier) -> Identifier? {
    restricted.withLockedValue { restricted in restricted.first { $1.contains(resource) }?.key }
  }
}
