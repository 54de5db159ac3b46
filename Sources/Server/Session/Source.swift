#if canImport(Glibc)
  import Glibc
#endif

/// Where a connection comes from, as far as a stranger can't change it at will: what strangers' connections and failed
/// sign-ins are counted by.
enum Source: Hashable, Sendable {
  /// An IPv4 address, in the host's byte order.
  case v4(UInt32)
  /// The first 64 bits of an IPv6 address: whoever has one address has them all (RFC 4291 §2.5.1).
  case v6(UInt64)
  /// A user of this machine, on the Unix socket.
  case local(uid: UInt32)
  /// An address that can't be read.
  case unknown

  /// The source of an address as the system writes it, without its port. An IPv4 address that came over an IPv6 socket
  /// is that IPv4 address (RFC 4291 §2.5.5.2).
  init(address: String) {
    // Plain words instead of `in_addr`: several C modules declare it, and which is seen depends on the build.
    var v4: UInt32 = 0
    var v6: (UInt64, UInt64) = (0, 0)
    if inet_pton(AF_INET, address, &v4) == 1 {
      self = .v4(UInt32(bigEndian: v4))
    } else if inet_pton(AF_INET6, address, &v6) == 1 {
      let (high, low) = (UInt64(bigEndian: v6.0), UInt64(bigEndian: v6.1))
      self = high == 0 && low >> 32 == 0xFFFF ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high)
    } else {
      self = .unknown
    }
  }
}

extension Source: CustomStringConvertible {
  /// What our own log calls it.
  var description: String {
    switch self {
    case .v4(let address):
      return (0..<4).map { String(address >> (24 - 8 * $0) & 0xFF) }.joined(separator: ".")
    case .v6(let prefix):
      return (0..<4).map { String(prefix >> (48 - 16 * $0) & 0xFFFF, radix: 16) }.joined(separator: ":") + "::/64"
    case .local(let uid): return "uid \(uid)"
    case .unknown: return "unknown"
    }
  }
}
