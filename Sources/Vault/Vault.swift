import BasicTypes
import CanonicalJSON
import Crypto
import Failpoints
import Files
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// The keys: what makes personal and secret values readable, and, when one is destroyed, unreadable for ever.
///
/// A root key, which the operator holds outside the data folder, wraps the key of the current epoch; that wraps every
/// data key, the key of look-up hashes and the key that signs checkpoints. All methods can be called from any thread.
/// What is sealed with a new key may be committed only after ``persistPendingKeys()`` has returned.
public final class Vault: Sendable {
  /// How many data keys stay unwrapped in memory where nothing else is asked for.
  public static let defaultCacheCapacity = 16_384

  let folder: VaultFolder
  let root: RootKey
  let isReadOnly: Bool
  let cacheCapacity: Int
  let failpoints: Failpoints
  private let indexKey: KeyedHash

  /// The Ed25519 key that signs checkpoints; the same for the vault's whole life.
  public let signingKey: Curve25519.Signing.PrivateKey

  /// What is read and changed in memory; held for microseconds.
  let store: NIOLockedValueBox<KeyStore>
  /// Whose values are only stored, with the resources that hold some in the clear.
  let restricted = NIOLockedValueBox<[Identifier: Set<Identifier>]>([:])
  /// For sealing.
  let nonces = NIOLockedValueBox(NoncePool())
  /// What is on disk. Held while files change, always taken before `store`, never by readers.
  let disk: NIOLockedValueBox<Disk>

  /// The open files, and what they hold.
  struct Disk: Sendable {
    /// The store, open for writing; -1 where the vault is read-only or closed.
    var keys: Int32
    /// Holds the lock of the only writer.
    var lock: FileLock?
    /// How much of the store is whole lines.
    var length: Int64
    /// The store that was read last (read-only vaults follow the file).
    var identity: FileIdentity?
    /// A destruction was committed and its leftovers are not shredded yet.
    var isUnsettled = false
  }

  init(
    folder: VaultFolder, root: RootKey, loaded: Loaded, isReadOnly: Bool, lock: FileLock?, cacheCapacity: Int,
    failpoints: Failpoints = .none
  ) throws {
    guard let indexKey = loaded.store.onlyKey(.index), let signing = loaded.store.onlyKey(.signing) else {
      throw VaultError(
        .storeDamaged, "\(folder.keys) lacks the index key or the signing key: restore the keys from an export.")
    }
    self.folder = folder
    self.root = root
    self.isReadOnly = isReadOnly
    self.cacheCapacity = cacheCapacity
    self.failpoints = failpoints
    self.indexKey = KeyedHash(indexKey)
    signingKey = try signing.withUnsafeBytes { try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
    store = NIOLockedValueBox(loaded.store)
    var keys: Int32 = -1
    if !isReadOnly {
      keys = Glibc.open(folder.keys, O_WRONLY | O_CLOEXEC)
      guard keys >= 0 else { throw FileSystem.failure("open", folder.keys) }
      guard ftruncate(keys, off_t(loaded.contents.byteCount)) == 0 else {
        let failure = FileSystem.failure("cut the torn last line off", folder.keys)
        Glibc.close(keys)
        throw failure
      }
    }
    disk = NIOLockedValueBox(
      Disk(keys: keys, lock: lock, length: Int64(loaded.contents.byteCount), identity: loaded.identity))
  }

  deinit { close() }

  /// Lets go of the files, so that another process can open the vault. Values still open and seal; nothing can be
  /// persisted.
  public func close() {
    disk.withLockedValue { disk in
      if disk.keys >= 0 { Glibc.close(disk.keys) }
      disk.lock?.release()
      disk.keys = -1
      disk.lock = nil
    }
  }

  /// Where the signed head of the log is kept in this vault. Also who has the vault open for reading only may write it,
  /// where they have the log open: it holds no keys.
  public var keptHead: KeptHead { KeptHead(vaultFolder: folder.path) }

  /// The 32 bytes of the Ed25519 public key that checks checkpoints.
  public var verifierKey: [UInt8] { Array(signingKey.publicKey.rawRepresentation) }

  /// 32 bytes that stand for others where they must be found by equality: HMAC-SHA256 under a key of this vault, which
  /// stays when keys are destroyed. Different labels give unrelated hashes of the same bytes.
  public func lookupHash(_ label: String, _ bytes: [UInt8]) -> [UInt8] {
    var message: [UInt8] = []
    message.reserveCapacity(8 + label.utf8.count + bytes.count)
    message.append(bigEndian: UInt64(label.utf8.count))
    message.append(contentsOf: label.utf8)
    message.append(contentsOf: bytes)
    return indexKey.code(message) { Array($0) }
  }

  /// Remembers which keys there are, for ``forgetUnmarkedKeys()``.
  public func markKeys() { store.withLockedValue { $0.mark() } }

  /// Forgets the keys made since ``markKeys()``, unless they were made durable meanwhile: for when nothing that was
  /// sealed with them is kept. To be called by whoever alone seals.
  public func forgetUnmarkedKeys() {
    guard store.withLockedValue(\.hasUnmarked) else { return }
    // An export may be making them durable at this moment; a line of the file is forgotten no more.
    disk.withLockedValue { _ in store.withLockedValue { $0.forgetUnmarked() } }
  }

  /// Whether a key was made whose loss in a crash would make what it sealed unreadable.
  public var hasPendingKeys: Bool { store.withLockedValue { !$0.pending.isEmpty } }

  /// Appends the keys made since the last call to the store and syncs it. Returns at once where there are none.
  ///
  /// - Throws: ``VaultError``; the keys then still wait, and the next call tries them again.
  public func persistPendingKeys() throws {
    guard hasPendingKeys else { return }
    try disk.withLockedValue { disk in
      if disk.isUnsettled { try settle(&disk) }
      let (bytes, count) = store.withLockedValue { store in
        (store.pending.reduce(into: [UInt8]()) { $0 += $1.bytes }, store.records.count)
      }
      guard !bytes.isEmpty else { return }
      try requireWritable(disk)
      try FileSystem.write(bytes, to: disk.keys, at: disk.length, folder.keys)
      try failpoints.reached(.keysAppended)
      guard fdatasync(disk.keys) == 0 else { throw FileSystem.failure("sync", folder.keys) }
      try failpoints.reached(.keysSynced)
      disk.length += Int64(bytes.count)
      store.withLockedValue { $0.markDurable(count) }
    }
  }

  /// The keys as they are now.
  var snapshot: KeyStore { store.withLockedValue { $0 } }

  func requireWritable(_ disk: Disk) throws(VaultError) {
    guard !isReadOnly, disk.keys >= 0 else {
      throw VaultError(.readOnly, "The vault \(folder.path) is open for reading only, or closed.")
    }
  }

  /// Finishes a destruction whose rename is done: makes that durable, then shreds what it replaced.
  func settle(_ disk: inout Disk) throws {
    try folder.shredLeftovers(epoch: snapshot.epoch, failpoints)
    disk.isUnsettled = false
  }
}
