import BasicTypes
import CanonicalJSON
import Crypto

/// The keys of one epoch: what the file `keys` says, and what it will say once the pending ones are appended.
package struct KeyStore: Sendable {
  static let format = "daybook-keys/1"

  package let epoch: UInt64
  package let epochKey: SymmetricKey
  /// In the order of their lines; the first is line 2.
  package private(set) var records: [KeyRecord] = []
  /// How many of the records are in the file.
  private(set) var durableCount = 0
  private var positions: [Identifier: Int] = [:]
  private var newest: [KeyOwner: Int] = [:]
  private var cache: KeyCache
  /// Whether a key of an owner who gets no other was destroyed.
  private(set) var hasErasures = false
  /// How many records there were when ``mark()`` was called last.
  private var markedCount = 0

  package init(epoch: UInt64, epochKey: SymmetricKey, cacheCapacity: Int) {
    self.epoch = epoch
    self.epochKey = epochKey
    cache = KeyCache(capacity: cacheCapacity)
  }

  /// The first line of the file.
  static func header(epoch: UInt64) -> [UInt8] {
    (["format": .string(format), "epoch": .integer(Int64(epoch))] as JSONObject).canonicalBytes
      + [UInt8(ascii: "\n")]
  }

  /// The line that the next record gets.
  package var nextLine: UInt64 { UInt64(records.count) + 2 }

  /// The records that are not yet in the file.
  var pending: ArraySlice<KeyRecord> { records[durableCount...] }

  func record(_ id: Identifier) -> KeyRecord? { positions[id].map { records[$0] } }

  /// The last key made for an owner, destroyed or not.
  func newest(of owner: KeyOwner) -> KeyRecord? { newest[owner].map { records[$0] } }

  /// Who has a key that is not destroyed.
  var livingOwners: [KeyOwner] {
    newest.filter { records[$0.value].destroyed == nil }.sorted { $0.value < $1.value }.map(\.key)
  }

  /// Adds a record behind all others; false where its id is taken or its line is not the next.
  package mutating func append(_ record: KeyRecord) -> Bool {
    guard record.line == nextLine, positions[record.id] == nil else { return false }
    positions[record.id] = records.count
    if let owner = record.owner { newest[owner] = records.count }
    records.append(record)
    if record.destroyed != nil, record.owner?.canReturn == false { hasErasures = true }
    return true
  }

  /// Adds a key, wrapped under that of this epoch; a destroyed one where there is no key.
  mutating func add(
    _ id: Identifier, _ kind: KeyKind, _ version: UInt32, destroyed: Timestamp?, _ key: SymmetricKey?
  ) throws {
    let record = try KeyRecord(
      id: id, kind: kind, version: version, destroyed: destroyed, line: nextLine, key: key, epoch: epoch,
      epochKey: epochKey)
    guard append(record) else { preconditionFailure("the ids of one store are unique") }
  }

  mutating func markAllDurable() { durableCount = records.count }

  mutating func markDurable(_ count: Int) { durableCount = max(durableCount, count) }

  /// Remembers which keys there are.
  mutating func mark() { markedCount = records.count }

  /// Whether keys were made since ``mark()`` that are not in the file.
  var hasUnmarked: Bool { records.count > max(markedCount, durableCount) }

  /// Forgets those.
  mutating func forgetUnmarked() {
    while hasUnmarked, let record = records.popLast() {
      positions[record.id] = nil
      cache.remove(record.id)
      guard let owner = record.owner else { continue }
      newest[owner] = record.version > 1 ? records.lastIndex { $0.owner == owner } : nil
    }
  }

  /// The key of a record that is not destroyed, ready for use.
  mutating func dataKey(_ record: KeyRecord) throws(VaultError) -> DataKey {
    if let key = cache.key(record.id) { return key }
    guard let unwrapped = record.unwrap(epoch: epoch, epochKey: epochKey) else {
      throw VaultError(.storeDamaged, "The key \(record.id) in memory is damaged: restart Daybook.")
    }
    let key = DataKey(id: record.id, version: record.version, key: unwrapped)
    cache.insert(key)
    return key
  }

  /// Makes a key that waits to be appended to the file.
  mutating func makeKey(_ kind: KeyKind, key: SymmetricKey = SymmetricKey(size: .bits256)) throws -> DataKey {
    var version: UInt32 = 1
    if case .data(let owner) = kind, let last = newest(of: owner) { version = last.version + 1 }
    let record = try KeyRecord(
      id: KeyStore.newID(), kind: kind, version: version, destroyed: nil, line: nextLine, key: key, epoch: epoch,
      epochKey: epochKey)
    guard append(record) else { preconditionFailure("122 random bits came twice") }
    let dataKey = DataKey(id: record.id, version: version, key: key)
    cache.insert(dataKey)
    return dataKey
  }

  /// The key of the one record of a kind that every store has; nil where it is missing or twice there.
  func onlyKey(_ kind: KeyKind) -> SymmetricKey? {
    let matching = records.filter { $0.kind == kind }
    guard matching.count == 1, matching[0].destroyed == nil else { return nil }
    return matching[0].unwrap(epoch: epoch, epochKey: epochKey)
  }

  /// The whole file.
  package var bytes: [UInt8] {
    var bytes = KeyStore.header(epoch: epoch)
    for record in records { bytes += record.bytes }
    return bytes
  }

  /// A random version 4 UUID.
  static func newID() -> Identifier {
    var generator = SystemRandomNumberGenerator()
    let high: UInt64 = generator.next()
    let low: UInt64 = generator.next()
    return Identifier(
      high: high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000, low: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
  }
}

extension KeyStore {
  /// What the bytes of a store's file say.
  package struct Contents: Sendable {
    /// The keys of its sound lines.
    package let store: KeyStore
    /// How long the sound lines are.
    package let byteCount: Int
    /// Where lines follow that are not what was written there.
    package let damage: (line: UInt64, isOfDestruction: Bool)?
  }

  /// Reads a store as far as it is sound; a last line without its line feed was not written to its end and is none.
  /// - Parameter epochKey: Finds the key of the epoch that the first line names.
  /// - Throws: ``VaultError`` where the first line is damaged, and what `epochKey` throws.
  package static func read(
    _ bytes: [UInt8], file: String, cacheCapacity: Int, epochKey: (_ epoch: UInt64) throws -> SymmetricKey
  ) throws -> Contents {
    let (lines, byteCount) = completeLines(bytes)
    guard let header = lines.first else { throw damage(1, file) }
    let epoch = try epoch(inHeader: header, file: file)
    var store = KeyStore(epoch: epoch, epochKey: try epochKey(epoch), cacheCapacity: cacheCapacity)
    let keyLines = lines.dropFirst()
    let sound = store.readSound(lines: keyLines)
    store.markAllDurable()
    guard sound < keyLines.count else { return Contents(store: store, byteCount: byteCount, damage: nil) }
    let rest = keyLines.dropFirst(sound)
    return Contents(
      store: store, byteCount: rest.first?.startIndex ?? byteCount,
      damage: (store.nextLine, rest.contains { isOfDestruction($0) }))
  }

  /// The epoch that the first line of a store names.
  static func epoch(inHeader line: ArraySlice<UInt8>, file: String) throws(VaultError) -> UInt64 {
    guard case .object(let object)? = parse(line), object.count == 2,
      let name = object["format"]?.stringValue, let number = object["epoch"]?.integerValue,
      let epoch = UInt64(exactly: number)
    else { throw damage(1, file) }
    guard name == format else {
      throw VaultError(.storeDamaged, "\(file) has the format \(name), which this version of Daybook does not know.")
    }
    return epoch
  }

  /// Takes the lines of a store (from line 2 on), each of which must be what was written at its place in this epoch.
  mutating func read(lines: some Collection<ArraySlice<UInt8>>, file: String) throws(VaultError) {
    if readSound(lines: lines) < lines.count { throw KeyStore.damage(nextLine, file) }
  }

  /// Takes the lines of a store up to the first that is not what was written there. Returns how many it took.
  mutating func readSound(lines: some Collection<ArraySlice<UInt8>>) -> Int {
    var count = 0
    for line in lines {
      guard let json = KeyStore.parse(line), let record = KeyRecord(json: json, line: nextLine),
        record.unwrap(epoch: epoch, epochKey: epochKey) != nil, append(record)
      else { break }
      count += 1
    }
    return count
  }

  /// Whether a line, sound or not, was maybe written by a destruction, with all lines before it, and not appended.
  static func isOfDestruction(_ line: ArraySlice<UInt8>) -> Bool {
    // Not by parsing it: what a flipped bit has made no JSON any more is one all the same.
    let member = Array(#""destroyed":"#.utf8)
    return line.indices.contains { line[$0...].starts(with: member) }
  }

  static func damage(_ line: UInt64, _ file: String) -> VaultError {
    VaultError(
      .storeDamaged,
      "Line \(line) of \(file) is not what was written there. Where a power cut tore it, daybook serve sees whether the "
        + "log needs a key from there on, and cuts it off if not. Otherwise move the vault away and take the keys of an "
        + "export (daybook keys import): keys that are newer than the export are lost then.")
  }

  // Whatever is not JSON is damage, wherever in the line it begins.
  private static func parse(_ line: ArraySlice<UInt8>) -> JSON? { try? JSON.parse(line) }

  /// The lines that end with a line feed, and how many bytes they take; what follows them was not written to its end.
  package static func completeLines(_ bytes: [UInt8]) -> (lines: [ArraySlice<UInt8>], byteCount: Int) {
    let lineFeed = UInt8(ascii: "\n")
    guard let last = bytes.lastIndex(of: lineFeed) else { return ([], 0) }
    return (bytes[..<last].split(separator: lineFeed, omittingEmptySubsequences: false), last + 1)
  }
}
