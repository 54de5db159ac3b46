import BasicTypes
import CanonicalJSON
import Crypto
import Failpoints
import Files

#if canImport(Glibc)
  import Glibc
#endif

extension Vault {
  /// Where the root key lies when no file is named: beside the data folder, not in it, so that a copy of the folder
  /// holds no key that opens it.
  public static func defaultRootKeyFile(dataFolder: String) -> String {
    FileSystem.absolute(dataFolder) + ".root-key"
  }

  /// Opens the vault in a folder for reading and writing, and makes it where the folder is absent or empty.
  ///
  /// The folder stands in the data folder. Without `rootKeyFile`, the root key is in `<data folder>.root-key`; that
  /// file is made with a new vault and never for an existing one. What a crash interrupted is finished, and a last line
  /// that a crash tore is cut off. At most `cacheCapacity` data keys stay unwrapped in memory.
  ///
  /// - Parameter mayCut: Where lines at the end are damaged, as a power cut may leave those of the last keys: asked
  ///   whether nothing needs a key that is not in the vault it gets, which has the lines before them. They are cut off
  ///   then. Nil, or false from it, makes them an error.
  /// - Throws: ``VaultError`` that names the file and what to do.
  package static func open(
    folder path: String, rootKeyFile: String? = nil, cacheCapacity: Int = Vault.defaultCacheCapacity,
    failpoints: Failpoints = .none, mayCut: ((Vault) throws -> Bool)? = nil
  ) throws -> Vault {
    let folder = VaultFolder(path: FileSystem.absolute(path))
    let rootPath = rootKeyPath(folder, rootKeyFile)
    if try folder.isAbsentOrEmpty() {
      // An empty file is what a crash has left of making one.
      let isToBeMade = try rootKeyFile == nil && RootKey.isMissingOrEmpty(rootPath)
      let root = isToBeMade ? try RootKey.create(rootPath) : try RootKey.read(rootPath)
      guard let root else { throw unmade(rootPath) }
      try create(folder, root)
    }
    let lock = try lock(folder)
    do {
      let root = try root(of: folder, at: rootPath, finishing: true)
      let loaded = try load(folder, root, cacheCapacity: cacheCapacity)
      if let damage = loaded.contents.damage {
        let sound = try Vault(
          folder: folder, root: root, loaded: loaded, isReadOnly: true, lock: nil, cacheCapacity: cacheCapacity)
        guard try !damage.isOfDestruction && mayCut?(sound) ?? false else {
          throw KeyStore.damage(damage.line, folder.keys)
        }
      }
      try folder.shredLeftovers(epoch: loaded.store.epoch)
      return try Vault(
        folder: folder, root: root, loaded: loaded, isReadOnly: false, lock: lock, cacheCapacity: cacheCapacity,
        failpoints: failpoints)
    } catch {
      lock.release()
      throw error
    }
  }

  /// Opens the vault in a folder for reading, also beside a process that writes to it; changes nothing on disk.
  ///
  /// Keys that the writer makes or destroys later are noticed when a value is opened whose key is not known yet.
  ///
  /// - Throws: ``VaultError`` that names the file and what to do.
  public static func openReadOnly(
    folder path: String, rootKeyFile: String? = nil, cacheCapacity: Int = Vault.defaultCacheCapacity
  ) throws -> Vault {
    let folder = VaultFolder(path: FileSystem.absolute(path))
    let root = try root(of: folder, at: rootKeyPath(folder, rootKeyFile), finishing: false)
    let loaded = try load(folder, root, cacheCapacity: cacheCapacity)
    if let damage = loaded.contents.damage { throw KeyStore.damage(damage.line, folder.keys) }
    return try Vault(
      folder: folder, root: root, loaded: loaded, isReadOnly: true, lock: nil, cacheCapacity: cacheCapacity)
  }

  /// What the files of a vault say.
  struct Loaded {
    let contents: KeyStore.Contents
    /// The file that was read.
    let identity: FileIdentity?
    var store: KeyStore { contents.store }
  }

  /// Reads the store and the key of the epoch that it names.
  static func load(_ folder: VaultFolder, _ root: RootKey, cacheCapacity: Int) throws -> Loaded {
    var attempts = 0
    while true {
      let identity = try FileSystem.identity(folder.keys)
      do {
        return try loadOnce(folder, root, identity, cacheCapacity: cacheCapacity)
      } catch {
        // A writer that begins a new epoch replaces the store and shreds the old one under a reader.
        attempts += 1
        guard attempts < 10, let identity, let now = try FileSystem.identity(folder.keys),
          !now.isSameFile(as: identity)
        else { throw error }
      }
    }
  }

