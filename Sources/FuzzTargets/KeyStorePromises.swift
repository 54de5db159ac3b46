import BasicTypes
import CanonicalJSON
import Crypto
import Vault

/// What must hold of every file that is taken for the vault's key store: no key comes out of it that wasn't written,
/// and none in another place.
enum KeyStorePromises {
  static func target() throws -> FuzzTarget {
    let whole = try store(of: written).bytes
    let few = try store(of: Array(written.prefix(3))).bytes
    let onlyHeader = Array(whole.prefix { $0 != UInt8(ascii: "\n") }) + [UInt8(ascii: "\n")]
    return FuzzTarget(
      .keys, seeds: [whole, few, onlyHeader, whole + few.suffix(40).dropLast()], words: words, check: check)
  }

  /// A key as it is written; destroyed where it has a time.
  private struct Written {
    let id: Identifier
    let kind: KeyKind
    var version: UInt32 = 1
    var destroyed: Timestamp?

    /// The key, which follows from its id.
    var key: SymmetricKey { SymmetricKey(data: SHA256.hash(data: Array("key \(id.text)".utf8))) }
  }

  private static let epoch: UInt64 = 3
  private static let epochKey = SymmetricKey(data: SHA256.hash(data: Array("epoch key".utf8)))
  private static let person = Identifier(high: 1, low: 1)
  private static let organization = Identifier(high: 3, low: 3)

  private static let written: [Written] = {
    let kinds: [(kind: KeyKind, destroyed: Timestamp?)] = [
      (.index, nil), (.signing, nil), (.data(.subject(person)), Timestamp(microseconds: 1_764_374_400_000_000)),
      (.data(.organization(organization)), nil),
      (.data(.expiring(organization: organization, retentionClass: "logs", month: "2026-11")), nil),
      (.data(.expiring(organization: nil, retentionClass: "logs", month: "2026-11")), nil),
      (.data(.subject(Identifier(high: 2, low: 2))), nil),
    ]
    return kinds.enumerated().map { index, each in
      Written(id: Identifier(high: 9, low: UInt64(index)), kind: each.kind, destroyed: each.destroyed)
    }
  }()

  private static let words = [
    #"{"epoch":3,"format":"daybook-keys/1"}"# + "\n", "\"id\":", "\"kind\":", "\"version\":", "\"destroyed\":",
    "\"organization\":", "\"subject\":", "\"class\":", "\"month\":", "\"wrapped\":", "\"index\"", "\"signing\"",
    "\"expiring\"", "\"2026-11\"", "\n", "\"\"", "null", "\u{0}\u{0}\u{0}\u{0}", "==",
    "\"2025-11-29T00:00:00.000000Z\"",
  ]

  static func check(_ input: [UInt8]) throws -> Bool {
    try checkLines(input)
    let contents: KeyStore.Contents
    do {
      contents = try read(input)
    } catch is VaultError {
      return false
    }
    let records = contents.store.records
    try promise("no key comes of a store that wasn't written", records.count <= written.count)
    if contents.store.epoch != epoch { try promise("no key comes of another epoch", records.isEmpty) }
    for (record, original) in zip(records, written) {
      try promise(
        "every key is the one that was written in its place",
        record.id == original.id && record.kind == original.kind && record.version == original.version
          && record.destroyed == original.destroyed)
      let key = record.unwrap(epoch: contents.store.epoch, epochKey: epochKey)
      try promise(
        "every key is intact", original.destroyed == nil ? key == original.key : key.map { $0.bitCount == 0 } ?? false)
    }
    try promise(
      "the sound lines are of the file, and whole",
      contents.byteCount <= input.count && input[contents.byteCount - 1] == UInt8(ascii: "\n"))
    if let damage = contents.damage {
      try promise("the damage is behind the last sound line", damage.line == UInt64(records.count) + 2)
    } else {
      try promise("all whole lines are sound", contents.byteCount == KeyStore.completeLines(input).byteCount)
    }
    for bytes in [Array(input[..<contents.byteCount]), contents.store.bytes] {
      let again = try read(bytes)
      try promise(
        "the sound lines alone, and as they are written again, are the same store, undamaged",
        again.damage == nil && again.store.records.map(\.bytes) == records.map(\.bytes))
    }
    return contents.damage == nil
  }

  private static func read(_ bytes: [UInt8]) throws -> KeyStore.Contents {
    try KeyStore.read(bytes, file: "keys", cacheCapacity: 2) { _ in epochKey }
  }

  /// Whatever can be read as the line of a key, sound or not, is written as one that is read the same.
  private static func checkLines(_ input: [UInt8]) throws {
    let (lines, byteCount) = KeyStore.completeLines(input)
    try promise("whole lines are of the file", byteCount <= input.count)
    for line in lines {
      // What isn't JSON is no key.
      guard let json = try? JSON.parse(line), let record = KeyRecord(json: json, line: 2) else { continue }
      let text = record.bytes
      let again = (try? JSON.parse(text.dropLast())).flatMap { KeyRecord(json: $0, line: 2) }
      try promise("a key is written as it was read", again?.bytes == text && again?.kind == record.kind)
      // An id may be in capitals, a time with another number of digits.
      try promise(
        "no member of a line is passed over",
        json.objectValue?.keys == (try JSON.parse(text.dropLast())).objectValue?.keys)
    }
  }

  private static func store(of keys: [Written]) throws -> KeyStore {
    var store = KeyStore(epoch: epoch, epochKey: epochKey, cacheCapacity: 2)
    for key in keys {
      let record = try KeyRecord(
        id: key.id, kind: key.kind, version: key.version, destroyed: key.destroyed, line: store.nextLine,
        key: key.destroyed == nil ? key.key : nil, epoch: epoch, epochKey: epochKey)
      try promise("a new key has its place", store.append(record))
    }
    return store
  }
}
