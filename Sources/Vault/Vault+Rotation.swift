import BasicTypes
import Crypto
import Failpoints
import Files
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// What a rotation of keys has done.
public struct KeyRotation: Sendable, Equatable {
  /// The epoch that began with it.
  public var epoch: UInt64
  /// How many keys are wrapped anew.
  public var wrappedKeys: Int
  /// How many persons and organizations got a new key, under which values are sealed from now on.
  public var newDataKeys: Int
  /// The root key's file from now on.
  public var rootKeyFile: String
}

extension Vault {
  /// Begins a new epoch under a new root key: every key is wrapped anew, and what was wrapped under the old root key is
  /// overwritten. Exports made before, and copies of the vault, need the old root key from then on; destroy it with
  /// them. No value is sealed anew, and every value stays readable.
  ///
  /// Nobody else may have the vault open for writing. After a crash at any point the vault opens with the old root key
  /// or with the new one, and opening it finishes what was begun.
  ///
  /// - Parameters:
  ///   - folder: The vault's folder.
  ///   - rootKeyFile: The root key in force; by default the one beside the data folder.
  ///   - newRootKeyFile: The new root key, which is made where there is no such file. The old file stays as it is, and
  ///     whoever opens the vault names the new one. Nil puts a new key into the place of the old one, which is
  ///     overwritten.
  ///   - renewingDataKeys: Whether persons and organizations get new keys too. Values that are sealed already keep
  ///     theirs, so that old keys stay until they are destroyed; months of expiring payloads have keys of their own as
  ///     it is.
  /// - Throws: ``VaultError``: `inUse` where a server runs, `rootKeyWrong` where the new root key is the old one.
  package static func rotateKeys(
    folder path: String, rootKeyFile: String? = nil, newRootKeyFile: String? = nil, renewingDataKeys: Bool = false,
    failpoints: Failpoints = .none
  ) throws -> KeyRotation {
    // Opening finishes what an earlier rotation left behind.
    let vault = try open(folder: path, rootKeyFile: rootKeyFile, cacheCapacity: 2, failpoints: failpoints)
    defer { vault.close() }
    let target = newRootKeyFile.map { FileSystem.absolute($0) } ?? RotatedRootKey(path: vault.root.path).next
    let new = try RootKey.read(target) ?? RootKey.create(target)
    guard new.fingerprint != vault.root.fingerprint else {
      throw VaultError(
        .rootKeyWrong,
        "The root key in \(target) is the one in force: name a file that is not there yet, or another key.")
    }
    try failpoints.reached(.rotationRootKeyMade)
    return try vault.disk.withLockedValue { disk in
      var store = try vault.rewrapped(vault.snapshot, destroyed: \.destroyed)
      let wrapped = store.records.count { $0.destroyed == nil }
      var renewed = 0
      if renewingDataKeys {
        for owner in store.livingOwners where !owner.canReturn {
          _ = try store.makeKey(.data(owner))
          renewed += 1
        }
      }
      let keys: Int32
      do {
        keys = try vault.replaceStore(store, store.bytes, root: new)
      } catch {
        // Nothing is committed: the vault is as it was, but for leftovers, which the next opening removes.
        // What this leaves, the next opening removes; what went wrong first is what is to be told.
        try? vault.folder.shredLeftovers(epoch: vault.snapshot.epoch)
        throw error
      }
      Glibc.close(disk.keys)
      disk.keys = keys
      try failpoints.reached(.destructionStoreRenamed)
      try vault.folder.shredLeftovers(epoch: store.epoch, failpoints)
      try failpoints.reached(.rotationCommitted)
      if newRootKeyFile == nil { try RotatedRootKey(path: vault.root.path).finish(failpoints) }
      return KeyRotation(
        epoch: store.epoch, wrappedKeys: wrapped, newDataKeys: renewed,
        rootKeyFile: newRootKeyFile == nil ? vault.root.path : target)
    }
  }

  /// The root key that the vault in force is wrapped under: the one in the file, or, where a rotation was cut short,
  /// the one that is to take its place.
  ///
  /// - Parameter finishing: Finishes such a rotation, or undoes one that was not committed. Only for whoever has the
  ///   vault's lock.
  static func root(of folder: VaultFolder, at path: String, finishing: Bool) throws -> RootKey {
    let given = try requireRootKey(path)
    let rotation = RotatedRootKey(path: path)
    guard FileSystem.exists(rotation.next) || FileSystem.exists(rotation.old),
      let fingerprint = try rootFingerprint(folder)
    else { return given }
    if given.fingerprint == fingerprint {
      if finishing { try rotation.clear() }
      return given
    }
    guard let next = try RootKey.read(rotation.next), next.fingerprint == fingerprint else { return given }
    if finishing {
      // The store that the new key opens must be durable before the old key goes.
      try FileSystem.syncFolder(folder.path)
      try rotation.finish(.none)
    }
    return next.moved(to: path)
  }
}

/// The files that stand beside a root key's while it is replaced.
private struct RotatedRootKey {
  let path: String
  /// The key that is to take the place.
  var next: String { path + ".daybook-next" }
  /// A second name of the old key, under which it is found for overwriting.
  var old: String { path + ".daybook-old" }

  /// Puts the new key into place and overwrites the old one. Can be called again after a crash.
  func finish(_ failpoints: Failpoints) throws {
    if FileSystem.exists(next) {
      if !FileSystem.exists(old) { try FileSystem.link(path, to: old) }
      try FileSystem.rename(next, to: path)
      try FileSystem.syncFolder(FileSystem.parent(of: path) ?? ".")
      try failpoints.reached(.rotationRootKeyRenamed)
    }
    try clear()
  }

  /// Overwrites and removes what is not the key in force.
  func clear() throws {
    let current = try FileSystem.identity(path)
    for file in [old, next] {
      guard let identity = try FileSystem.identity(file) else { continue }
      if let current, !identity.isSameFile(as: current) { try FileSystem.erase(file) }
      try FileSystem.remove(file)
    }
    try FileSystem.syncFolder(FileSystem.parent(of: path) ?? ".")
  }
}
