import BasicTypes

/// What an operator sees of a vault.
public struct VaultStatus: Sendable, Equatable {
  /// Counts the destructions: 1 at first, one more with each.
  public var epoch: UInt64
  /// Keys of persons.
  public var subjectKeys: Int
  /// Keys of organizations.
  public var organizationKeys: Int
  /// Keys of expiring payloads.
  public var expiringKeys: Int
  /// Owners' keys that were destroyed, and owners fenced without having had one.
  public var destroyedKeys: Int
  /// Keys that are not on disk yet.
  public var pendingKeys: Int
  /// When the keys were last exported; nil where they never were.
  public var lastExport: Timestamp?
  /// Whether keys were destroyed since the last export, which so still holds them: it must be destroyed, and a new one
  /// made.
  public var isLastExportDead: Bool
  /// How many keys are newer than the last export, so that it would not bring them back. All where it is dead or there
  /// is none.
  public var keysNotExported: Int
  /// The root key's file.
  public var rootKeyFile: String
}

extension Vault {
  /// What there is in the vault now.
  public func status() -> VaultStatus {
    let store = snapshot
    let export = lastExport()
    var status = VaultStatus(
      epoch: store.epoch, subjectKeys: 0, organizationKeys: 0, expiringKeys: 0, destroyedKeys: 0,
      pendingKeys: store.pending.count, lastExport: export?.at,
      isLastExportDead: export.map { $0.epoch < store.epoch } ?? false, keysNotExported: 0, rootKeyFile: root.path)
    for record in store.records {
      guard record.destroyed == nil else {
        status.destroyedKeys += 1
        continue
      }
      switch record.owner {
      case .subject: status.subjectKeys += 1
      case .organization: status.organizationKeys += 1
      case .expiring: status.expiringKeys += 1
      case nil: break
      }
    }
    if let export, export.epoch == store.epoch {
      status.keysNotExported = max(0, store.records.count - Int(clamping: export.keyCount))
    } else {
      status.keysNotExported = store.records.count - status.destroyedKeys
    }
    return status
  }
}
