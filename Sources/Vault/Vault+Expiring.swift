import BasicTypes

/// A month of payloads that expire together, whose key is still there.
public struct ExpiringKey: Sendable, Hashable {
  /// The organization; nil for what belongs to none.
  public let organization: Identifier?
  /// The retention class.
  public let retentionClass: String
  /// The month, as `2026-11`.
  public let month: String

  /// Whose key that is, as ``Vault/destroy(_:)`` takes it.
  public var owner: KeyOwner { .expiring(organization: organization, retentionClass: retentionClass, month: month) }
}

extension Vault {
  /// The months of expiring payloads that can still be opened, each once, in no order.
  public func expiringKeys() -> [ExpiringKey] {
    var found: Set<ExpiringKey> = []
    for record in snapshot.records where record.destroyed == nil {
      guard case .expiring(let organization, let retentionClass, let month)? = record.owner else { continue }
      found.insert(ExpiringKey(organization: organization, retentionClass: retentionClass, month: month))
    }
    return Array(found)
  }
}
