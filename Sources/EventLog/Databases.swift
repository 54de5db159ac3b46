import BasicTypes
import CanonicalJSON
import LMDB
import MerkleTree

/// The databases of the log's environment, and how their keys and values are made.
///
/// Values of the derived indexes end in eight bytes of SHA-256 over key and value, since LMDB's pages carry no checksum.
struct Databases: Sendable {
  let headers, bodies, history, states, unique, links, subjects, commands, tree, meta: Database

  static let names = [
    "headers", "bodies", "history", "states", "unique", "links", "subjects", "commands", "tree", "meta",
  ]
  /// The version of this layout, kept under `format` in `meta`.
  static let format = "daybook-log-1"

  init(_ environment: Environment) throws {
    let opened = try environment.databases(Databases.names)
    headers = opened[0]
    bodies = opened[1]
    history = opened[2]
    states = opened[3]
    unique = opened[4]
    links = opened[5]
    subjects = opened[6]
    commands = opened[7]
    tree = opened[8]
    meta = opened[9]
  }

  var all: [Database] { [headers, bodies, history, states, unique, links, subjects, commands, tree, meta] }
}

enum Key {
  static func position(_ position: UInt64) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 8) { buffer, count in
      for index in 0..<8 { buffer[index] = UInt8(truncatingIfNeeded: position >> UInt64(56 - 8 * index)) }
      count = 8
    }
  }

  static func history(_ resource: Identifier, _ version: Int64) -> [UInt8] {
    resource.bytes + position(UInt64(bitPattern: version))
  }

  static func tree(_ level: UInt8, _ index: UInt64) -> [UInt8] { [level] + position(index) }

  static func unique(_ constraint: String, _ key: [UInt8]) -> [UInt8] { Array(constraint.utf8) + [0] + key }

  static func links(to target: Identifier, type: String, from referrer: Identifier) -> [UInt8] {
    target.bytes + Array(type.utf8) + [0] + referrer.bytes
  }

  static func links(to target: Identifier, type: String) -> [UInt8] { target.bytes + Array(type.utf8) + [0] }

  static func subject(_ subject: Identifier, _ position: UInt64) -> [UInt8] { subject.bytes + Key.position(position) }

  static func command(_ actor: String, _ id: String) -> [UInt8] { Array(actor.utf8) + [0] + Array(id.utf8) }

  static func meta(_ name: String) -> [UInt8] { Array(name.utf8) }

  /// The eight bytes from an offset on, which must be there.
  static func readPosition(_ bytes: RawSpan, at offset: Int = 0) -> UInt64 {
    UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  static func readPosition(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var value: UInt64 = 0
    for byte in bytes.prefix(8) { value = value << 8 | UInt64(byte) }
    return value
  }
}

/// A value that carries eight bytes of SHA-256 over its key and itself.
enum Sealed {
  static func checksum(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> ArraySlice<UInt8> {
    var joined: [UInt8] = []
    joined.reserveCapacity(key.count + value.count + 1)
    joined.append(contentsOf: key)
    joined.append(0)
    joined.append(contentsOf: value)
    return joined.withUnsafeBytes { RFC6962.sha256($0) }.bytes.prefix(8)
  }

  static func wrap(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
    value + key.withUnsafeBytes { keyBytes in value.withUnsafeBytes { checksum(keyBytes, $0) } }
  }

  /// The value without its checksum; nil where the checksum is not its own.
  static func unwrap(_ key: UnsafeRawBufferPointer, _ stored: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard stored.count >= 8 else { return nil }
    let value = UnsafeRawBufferPointer(rebasing: stored[0..<(stored.count - 8)])
    let expected = checksum(key, value)
    return stored.suffix(8).elementsEqual(expected) ? value : nil
  }

  /// Whether a stored value ends in its own checksum.
  static func isIntact(_ key: RawSpan, _ stored: RawSpan) -> Bool {
    key.withUnsafeBytes { keyBytes in stored.withUnsafeBytes { unwrap(keyBytes, $0) != nil } }
  }

  /// A copy of the value without its checksum; nil where the checksum is not its own.
  static func value(_ key: RawSpan, _ stored: RawSpan) -> [UInt8]? {
    key.withUnsafeBytes { keyBytes in stored.withUnsafeBytes { unwrap(keyBytes, $0).map { [UInt8]($0) } } }
  }

  /// The position that a value of eight bytes holds; nil where it has another length or the checksum is not its own.
  static func position(_ key: RawSpan, _ stored: RawSpan) -> UInt64? {
    guard stored.byteCount == 16 else { return nil }
    return key.withUnsafeBytes { keyBytes in stored.withUnsafeBytes { unwrap(keyBytes, $0).map(Key.readPosition) } }
  }
}

/// What `meta` keeps under `head`: the right edge of the tree and the time of the last event.
struct StoredHead: Sendable, Equatable {
  var frontier = TreeFrontier()
  var at = Timestamp(microseconds: 0)

  var encoded: [UInt8] {
    var out = Key.position(frontier.size) + Key.position(UInt64(bitPattern: at.microseconds))
    for hash in frontier.hashes { out.append(contentsOf: hash.bytes) }
    return out
  }

  init() {}

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 16, (bytes.count - 16) % 32 == 0 else { return nil }
    let size = Key.readPosition(bytes)
    let micros = Int64(bitPattern: Key.readPosition(UnsafeRawBufferPointer(rebasing: bytes[8..<16])))
    var hashes: [Digest] = []
    for start in stride(from: 16, to: bytes.count, by: 32) {
      guard let hash = Digest(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + 32)])) else { return nil }
      hashes.append(hash)
    }
    guard let frontier = TreeFrontier(size: size, hashes: hashes) else { return nil }
    self.frontier = frontier
    at = Timestamp(microseconds: micros)
  }
}
