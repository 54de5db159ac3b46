import Crypto

extension Identifier {
  /// The version 5 identifier (RFC 9562 §5.5) of a name in a namespace: the same
  /// name gives the same identifier everywhere.
  public static func version5(namespace: Identifier, name: String) -> Identifier {
    var hash = Insecure.SHA1()
    hash.update(data: namespace.bytes)
    hash.update(data: Array(name.utf8))
    guard let identifier = Identifier.stamped(version: 5, hash: Array(hash.finalize())) else {
      preconditionFailure("SHA-1 has 20 bytes")
    }
    return identifier
  }

  /// The namespace of names that are URLs (RFC 9562 §6.6).
  public static let urlNamespace = Identifier(high: 0x6ba7_b811_9dad_11d1, low: 0x80b4_00c0_4fd4_30c8)
}
