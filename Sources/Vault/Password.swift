import CBcrypt

#if canImport(Glibc)
  import Glibc
#endif

/// Passwords as bcrypt keeps them, by the system's libcrypt. Hashing takes about a quarter of a second at the default
/// cost: never call it on a thread that others wait for.
public enum Password {
  /// The most bytes of a password that bcrypt looks at.
  public static let maximumBytes = 72

  /// The bcrypt hash of a password with a random salt, `$2b$…`; `cost` is the logarithm of the rounds, 4 to 31.
  ///
  /// - Throws: ``VaultError``: `passwordUnusable` for a password beyond 72 bytes of UTF-8, whose end bcrypt would
  ///   ignore, or one with a null character; `hashingUnavailable` for a cost out of range.
  public static func hash(_ password: String, cost: Int = 12) throws -> String {
    guard password.utf8.count <= maximumBytes, !password.utf8.contains(0) else {
      throw VaultError(
        .passwordUnusable, "A password has at most \(maximumBytes) bytes as UTF-8, and no null character.")
    }
    guard (4...31).contains(cost) else {
      throw VaultError(.hashingUnavailable, "The cost of a password hash is from 4 to 31.")
    }
    var generator = SystemRandomNumberGenerator()
    let random = (0..<16).map { _ in CChar(truncatingIfNeeded: generator.next() as UInt64) }
    var setting = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
    guard
      crypt_gensalt_rn("$2b$", UInt(cost), random, Int32(random.count), &setting, Int32(setting.count)) != nil,
      let hash = crypt(password, setting)
    else {
      throw VaultError(.hashingUnavailable, "The system's libcrypt does not know bcrypt ($2b$).")
    }
    return hash
  }

  /// Whether the password is that of the hash; false for whatever is no bcrypt hash. Compares in constant time.
  public static func verify(_ password: String, against hash: String) -> Bool {
    let expected = Array(hash.utf8)
    guard !password.utf8.contains(0), !expected.contains(0), expected.count == 60,
      hash.hasPrefix("$2b$") || hash.hasPrefix("$2a$") || hash.hasPrefix("$2y$"),
      let computed = crypt(password, expected.map { CChar(bitPattern: $0) } + [0])
    else { return false }
    let actual = Array(computed.utf8)
    guard actual.count == expected.count else { return false }
    var difference: UInt8 = 0
    for index in actual.indices { difference |= actual[index] ^ expected[index] }
    return difference == 0
  }

  private static func crypt(_ password: String, _ setting: [CChar]) -> String? {
    let size = MemoryLayout<crypt_data>.size
    let data = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: MemoryLayout<crypt_data>.alignment)
    defer { data.deallocate() }
    // libcrypt wants it zero before, and it holds traces of the password after.
    explicit_bzero(data, size)
    defer { explicit_bzero(data, size) }
    return crypt_rn(password, setting, data, Int32(size)).map { String(cString: $0) }
  }
}
