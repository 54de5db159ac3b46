import MerkleTree

/// A value that carries eight bytes of SHA-256 over its key and itself.
enum Checksummed {
  /// How many bytes a checksum has.
  private static let length = 8

  /// The first bytes of SHA-256 of key ‖ 0x00 ‖ value, in memory's order. Every entry of an index has one, so it
  /// allocates nothing where key and value are short.
  private static func checksum(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> UInt64 {
    withUnsafeTemporaryAllocation(byteCount: key.count + 1 + value.count, alignment: 1) { joined in
      joined.copyMemory(from: key)
      joined[key.count] = 0
      UnsafeMutableRawBufferPointer(rebasing: joined[(key.count + 1)...]).copyMemory(from: value)
      return RFC6962.sha256(UnsafeRawBufferPointer(joined)).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }
  }

  static func wrap(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
    var sum: UInt64 = key.withUnsafeBytes { keyBytes in value.withUnsafeBytes { checksum(keyBytes, $0) } }
    return [UInt8](unsafeUninitializedCapacity: value.count + length) { stored, count in
      count = stored.update(fromContentsOf: value)
      withUnsafeBytes(of: &sum) { count = stored[count...].update(fromContentsOf: $0) }
    }
  }

  /// The value without its checksum; nil where the checksum is not its own.
  static func unwrap(_ key: UnsafeRawBufferPointer, _ stored: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard stored.count >= length else { return nil }
    let value = UnsafeRawBufferPointer(rebasing: stored[0..<(stored.count - length)])
    let found = stored.loadUnaligned(fromByteOffset: value.count, as: UInt64.self)
    return found == checksum(key, value) ? value : nil
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
