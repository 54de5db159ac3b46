import CanonicalJSON

/// What counts as a secret by its name in the configuration of a pipeline, where most names are those of columns.
///
/// A name counts in any case, with or without `-`, `_`, `.`, spaces and digits at its end. A name that ends in `key`
/// counts only behind a word that makes it a key of a lock (`api_key`, `privateKey`): any other is a column's, as
/// `primary_key` and `customer_key` are.
package enum ConfigurationName {
  /// How far a name speaks for a secret.
  package enum Kind: Sendable {
    /// Not at all.
    case none
    /// Texts and what is made of them.
    case secret
    /// Numbers too.
    case password
    /// Texts that couldn't be a column's name.
    case dataKey
  }

  /// What a member's name says.
  package static func kind(of name: String) -> Kind {
    guard name.utf8.count >= 3 else { return .none }
    let isLikely =
      name.utf8.withContiguousStorageIfAvailable(mayCount) ?? Array(name.utf8).withUnsafeBufferPointer(mayCount)
    return isLikely ? judged(name) : .none
  }

  /// What the name beside a value says, in `{"name": "DB_PASSWORD", "value": …}`, and the name of what is declared,
  /// in `"password": {"type": "string", "default": …}`.
  static func kind(of key: String, in object: JSONObject, under parent: String?) -> Kind {
    switch key.utf8.count {
    case 5 where key == "value", 7 where key == "default" || key == "example", 8 where key == "examples":
      for name in ["name", "key"] {
        guard case .string(let text)? = object[name] else { continue }
        let kind = kind(of: text)
        if kind != .none { return kind }
      }
      fallthrough
    case 4 where key == "enum", 5 where key == "const":
      guard let parent, isDeclaration(object) else { return .none }
      return kind(of: parent)
    default: return .none
    }
  }

  /// Whether an object says what something is: it has a `type`.
  static func isDeclaration(_ object: JSONObject) -> Bool { object["type"]?.stringValue != nil }

  /// Whether the members of what is named so are columns: their names are data.
  static func namesColumns(_ name: String) -> Bool {
    guard let last = SecretPattern.words(of: name).last else { return false }
    return columnMaps.contains(last)
  }

  /// Whether a text is a type's name, as in `{"password": "varchar(60)"}`.
  static func isTypeWord(_ text: String) -> Bool {
    guard text.utf8.count <= 24 else { return false }
    let word = text.prefix { $0 != "(" }
    guard word.utf8.count == text.utf8.count || text.utf8.last == UInt8(ascii: ")") else { return false }
    return typeWords.contains(word.lowercased())
  }

  /// Whether a text may be a column's name: small letters and `_`, and digits behind one.
  static func looksLikeColumn(_ text: String) -> Bool {
    guard text.utf8.count <= 40, let first = text.utf8.first, letters.contains(first) else { return false }
    let hasMark = text.utf8.contains(UInt8(ascii: "_"))
    return text.utf8.allSatisfy { byte in
      letters.contains(byte) || byte == UInt8(ascii: "_") || (hasMark && digits.contains(byte))
    }
  }

  private static let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
  private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

  /// Whether the last letters of a name are those of some that count. Most names end here.
  private static func mayCount(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var end = bytes.count
    while end > 0 {
      switch bytes[end - 1] {
      case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: " "), UInt8(ascii: "/"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        end -= 1
        continue
      default: break
      }
      break
    }
    guard end >= 3 else { return false }
    let (third, second, last) = (bytes[end - 3] | 0x20, bytes[end - 2] | 0x20, bytes[end - 1] | 0x20)
    let fourth = end >= 4 ? bytes[end - 4] | 0x20 : 0
    switch UInt32(third) << 16 | UInt32(second) << 8 | UInt32(last) {
    // …key, …ken, …ret, …pwd, …swd
    case 0x6B_65_79, 0x6B_65_6E, 0x72_65_74, 0x70_77_64, 0x73_77_64: return true
    // …ial, …als, …kie, …ted
    case 0x69_61_6C, 0x61_6C_73, 0x6B_69_65, 0x74_65_64: return true
    // …word
    case 0x6F_72_64: return fourth == UInt8(ascii: "w")
    // …rase
    case 0x61_73_65: return fourth == UInt8(ascii: "r")
    // …pass
    case 0x61_73_73: return fourth == UInt8(ascii: "p")
    // …rets
    case 0x65_74_73: return fourth == UInt8(ascii: "r")
    // …ring
    case 0x69_6E_67: return fourth == UInt8(ascii: "r")
    // …zation
    case 0x69_6F_6E: return end >= 6 && bytes[end - 6] | 0x20 == UInt8(ascii: "z")
    // …jaas.config
    case 0x66_69_67: return bytes.contains { $0 | 0x20 == UInt8(ascii: "j") }
    // …key_id
    case _ where second == UInt8(ascii: "i") && last == UInt8(ascii: "d"):
      return third == UInt8(ascii: "y") || fourth == UInt8(ascii: "y")
    default: return false
    }
  }

  private static func judged(_ name: String) -> Kind {
    var words = SecretPattern.words(of: name)
    while let last = words.last {
      let kept = last.utf8.count - last.utf8.reversed().prefix { digits.contains($0) }.count
      if kept == last.utf8.count { break }
      words.removeLast()
      if kept > 0 { words.append(String(last.prefix(kept))) }
    }
    guard let last = words.last else { return .none }
    let before = words.count > 1 ? words[words.count - 2] : ""
    let whole = words.joined()
    func ends(_ endings: [String]) -> Bool { endings.contains { whole.hasSuffix($0) } }
    if ends(passwords) { return .password }
    if lastWords.contains(last) || ends(others) { return .secret }
    if ends(["secret", "secrets"]) { return names.contains(before) ? .none : .secret }
    if ends(["token"]) { return marks.contains(before) || ends(joinedMarks) ? .none : .secret }
    if ends(lockKeys) { return .secret }
    return ends(dataKeys) ? .dataKey : .none
  }

  private static let passwords = ["password", "passwd", "passphrase"]
  private static let lastWords: Set<String> = ["pass", "pwd", "credential", "credentials", "cookie"]
  private static let others = [
    "authorization", "connectionstring", "passwordencrypted", "accesskeyid", "jaasconfig", "dbpass", "userpass",
  ]
  /// A secret of Kubernetes that is named, not told.
  private static let names: Set<String> = ["pull", "kubernetes", "k8s"]
  /// What makes a token a place in a list or a text.
  private static let marks: Set<String> = [
    "page", "next", "continuation", "sync", "delta", "cursor", "skip", "start", "end", "stop", "pad", "eos", "bos",
    "unk", "sep", "cls", "mask", "word", "max", "min",
  ]
  private static let joinedMarks = ["pagetoken", "nexttoken", "continuationtoken", "cursortoken"]
  private static let lockKeys = [
    "apikey", "secretkey", "accesskey", "privatekey", "encryptionkey", "decryptionkey", "signingkey", "sshkey",
    "authkey", "sharedkey", "fernetkey", "hmackey",
  ]
  /// Keys of a lock in one place and of a dimension's rows in another.
  private static let dataKeys = ["accountkey", "clientkey", "subscriptionkey", "storagekey", "masterkey", "licensekey"]
  private static let columnMaps: Set<String> = [
    "mapping", "mappings", "map", "rename", "renames", "renamed", "columns", "aliases", "cast", "casts", "dtypes",
    "schema", "types", "aggregations", "aggs",
  ]
  private static let typeWords: Set<String> = [
    "string", "str", "text", "varchar", "nvarchar", "char", "int", "integer", "bigint", "smallint", "long", "number",
    "numeric", "float", "double", "decimal", "boolean", "bool", "date", "datetime", "timestamp", "uuid", "json",
    "jsonb", "object", "array", "bytes", "binary", "bytea", "true", "false",
  ]
}
