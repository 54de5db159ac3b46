import BasicTypes
import Crypto
import Failpoints
import Files
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

extension Vault {
  /// Destroys every key of these owners: what they sealed reads as erased from now on, and nobody can read it again,
  /// with any old copy of the files and the root key, unless a copy of an old epoch's key was kept (GDPR Art. 17).
  ///
  /// Begins a new epoch: all surviving keys are wrapped under a new epoch key in a new store, which replaces the old
  /// one by a rename; then the old epoch key and the old store are overwritten and removed. After a crash at any point
  /// the vault opens with all of these keys or with none of them, and opening finishes what was begun. An owner without
  /// a key is fenced all the same, so that none is made later; months of expiring payloads are not. Calling again for
  /// the same owners does nothing but finish what an error left. Making new keys waits until this returns; opening does
  /// not.
  ///
  /// - Returns: how many keys were destroyed.
  /// - Throws: ``VaultError``. Until the store was replaced, nothing has changed; after it, the keys are gone and a
  ///   further call finishes.
  @discardableResult
  public func destroy(_ owners: [KeyOwner]) throws -> Int {
    let time = Timestamp.now
    for owner in owners { try owner.check() }
    return try disk.withLockedValue { disk in
      try requireWritable(disk)
      if disk.isUnsettled { try settle(&disk) }
      let old = snapshot
      guard let change = try successor(of: old, destroying: Set(owners), at: time) else { return 0 }
      let bytes = change.store.bytes
      let keys: Int32
      do {
        keys = try replaceStore(change.store, bytes, root: root)
      } catch {
        // Nothing is committed: the old epoch stays, and what was begun goes, now or when the vault is opened next.
        do { try folder.shredLeftovers(epoch: old.epoch) } catch { disk.isUnsettled = true }
        throw error
      }
      // From the rename on, the new store is the vault.
      Glibc.close(disk.keys)
      disk.keys = keys
      disk.length = Int64(bytes.count)
      disk.isUnsettled = true
      store.withLockedValue { $0 = change.store }
      try failpoints.reached(.destructionStoreRenamed)
      try settle(&disk)
      return change.destroyed
    }
  }

  /// The store of the next epoch without the keys of those owners; nil where none of them has one and all are fenced.
  private func successor(
    of old: KeyStore, destroying owners: Set<KeyOwner>, at time: Timestamp
  ) throws -> (store: KeyStore, destroyed: Int)? {
    let unfenced = owners.filter { !$0.canReturn && old.newest(of: $0) == nil }
    let doomed = old.records.filter { record in
      guard let owner = record.owner, record.destroyed == nil else { return false }
      return owners.contains(owner)
    }
    guard !doomed.isEmpty || !unfenced.isEmpty else { return nil }
    let doomedIDs = Set(doomed.map(\.id))
    var new = try rewrapped(old) { record in doomedIDs.contains(record.id) ? time : record.destroyed }
    for owner in unfenced { try new.add(KeyStore.newID(), .data(owner), 1, destroyed: time, nil) }
    new.markAllDurable()
    return (new, doomed.count)
  }

  /// The records of a store under the key of a new epoch, without the keys of those that are destroyed by then.
  ///
  /// - Parameter destroyed: When the key of a record was destroyed, or is now; nil for one that stays.
  func rewrapped(_ old: KeyStore, destroyed: (KeyRecord) -> Timestamp?) throws -> KeyStore {
    var new = KeyStore(epoch: old.epoch + 1, epochKey: SymmetricKey(size: .bits256), cacheCapacity: cacheCapacity)
    for record in old.records {
      if let time = destroyed(record) {
        try new.add(record.id, record.kind, record.version, destroyed: time, nil)
      } else {
        guard let key = record.unwrap(epoch: old.epoch, epochKey: old.epochKey) else {
          throw KeyStore.damage(record.line, folder.keys)
        }
        try new.add(record.id, record.kind, record.version, destroyed: nil, key)
      }
    }
    return new
  }

  /// Writes the next epoch's files, its key under that root key, and renames the store into place: the moment of
  /// commitment. Returns the new store, open for writing.
  func replaceStore(_ new: KeyStore, _ bytes: [UInt8], root: RootKey) throws -> Int32 {
    let epochKey = try WrappedEpochKey(epoch: new.epoch, key: new.epochKey, root: root)
    try FileSystem.create(folder.epochKey(new.epoch), epochKey.bytes)
    try FileSystem.syncFolder(folder.path)
    try failpoints.reached(.destructionEpochKeyWritten)
    try FileSystem.create(folder.newKeys, bytes)
    try failpoints.reached(.destructionStoreWritten)
    // Keeps a name for the old store, so that a crash after the rename still finds it to overwrite.
    try FileSystem.link(folder.keys, to: folder.oldKeys)
    try failpoints.reached(.destructionStoreLinked)
    let descriptor = Glibc.open(folder.newKeys, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.failure("open", folder.newKeys) }
    do {
      try FileSystem.rename(folder.newKeys, to: folder.keys)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    return descriptor
  }
}
