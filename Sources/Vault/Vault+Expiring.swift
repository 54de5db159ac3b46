import BasicTypes
import NIOConcurrencyHelpers

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
  /// Whether the owner's key was destroyed for good: nothing can be sealed for it any more.
  public func isErased(_ owner: KeyOwner) -> Bool { erasureTime(of: owner) != nil }

  /// When the owner's key was destroyed for good; nil where one may be made.
  public func erasureTime(of owner: KeyOwner) -> Timestamp? {
    owner.canReturn ? nil : store.withLockedValue { $0.newest(of: owner)?.destroyed }
  }

  /// Whether any person's or organization's key was destroyed for good.
  public var hasErasures: Bool { store.withLockedValue(\.hasErasures) }

  /// The persons whose key was destroyed.
  public func erasedSubjects() -> [Identifier] {
    snapshot.records.compactMap { record in
      guard record.destroyed != nil, case .subject(let person)? = record.owner else { return nil }
      return person
    }
  }

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
