import BasicTypes
import CanonicalJSON
import Vault

/// What counts as a secret by its name or by its form, wherever no list of names can be complete.
///
/// A name counts in any case, with or without `-`, `_`, `.` and spaces: `db_password`, `dbPassword` and `DB.PASSWORD`
/// are one. A text counts that carries a password or a signature (``SecretText``): a URL with one before its host, a
/// connection string, a signed link, a private key.
package enum SecretPattern {
  /// Whether a member of that name holds a secret.
  package static func matches(name: String) -> Bool {
    let words = words(of: name)
    guard let last = words.last else { return false }
    if lastWords.contains(last) { return true }
    // Written in one, `dbpassword`.
    let whole = words.joined()
    if endings.contains(where: { whole.hasSuffix($0) }) { return true }
    guard last == "key", words.count > 1 else { return false }
    return !openKeys.contains(words[words.count - 2])
  }

  /// Whether a value carries a secret, whatever its name: as a text of the forms above.
  package static func matches(value: JSON) -> Bool {
    guard case .string(let text) = value else { return false }
    return SecretText.carriesSecret(text)
  }

  /// Names that end in these words.
  private static let lastWords: Set<String> = [
    "password", "passwd", "pwd", "passphrase", "pass", "secret", "secrets", "token", "credential", "credentials",
    "authorization", "apikey",
  ]
  /// Names that end so, without a mark between the words.
  private static let endings = [
    "password", "passwd", "passphrase", "secret", "token", "apikey", "secretkey", "accesskey", "privatekey",
    "accountkey",
  ]
  /// What makes a key of data or of a map, rather than of a lock.
  private static let openKeys: Set<String> = [
    "primary", "foreign", "partition", "sort", "public", "routing", "surrogate", "natural", "business", "join", "group",
    "cluster", "clustering", "dist", "distribution", "hash", "row", "message", "cache", "unique", "lookup", "object",
    "s3", "range", "merge", "composite", "candidate", "idempotency", "dedup", "order", "record", "map", "field",
    "column", "host", "known",
  ]

  /// The words of a name in lower case: parted by marks, and where a capital follows a small letter.
  static func words(of name: String) -> [String] {
    var words: [[UInt8]] = [[]]
    var last: UInt8 = 0
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: " "), UInt8(ascii: "/"):
        words.append([])
      case UInt8(ascii: "A")...UInt8(ascii: "Z"):
        if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(last) { words.append([]) }
        words[words.count - 1].append(byte | 0x20)
      default: words[words.count - 1].append(byte)
      }
      last = byte
    }
    return words.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
  }
}

extension SecretPattern {
  /// The places in a value, by JSON Pointer, that look like secrets and stand unsealed; no value of them.
  ///
  /// Numbers, booleans, empty texts and texts that are ids don't count by their name alone.
  package static func places(in value: JSON) -> [(pointer: String, isByName: Bool)] {
    var found: [(pointer: String, isByName: Bool)] = []
    collect(value, "", name: nil, into: &found)
    return found
  }

  private static func collect(
    _ value: JSON, _ pointer: String, name: String?, into found: inout [(pointer: String, isByName: Bool)]
  ) {
    switch value {
    case .object(let object):
      if Vault.isSealed(value) { return }
      for (key, member) in object { collect(member, "\(pointer)/\(JSONPointer.escape(key))", name: key, into: &found) }
    case .array(let elements):
      for (index, element) in elements.enumerated() {
        collect(element, "\(pointer)/\(index)", name: name, into: &found)
      }
    case .string(let text):
      if matches(value: value) {
        found.append((pointer, false))
      } else if let name, matches(name: name), !text.isEmpty, Identifier(text) == nil {
        found.append((pointer, true))
      }
    default: break
    }
  }
}
