import MerkleTree

/// A value that carries eight bytes of SHA-256 over its key and itself.
enum Checksummed {
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