  private static func loadOnce(
    _ folder: VaultFolder, _ root: RootKey, _ identity: FileIdentity?, cacheCapacity: Int
  ) throws -> Loaded {
    guard let bytes = try FileSystem.read(folder.keys) else { throw lost(folder.keys, "missing") }
    let contents = try KeyStore.read(bytes, file: folder.keys, cacheCapacity: cacheCapacity) { epoch in
      return try epochKey(epoch, folder).unwrap(root: root, file: folder.epochKey(epoch))
    }
    return Loaded(contents: contents, identity: identity)
  }

  /// The key of an epoch, wrapped, as its file holds it.
  private static func epochKey(_ epoch: UInt64, _ folder: VaultFolder) throws -> WrappedEpochKey {
    let file = folder.epochKey(epoch)
    guard let bytes = try FileSystem.read(file) else { throw lost(file, "missing") }
    // What is not JSON is damage like any other.
    guard case .object(let object)? = try? JSON.parse(bytes), let wrapped = WrappedEpochKey(object: object),
      wrapped.epoch == epoch
    else { throw lost(file, "damaged") }
    return wrapped
  }

  /// Which root key wrapped the vault in force; nil where there is no vault.
  static func rootFingerprint(_ folder: VaultFolder) throws -> String? {
    guard let bytes = try FileSystem.read(folder.keys), let header = KeyStore.completeLines(bytes).lines.first else {
      return nil
    }
    return try epochKey(KeyStore.epoch(inHeader: header, file: folder.keys), folder).rootKey
  }

  private static func lost(_ file: String, _ how: String) -> VaultError {
    VaultError(
      .storeDamaged,
      "\(file) is \(how), and no key can be used without it. The log may be whole (daybook verify). Put the file back, or "
        + "move the vault away and take the keys of an export (daybook keys import).")
  }

  /// Makes a vault with its index key and signing key, so that it appears whole or not at all.
  private static func create(_ folder: VaultFolder, _ root: RootKey) throws {
    var store = KeyStore(epoch: 1, epochKey: SymmetricKey(size: .bits256), cacheCapacity: 2)
    _ = try store.makeKey(.index)
    let signing = Curve25519.Signing.PrivateKey()
    _ = try store.makeKey(.signing, key: SymmetricKey(data: signing.rawRepresentation))
    let epochKey = try WrappedEpochKey(epoch: 1, key: store.epochKey, root: root)
    try publish(folder, epochKey: epochKey, keys: store.bytes)
  }

  /// Puts the two files of a vault in a folder that is absent or empty.
  static func publish(_ folder: VaultFolder, epochKey: WrappedEpochKey, keys: [UInt8]) throws {
    let unborn = folder.unborn
    for name in try FileSystem.names(in: unborn.path) ?? [] { try FileSystem.remove("\(unborn.path)/\(name)") }
    try FileSystem.makeFolder(unborn.path)
    try FileSystem.create(unborn.epochKey(epochKey.epoch), epochKey.bytes)
    try FileSystem.create(unborn.keys, keys)
    try FileSystem.create(unborn.lock, [])
    try FileSystem.syncFolder(unborn.path)
    try FileSystem.rename(unborn.path, to: folder.path)
    try FileSystem.syncFolder(FileSystem.parent(of: folder.path) ?? ".")
  }

  static func rootKeyPath(_ folder: VaultFolder, _ given: String?) -> String {
    if let given { return FileSystem.absolute(given) }
    return defaultRootKeyFile(dataFolder: FileSystem.parent(of: folder.path) ?? ".")
  }

  static func requireRootKey(_ path: String) throws -> RootKey {
    guard let root = try RootKey.read(path) else { throw missing(path) }
    return root
  }

  /// There is no vault yet, and a file that somebody names is theirs to make: where it lies on a disk that isn't
  /// mounted, a new key would be lost with the next start, and with it everything.
  private static func unmade(_ path: String) -> VaultError {
    VaultError(
      .rootKeyMissing,
      "There is no root key at \(path), and one that --root-key-file names is not made by itself. For a new data folder "
        + "make it: (umask 077; head -c 32 /dev/urandom | base64 >\(path))"
    )
  }

  private static func missing(_ path: String) -> VaultError {
    VaultError(
      .rootKeyMissing,
      "The root key file \(path) is missing: put it back, or name the right one with --root-key-file. "
        + "Nothing can be read without it."
    )
  }

  /// The lock of the only writer, which ends with the process.
  private static func lock(_ folder: VaultFolder) throws -> FileLock {
    guard let lock = try FileLock.take(folder.lock, as: VaultError.self) else {
      throw VaultError(.inUse, "Another process has the vault \(folder.path) open: stop it first.")
    }
    return lock
  }
}
