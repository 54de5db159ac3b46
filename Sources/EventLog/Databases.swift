import BasicTypes
import LMDB

#if canImport(Glibc)
  import Glibc
#endif

/// The databases of the log's environment, and how their keys and values are made.
///
/// Values of the derived indexes end in eight bytes of SHA-256 over key and value,
/// since LMDB's pages carry no checksum.
struct Databases: Sendable {
  let headers, bodies, history, states, unique, links, subjects, commands, tree, meta: Database

  static let names = [
    "headers", "bodies", "history", "states", "unique", "links", "subjects", "commands", "tree", "meta",
  ]
  /// The places of some databases among ``names``, by which records of the journal name them.
  static let headers: UInt8 = 0
  static let bodies: UInt8 = 1
  static let commands: UInt8 = 7
  static let subjects: UInt8 = 6
  static let meta: UInt8 = 9

  /// In the order of ``names``.
  let all: [Database]
  /// The place of a database among ``names``, by its number.
  private let places: [Int]

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
    all = opened
    var places = [Int](repeating: 0, count: (opened.map(\.number).max() ?? 0) + 1)
    for (place, database) in opened.enumerated() { places[database.number] = place }
    self.places = places
  }

  /// The place of a database among ``names``.
  func place(of database: Database) -> Int { places[database.number] }

  /// Those whose number of entries is kept in `meta`.
  var counted: [Database] { [states, unique, links, subjects, commands] }

}

enum Key {
  /// Whether one key comes before another one in LMDB's order: by bytes, the shorter of two that begin alike first.
  static func precedes(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    one.withUnsafeBytes { order(of: $0, and: other) } < 0
  }

  /// Less than 0 where the first key comes before the other one, 0 where they are the same, more where it comes behind.
  static func order(of one: UnsafeRawBufferPointer, and other: [UInt8]) -> Int {
    other.withUnsafeBytes { other in
      // An empty one may have no address.
      guard let left = one.baseAddress, let right = other.baseAddress else { return one.count - other.count }
      let order = memcmp(left, right, min(one.count, other.count))
      return order == 0 ? one.count - other.count : Int(order)
    }
  }

  static func position(_ position: UInt64) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 8) { buffer, count in
      for index in 0..<8 { buffer[index] = UInt8(truncatingIfNeeded: position >> UInt64(56 - 8 * index)) }
      count = 8
    }
  }

  static func history(_ resource: Identifier, _ version: Int64) -> [UInt8] {
    resource.bytes + position(UInt64(bitPattern: version))
  }

  /// The key of a tile of the tree (in logs of ``LogFormat/first``, of a node).
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
