import CanonicalJSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What counts as a secret by what a text holds: a password or a signature in a URL, a connection string, a private
/// key, a token of a known form.
package enum SecretText {
  /// Whether a text carries a secret.
  /// - Parameter amongStatements: whether the text may as well be SQL or an expression, where `a=b` compares: then a
  ///   parameter counts only in a URL, as an option of a command, and where all parts of the text are parameters.
  package static func carriesSecret(_ text: String, amongStatements: Bool = false) -> Bool {
    guard text.utf8.count >= 8 else { return false }
    func scan(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool { SecretText.scan(bytes, amongStatements) }
    return text.utf8.withContiguousStorageIfAvailable(scan) ?? Array(text.utf8).withUnsafeBufferPointer(scan)
  }

  /// Whether a text says where a value is to be put in, and nothing besides: `${NAME}`, `{{ name }}`, `%(name)s`. An
  /// empty text, and one of asterisks alone, holds none either.
  package static func isPlaceholder(_ text: String) -> Bool {
    func judge(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool { isPlaceholder(bytes[...]) }
    return text.utf8.withContiguousStorageIfAvailable(judge) ?? Array(text.utf8).withUnsafeBufferPointer(judge)
  }

  typealias Bytes = Slice<UnsafeBufferPointer<UInt8>>

  // MARK: - What there is to look at

  /// Connection strings and commands are no longer: what is longer is a program.
  private static let longestOption = 16_384

  /// Most texts have none of what is searched for here, by the C library's own search.
  private static func scan(_ bytes: UnsafeBufferPointer<UInt8>, _ amongStatements: Bool) -> Bool {
    if isToken(bytes[...]) || hasPrivateKey(bytes) { return true }
    if place(of: "://", in: bytes, from: 0) != nil,
      urls(in: bytes).contains(where: { carriesSecret(url: $0, amongStatements) })
    {
      return true
    }
    guard place(of: "=", in: bytes, from: 0) != nil else { return false }
    guard amongStatements else { return hasSecretParameter(bytes[...]) }
    return bytes.count <= longestOption && (hasOption(bytes[...]) || isConnectionString(bytes[...]))
  }

  private static func hasPrivateKey(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var next = 0
    while let start = place(of: "-----BEGIN ", in: bytes, from: next) {
      let line = bytes[start...].prefix(64).prefix { $0 != UInt8(ascii: "\n") }
      if contains(line, "PRIVATE KEY") { return true }
      next = start + 1
    }
    return false
  }

  /// Where a text begins in bytes, from a place on; nil where it doesn't.
  private static func place(of text: StaticString, in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    let count = text.utf8CodeUnitCount
    var next = start
    while next + count <= bytes.count {
      guard let found = memchr(base + next, Int32(text.utf8Start[0]), bytes.count - next) else { return nil }
      let place = UnsafeRawPointer(found) - UnsafeRawPointer(base)
      if place + count > bytes.count { return nil }
      if count == 1 || memcmp(base + place, text.utf8Start, count) == 0 { return place }
      next = place + 1
    }
    return nil
  }

  // MARK: - URLs

  /// From behind each `://` to the next space or quote.
  private static func urls(in bytes: UnsafeBufferPointer<UInt8>) -> [Bytes] {
    var found: [Bytes] = []
    var next = 0
    while let mark = place(of: "://", in: bytes, from: next) {
      next = mark + 3
      found.append(bytes[next...].prefix { !isEnd($0) })
    }
    return found
  }

  private static func isEnd(_ byte: UInt8) -> Bool {
    byte <= 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`")
  }

  private static func carriesSecret(url: Bytes, _ amongStatements: Bool) -> Bool {
    if let password = password(of: url), !amongStatements || !isPlaceholder(password, inURL: true) { return true }
    if starts(url, "hooks.slack.com/services/") || starts(url, "discord.com/api/webhooks/") { return true }
    guard amongStatements else { return false }
    return parts(of: url).contains { part in
      guard let (name, value) = parameter(part) else { return false }
      return isSecretParameter(name) && !isPlaceholder(value, inURL: true)
    }
  }

  /// The password before a URL's host (RFC 3986 §3.2.1), or the token that stands in a user's place.
  static func password(of url: Bytes) -> Bytes? {
    let authority = url.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    guard let at = authority.lastIndex(of: UInt8(ascii: "@")) else { return nil }
    let user = authority[..<at]
    if let colon = user.firstIndex(of: UInt8(ascii: ":")) {
      let password = user[user.index(after: colon)...]
      return password.isEmpty ? nil : password
    }
    return user.count >= 20 && user.contains(where: isDigit) ? user : nil
  }

  /// The parts of a URL behind its host that may be parameters.
  private static func parts(of url: Bytes) -> [Bytes] {
    url.split {
      $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: "#")
    }
  }

  // MARK: - Parameters

  private static func parameter(_ part: Bytes) -> (name: Bytes, value: Bytes)? {
    guard let equals = part.firstIndex(of: UInt8(ascii: "=")), equals + 1 < part.endIndex else { return nil }
    // A JDBC URL's first parameter may stand behind the host: `…/db:password=`.
    let name = part[..<equals]
    let last = name.lastIndex(of: UInt8(ascii: ":")).map { name[($0 + 1)...] } ?? name
    return (last, part[(equals + 1)...])
  }

  static func isSecretParameter(_ name: Bytes) -> Bool {
    guard name.count <= 40 else { return false }
    var plain: [UInt8] = []
    plain.reserveCapacity(name.count)
    for byte in name {
      switch byte {
      case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: " "): continue
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): plain.append(byte | 0x20)
      default: plain.append(byte)
      }
    }
    return parameters.contains(String(decoding: plain, as: UTF8.self))
  }

  /// What stands before `=` in a connection string or behind `?` in a link.
  private static let parameters: Set<String> = [
    "password", "passwd", "pwd", "pass", "secret", "token", "sig", "signature", "accountkey", "sharedaccesskey",
    "sharedaccesssignature", "apikey", "accesskey", "secretkey", "accesstoken", "clientsecret", "xamzsignature",
    "xgoogsignature", "xamzcredential", "xamzsecuritytoken", "awssecretaccesskey", "secretaccesskey", "authtoken",
    "privatekey", "passphrase",
  ]

  /// Whether `name=value` with a secret's name stands anywhere in a text.
  private static func hasSecretParameter(_ bytes: Bytes) -> Bool {
    let parts = bytes.split { byte in
      switch byte {
      case UInt8(ascii: "?"), UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: ","), 0x00...0x20: true
      default: false
      }
    }
    return parts.contains { part in parameter(part).map { isSecretParameter($0.name) } ?? false }
  }

  /// Whether an option of a command, `--name=value` or `-Dname=value`, has a secret's name.
  private static func hasOption(_ bytes: Bytes) -> Bool {
    guard bytes.contains(UInt8(ascii: "-")) else { return false }
    return bytes.split(whereSeparator: { $0 <= 0x20 }).contains { part in
      guard part.first == UInt8(ascii: "-"), let (name, value) = parameter(part), !isPlaceholder(value) else {
        return false
      }
      return ConfigurationName.kind(of: String(decoding: name, as: UTF8.self)) != .none
    }
  }

  /// Whether a text is a list of parameters, and nothing else, of which one has a secret's name: parted by `;`, or
  /// where there is none by spaces.
  private static func isConnectionString(_ bytes: Bytes) -> Bool {
    let isBySemicolon = bytes.contains(UInt8(ascii: ";"))
    let parts = bytes.split { isBySemicolon ? $0 == UInt8(ascii: ";") : $0 <= 0x20 }
      .filter { part in !part.allSatisfy { $0 <= 0x20 } }
    guard parts.count >= 2 else { return false }
    var isSecret = false
    for part in parts {
      guard let equals = part.firstIndex(of: UInt8(ascii: "=")), part[..<equals].allSatisfy(isNameByte) else {
        return false
      }
      if let (name, value) = parameter(part), isSecretParameter(name), !isPlaceholder(value) { isSecret = true }
    }
    return isSecret
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: " ")
  }

  // MARK: - Tokens

  /// Whether all of a text is a token of a known form.
  private static func isToken(_ bytes: Bytes) -> Bool {
    guard bytes.count >= 20, bytes.count <= 8192, let first = bytes.first else { return false }
    switch first {
    case UInt8(ascii: "e"):
      return starts(bytes, "eyJ") && bytes.count >= 40 && bytes.filter { $0 == UInt8(ascii: ".") }.count == 2
        && bytes.allSatisfy { isTokenByte($0) || $0 == UInt8(ascii: ".") }
    case UInt8(ascii: "B"), UInt8(ascii: "b"):
      guard starts(bytes, "Bearer ") || starts(bytes, "bearer ") else { return false }
      let rest = bytes.dropFirst(7)
      return rest.count >= 16 && rest.contains(where: isDigit) && rest.allSatisfy { $0 > 0x20 && !isBracket($0) }
    case UInt8(ascii: "g"), UInt8(ascii: "x"), UInt8(ascii: "s"), UInt8(ascii: "r"), UInt8(ascii: "d"),
      UInt8(ascii: "A"), UInt8(ascii: "h"), UInt8(ascii: "n"), UInt8(ascii: "p"):
      guard let prefix = prefixes.first(where: { starts(bytes, $0) }) else { return false }
      let rest = bytes.dropFirst(prefix.utf8CodeUnitCount)
      return rest.count >= 16 && rest.contains(where: isDigit)
        && rest.allSatisfy { isTokenByte($0) || $0 == UInt8(ascii: ".") }
    default: return false
    }
  }

  private static let prefixes: [StaticString] = [
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xoxs-", "sk_live_",
    "sk_test_", "rk_live_", "sk-proj-", "sk-ant-", "dapi", "dop_v1_", "AIza", "hvs.", "npm_", "pypi-",
  ]

  private static func isTokenByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
  }

  // MARK: - Placeholders

  private static func isPlaceholder(_ bytes: Bytes, inURL: Bool = false) -> Bool {
    if bytes.allSatisfy({ $0 == UInt8(ascii: "*") }) { return true }
    if starts(bytes, "${{"), ends(bytes, "}}") { return isName(bytes.dropFirst(3).dropLast(2)) }
    if starts(bytes, "{{"), ends(bytes, "}}") { return isName(bytes.dropFirst(2).dropLast(2)) }
    if starts(bytes, "${"), ends(bytes, "}") { return isName(bytes.dropFirst(2).dropLast()) }
    if starts(bytes, "%("), ends(bytes, ")s") { return isName(bytes.dropFirst(2).dropLast(2)) }
    if inURL, starts(bytes, "{"), ends(bytes, "}") { return isName(bytes.dropFirst().dropLast()) }
    return false
  }

  /// A name, and no default behind it.
  private static func isName(_ bytes: Bytes) -> Bool { !bytes.isEmpty && bytes.allSatisfy(isNameByte) }

  // MARK: - Bytes

  private static func starts(_ bytes: Bytes, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard bytes.count >= count else { return false }
    for offset in 0..<count where bytes[bytes.startIndex + offset] != text.utf8Start[offset] { return false }
    return true
  }

  private static func ends(_ bytes: Bytes, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    return bytes.count >= count && starts(bytes.suffix(count), text)
  }

  private static func contains(_ bytes: Bytes, _ text: StaticString) -> Bool {
    bytes.indices.contains { starts(bytes[$0...], text) }
  }

  private static func isBracket(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") }
  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
}

extension SecretText {
  /// A text that is a URL as a whole, without the password and the signature that it carries; nil where it carries
  /// none, or is no URL.
  package static func stripped(_ text: String) -> String? {
    guard text.utf8.count >= 8, carriesSecret(text) else { return nil }
    let bytes = Array(text.utf8)
    let stripped = bytes.withUnsafeBufferPointer { buffer -> [UInt8]? in
      let all = buffer[...]
      guard !all.contains(where: isEnd),
        let mark = all.indices.first(where: { starts(all[$0...], "://") }), mark > 0,
        all[..<mark].allSatisfy({ isNameByte($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: ":") })
      else { return nil }
      var url = all[(mark + 3)...]
      var output = Array(all[..<(mark + 3)])
      if password(of: url) != nil {
        let authority = url.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { url = url[(at + 1)...] }
      }
      output += withoutSecrets(url)
      return output
    }
    guard let stripped, stripped != bytes else { return nil }
    return String(decoding: stripped, as: UTF8.self)
  }

  /// What is behind `://` without the parameters that are secret.
  private static func withoutSecrets(_ url: Bytes) -> [UInt8] {
    var output: [UInt8] = []
    var part: [UInt8] = []
    /// What stands before the part: `?`, `&`, `;`, `#`, or nothing.
    var mark: UInt8?
    var isFirst = true
    func isMark(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: "?") || byte == UInt8(ascii: "&") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "#")
    }
    /// The `?` of a parameter that went, which the next one takes.
    var pending: UInt8?
    func flush() {
      let isSecret = part.withUnsafeBufferPointer { bytes in
        parameter(bytes[...]).map { isSecretParameter($0.name) } ?? false
      }
      if isSecret, !isFirst {
        if mark == UInt8(ascii: "?") { pending = mark }
      } else {
        if let mark { output.append(mark == UInt8(ascii: "&") ? pending ?? mark : mark) }
        pending = nil
        output += part
      }
      isFirst = false
      part = []
    }
    for byte in url {
      if isMark(byte) {
        flush()
        mark = byte
      } else {
        part.append(byte)
      }
    }
    flush()
    return output
  }

  /// A value with every text in it that is a URL as a whole stripped of the password and the signature that it
  /// carries; nil where there is none.
  package static func stripped(_ value: JSON) -> JSON? {
    switch value {
    case .string(let text): return stripped(text).map(JSON.string)
    case .array(let elements):
      var copy: [JSON]?
      for (index, element) in elements.enumerated() {
        guard let changed = stripped(element) else { continue }
        if copy == nil { copy = elements }
        copy?[index] = changed
      }
      return copy.map(JSON.array)
    case .object(let object):
      var copy: JSONObject?
      for (key, member) in object {
        guard let changed = stripped(member) else { continue }
        if copy == nil { copy = object }
        copy?[key] = changed
      }
      return copy.map(JSON.object)
    default: return nil
    }
  }
}
