import Crypto

#if canImport(Glibc)
  import Glibc
#endif

/// Random nonces, drawn from the system's generator some twenty at a time: a system call each would cost as much as the
/// encryption. A nonce must not come twice; it is no secret.
struct NoncePool: Sendable {
  /// The most whole nonces in the 256 bytes that one getentropy(3) may ask for.
  private static let byteCount = 252
  private var bytes: [UInt8] = []

  /// The next 96 bits.
  mutating func next() -> AES.GCM.Nonce {
    if bytes.isEmpty {
      bytes = [UInt8](repeating: 0, count: NoncePool.byteCount)
      guard getentropy(&bytes, bytes.count) == 0 else { preconditionFailure("the system has no source of randomness") }
    }
    guard let nonce = try? AES.GCM.Nonce(data: bytes.suffix(12)) else { preconditionFailure("12 bytes are a nonce") }
    bytes.removeLast(12)
    return nonce
  }
}
