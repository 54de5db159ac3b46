import CanonicalJSON

/// What must hold of every text that the JSON parser is given.
enum JSONPromises {
  static let target = FuzzTarget(
    .json,
    seeds: [
      #"null"#, #" true "#, #"-0"#, #"[1,-2.5e-7,1E22]"#, #"9007199254740993"#,
      #"-123456789012345678901234567890"#, #"[1.0,10e-1,0.1e1,5e-324,1.7976931348623157e308,123456789012345680000]"#,
      #""\u00e9\u20AC\ud83d\ude00\"\\\/\b\f\n\r\t\u0000 é€😀""#, #"{"":0,"a":[[],{}],"\u0041":{"b":null}}"#,
      #"{"z":1,"y":2,"€":3,"😀":4,"ﬀ":5,"a":[{"b":[{"c":"d"}]}],"aa":false}"#, #"[[[[[[[[[[1]]]]]]]]]]"#,
      #"{"at":"2026-11-21T07:40:52.123456Z","body":"x","position":12,"event":"run.created"}"#,
    ].map { Array($0.utf8) },
    words: [
      "null", "true", "false", "{}", "[]", ":", ",", "\"", "\\\"", "\\u", "\\u0000", "\\ud83d\\ude00", "\\ud800", "e+",
      "E-",
      "0.", "-0", "1e308", "1e-324", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "\u{FEFF}",
      "\"a\":", "\u{E9}", "e\u{301}", "\u{FFFF}", "\u{10000}",
    ],
    check: check)

  static func check(_ input: [UInt8]) throws -> Bool {
    try checkScanner(input)
    try checkPointer(input)
    let value: JSON
    do throws(JSONParseError) {
      value = try JSON.parse(input)
    } catch {
      try promise("a fault stands within the text", (0...input.count).contains(error.offset))
      try checkRefused(input, error)
      return false
    }
    let text = value.canonicalBytes
    let again: JSON
    do throws(JSONParseError) {
      again = try JSON.parse(text)
    } catch {
      throw BrokenPromise(description: "what parses, printed canonically, parses again: \(error)")
    }
    try promise("it parses to an equal value", again == value && again.hashValue == value.hashValue)
    try promise("it prints the same bytes", again.canonicalBytes == text)
    try promise("equal values have no difference", JSONDifference.compare(value, again).isEmpty)
    try checkOrder(value)
    try checkMembers(value, text)
    let string = String(validating: input, as: UTF8.self)
    try promise("what parses is UTF-8", string != nil)
    try promise("a text parses as its bytes do", try string.map { try JSON.parse($0) } == value)
    try promise(
      "where no key is there twice, the last one is the only one",
      try JSON.parse(input, options: JSONParseOptions(duplicateKeys: .lastWins)) == value)
    switch Result(catching: { () throws(JSONParseError) in
      try JSON.parse(input, options: JSONParseOptions(maximumDepth: 3))
    }) {
    case .success(let shallow): try promise("a limit of depth changes no value", shallow == value)
    case .failure(let error): try promise("a limit of depth refuses what is too deep", error.code == .tooDeep)
    }
    return true
  }

  /// A text that is refused for a repeated key alone is taken where the last one counts; any other one is refused for
  /// the same fault.
  private static func checkRefused(_ input: [UInt8], _ refused: JSONParseError) throws {
    switch Result(catching: { () throws(JSONParseError) in
      try JSON.parse(input, options: JSONParseOptions(duplicateKeys: .lastWins))
    }) {
    case .success: try promise("only a repeated key is forgiven", refused.code == .duplicateKey)
    case .failure(let error):
      try promise("no key is there twice where the last one counts", error.code != .duplicateKey)
      try promise("the first fault is told", refused.code == .duplicateKey || error == refused)
    }
  }

  /// The members of every object are in the order of their UTF-16 (RFC 8785 §3.2.3), each key once.
  private static func checkOrder(_ value: JSON) throws {
    switch value {
    case .array(let elements):
      for element in elements { try checkOrder(element) }
    case .object(let object):
      for (key, next) in zip(object.keys, object.keys.dropFirst()) {
        try promise("keys ascend by UTF-16", key.utf16.lexicographicallyPrecedes(next.utf16))
      }
      for (key, value) in object {
        try promise("a member is found by its key", object[key] == value)
        try checkOrder(value)
      }
    default: break
    }
  }

  /// The scanner finds the same members in the canonical text as the parser.
  private static func checkMembers(_ value: JSON, _ text: [UInt8]) throws {
    guard case .object(let object) = value else {
      return try promise("only objects have members", CanonicalScanner.members(of: text) == nil)
    }
    guard let members = CanonicalScanner.members(of: text) else {
      throw BrokenPromise(description: "the scanner reads every canonical object")
    }
    try promise("the scanner finds every member", members.count == object.count)
    for (found, member) in zip(members, object) {
      let key = JSON.string(member.key).canonicalBytes
      try promise("the scanner finds the key", text[found.key].elementsEqual(key[1..<(key.count - 1)]))
      try promise("the scanner finds the value", text[found.value].elementsEqual(member.value.canonicalBytes))
    }
  }

  /// Whatever the bytes are, the scanner stays within them.
  private static func checkScanner(_ input: [UInt8]) throws {
    var end = 0
    for member in CanonicalScanner.members(of: input) ?? [] {
      try promise(
        "members stand one behind the other",
        end < member.key.lowerBound && member.key.upperBound < member.value.lowerBound
          && member.value.upperBound < input.count)
      end = member.value.upperBound
    }
    try input.withUnsafeBytes { bytes in
      var scanner = CanonicalScanner(bytes)
      while let member = scanner.next() {
        if let text = CanonicalScanner.plainText(member.value) {
          try promise("a plain text has no escapes", !text.contains(UInt8(ascii: "\\")))
        }
        if let integer = CanonicalScanner.integer(member.value) {
          let digits = String(decoding: member.value, as: UTF8.self).drop { $0 == "0" }
          try promise("an integer is what it spells", integer == 0 ? digits.isEmpty : String(integer) == digits)
        }
      }
      var members = CanonicalScanner(bytes, isPrefix: true)
      if let rest = members.rest(from: "set") { try promise("the rest is of the bytes", rest.count < bytes.count) }
    }
  }

  private static func checkPointer(_ input: [UInt8]) throws {
    guard let text = String(validating: input, as: UTF8.self), let pointer = JSONPointer(text) else { return }
    try promise("a pointer prints as it was read", pointer.description.utf8.elementsEqual(text.utf8))
  }
}
