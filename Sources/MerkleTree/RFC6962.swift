import Crypto

/// The hashes of a Merkle tree as RFC 6962 §2.1 defines them: a leaf and a node are told apart by their first byte.
public enum RFC6962 {
  /// The root of a tree without leaves: SHA-256 of nothing.
  public static let emptyRoot: Digest = sha256(UnsafeRawBufferPointer(start: nil, count: 0))

  /// The hash of a leaf: SHA-256(0x00 ‖ bytes).
  public static func leafHash(_ bytes: UnsafeRawBufferPointer) -> Digest {
    var hasher = SHA256()
    var prefix: UInt8 = 0
    withUnsafeBytes(of: &prefix) { hasher.update(bufferPointer: $0) }
    hasher.update(bufferPointer: bytes)
    return digest(hasher.finalize())
  }

  /// The hash of a leaf: SHA-256(0x00 ‖ bytes).
  public static func leafHash(_ bytes: some Collection<UInt8>) -> Digest {
    if let result = bytes.withContiguousStorageIfAvailable({ leafHash(UnsafeRawBufferPointer($0)) }) { return result }
    return Array(bytes).withUnsafeBytes { leafHash($0) }
  }

  /// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
  public static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
    withUnsafeTemporaryAllocation(byteCount: 65, alignment: 1) { buffer in
      buffer[0] = 1
      left.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[1..<33]).copyMemory(from: $0) }
      right.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[33..<65]).copyMemory(from: $0) }
      return sha256(UnsafeRawBufferPointer(buffer))
    }
  }

  /// SHA-256 of the bytes, without a prefix.
  public static func sha256(_ bytes: UnsafeRawBufferPointer) -> Digest {
    var hasher = SHA256()
    hasher.update(bufferPointer: bytes)
    return digest(hasher.finalize())
  }

  /// SHA-256 of bytes that lie in two places, the first ones first.
  public static func sha256(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Digest {
    var hasher = SHA256()
    hasher.update(bufferPointer: first)
    hasher.update(bufferPointer: second)
    return digest(hasher.finalize())
  }

  private static func digest(_ value: SHA256.Digest) -> Digest {
    guard let digest = value.withUnsafeBytes({ Digest(bytes: $0) }) else {
      preconditionFailure("SHA-256 gives 32 bytes")
    }
    return digest
  }
}
