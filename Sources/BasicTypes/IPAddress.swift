import Glibc

/// IPv4 and IPv6 addresses as text.
package enum IPAddress {
  /// The address as `inet_ntop` writes it, which is how PostgreSQL shows an `inet` (RFC 5952); nil where it is none.
  package static func canonical(_ text: String) -> String? {
    guard !text.utf8.contains(0), text.utf8.count < Int(INET6_ADDRSTRLEN) else { return nil }
    for family in [AF_INET, AF_INET6] {
      var raw = in6_addr()
      guard inet_pton(family, text, &raw) == 1 else { continue }
      var output = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      guard inet_ntop(family, &raw, &output, socklen_t(output.count)) != nil else { return nil }
      return String(decoding: output.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return nil
  }
}
