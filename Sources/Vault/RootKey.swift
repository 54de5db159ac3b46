import BasicTypes
import CanonicalJSON
import Crypto
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// The key that the operator holds: everything in the vault is wrapped under it, directly or through the epoch key.
///
/// Its file has 32 bytes in base64 and a line feed, and nobody but its owner may read it.
struct RootKey: Sendable {
  let path: String
  let key: SymmetricKey
  /// Eight bytes in hex that tell root keys apart and say nothing about them.
  let fingerprint: String

  private init(path: String, key: SymmetricKey) {
    self.path = path
    self.key = key
    let code = HMAC<SHA256>.authenticationCode(for: Array("daybook root key".utf8), using: key)
    fingerprint = Hex.encode(Array(Array(code)[..<8]))
  }

  /// The same key, which is or will be in another file.
  func moved(to path: String) -> RootKey { RootKey(path: path, key: key) }

  /// The key in that file; nil where there is no file.
  static func read(_ path: String) throws -> RootKey? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw FileSystem.failure("examine the root key file", path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw VaultError(.rootKeyWrong, "The root key \(path) is not a file.")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw VaultError(
        .rootKeyUnsafe, "Others than its owner can use the root key file \(path): run chmod 600 on it.")
    }
    guard status.st_uid == geteuid() || status.st_uid == 0 else {
      throw VaultError(
        .rootKeyUnsafe, "The root key file \(path) belongs to another user: give it to the user that runs Daybook.")
    }
    guard var bytes = try FileSystem.read(path) else { return nil }
    defer { bytes.erase() }
    while let last = bytes.last, last == 0x0A || last == 0x0D || last == 0x20 { bytes.removeLast() }
    guard var key = bytes.withUnsafeBufferPointer({ Base64.decode(utf8: $0) }), key.count == 32 else {
      throw VaultError(
        .rootKeyWrong, "The root key file \(path) does not hold a root key: 32 bytes in base64 on one line.")
    }
    defer { key.erase() }
    return RootKey(path: path, key: SymmetricKey(data: key))
  }

  /// Whether there is no file, or one without a byte: as a crash could leave it in earlier versions.
  static func isMissingOrEmpty(_ path: String) throws(VaultError) -> Bool {
    try FileSystem.identity(path).map { $0.size == 0 } ?? true
  }

  /// Makes a new key in a new file, which appears whole and durable or not at all. Where another process makes it at
  /// the same moment, both have the same key.
  static func create(_ path: String) throws -> RootKey {
    let parent = FileSystem.parent(of: path) ?? "."
    try FileSystem.makeFolder(parent)
    let unborn = path + ".new"
    let descriptor = open(unborn, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileSystem.failure("create", unborn) }
    defer { close(descriptor) }
    // One process at a time; who waits finds the file renamed afterwards.
    guard flock(descriptor, LOCK_EX) == 0 else { throw FileSystem.failure("lock", unborn) }
    var held = stat()
    guard fstat(descriptor, &held) == 0 else { throw FileSystem.failure("examine", unborn) }
    let isOurs = try FileSystem.identity(unborn).map { $0.inode == held.st_ino && $0.device == held.st_dev } ?? false
    guard isOurs, try isMissingOrEmpty(path) else {
      guard let made = try read(path) else { throw FileSystem.failure("read the root key file", path) }
      return made
    }
    let key = SymmetricKey(size: .bits256)
    var text = Array((key.withUnsafeBytes { Base64.encode($0) } + "\n").utf8)
    defer { text.erase() }
    guard fchmod(descriptor, 0o600) == 0, ftruncate(descriptor, 0) == 0 else {
      throw FileSystem.failure("write", unborn)
    }
    try FileSystem.write(text, to: descriptor, at: 0, unborn)
    guard fsync(descriptor) == 0 else { throw FileSystem.failure("sync", unborn) }
    try FileSystem.rename(unborn, to: path)
    try FileSystem.syncFolder(parent)
    return RootKey(path: path, key: key)
  }
}

/// The key of an epoch as its file and an export hold it: wrapped under the root key.
struct WrappedEpochKey: Sendable {
  static let format = "daybook-epoch-key/1"

  let epoch: UInt64
  let rootKey: String
  let wrapped: [UInt8]

  /// Wraps an epoch's key.
  init(epoch: UInt64, key: SymmetricKey, root: RootKey) throws {
    self.epoch = epoch
    rootKey = root.fingerprint
    wrapped = try KeyWrap.wrap(key, under: root.key, authenticating: WrappedEpochKey.authenticated(epoch))
  }

  /// The wrapped key that an object holds; nil where it is not one.
  init?(object: JSONObject) {
    guard object["format"]?.stringValue == WrappedEpochKey.format, let number = object["epoch"]?.integerValue,
      let epoch = UInt64(exactly: number), let rootKey = object["root_key"]?.stringValue,
      let text = object["wrapped"]?.stringValue, let wrapped = Base64.decode(text)
    else { return nil }
    self.epoch = epoch
    self.rootKey = rootKey
    self.wrapped = wrapped
  }

  var object: JSONObject {
    [
      "format": .string(WrappedEpochKey.format), "epoch": .integer(Int64(epoch)), "root_key": .string(rootKey),
      "wrapped": .string(Base64.encode(wrapped)),
    ]
  }

  var bytes: [UInt8] { object.canonicalBytes + [UInt8(ascii: "\n")] }

  /// The epoch's key.
  ///
  /// - Throws: ``VaultError`` that tells a wrong root key from a damaged file.
  func unwrap(root: RootKey, file: String) throws(VaultError) -> SymmetricKey {
    guard rootKey == root.fingerprint else {
      throw VaultError(
        .rootKeyWrong,
        "The root key in \(root.path) is not the one that wrapped \(file): give the right one with --root-key-file.")
    }
    let key = KeyWrap.unwrap(wrapped, under: root.key, authenticating: WrappedEpochKey.authenticated(epoch))
    guard let key, key.bitCount == 256 else {
      throw VaultError(.storeDamaged, "\(file) is damaged: restore it from an export of the keys.")
    }
    return key
  }

  private static func authenticated(_ epoch: UInt64) -> [UInt8] {
    var bytes = Array("daybook epoch key".utf8)
    bytes.append(bigEndian: epoch)
    return bytes
  }
}

extension [UInt8] {
  /// Overwrites the bytes where they lie. Best effort: copies that were made before are not found.
  mutating func erase() {
    withUnsafeMutableBytes { buffer in
      if let start = buffer.baseAddress { explicit_bzero(start, buffer.count) }
    }
  }
}
