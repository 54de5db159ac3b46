/// One pass over the bytes of a JSON text.
///
/// Open arrays and objects are kept in ``open``, not on the call stack, and the values read so far of all of them in
/// ``pending``; when one closes, its values move from there into an array of exactly their number.
struct JSONParser: ~Copyable {
  /// An array or object whose end hasn't been seen.
  private struct Container {
    /// Where its values start in `pending`.
    let base: Int
    let isObject: Bool
    /// The key it has in the object around it, and where that stands.
    let key: String
    let keyOffset: Int
  }

  let start: UnsafePointer<UInt8>
  let end: Int
  let options: JSONParseOptions
  var cursor = 0
  /// Bytes of a string that has escapes.
  var unescaped: [UInt8] = []
  private var open: [Container] = []
  private var pending = PendingMembers()

  /// The bytes must stay valid and unchanged for as long as the parser is used.
  init(start: UnsafePointer<UInt8>, count: Int, options: JSONParseOptions) {
    self.start = start
    self.end = count
    self.options = options
  }

  /// The value of the whole text.
  mutating func parseText() throws(JSONParseError) -> JSON {
    var key = ""
    var keyOffset = 0
    skipWhitespace()
    while true {
      var value: JSON
      switch try currentByte() {
      case ASCII.openBrace:
        if try enter(ASCII.closeBrace) {
          value = .object(JSONObject())
        } else {
          open.append(Container(base: pending.count, isObject: true, key: key, keyOffset: keyOffset))
          keyOffset = cursor
          key = try parseKey()
          continue
        }
      case ASCII.openBracket:
        if try enter(ASCII.closeBracket) {
          value = .array([])
        } else {
          open.append(Container(base: pending.count, isObject: false, key: key, keyOffset: keyOffset))
          continue
        }
      default:
        value = try parseScalar()
      }

      // A value is complete: put it into its container, and close every container that ends here.
      var needsValue = false
      while !needsValue {
        skipWhitespace()
        guard !open.isEmpty else {
          guard cursor == end else { throw fault(.trailingBytes) }
          return value
        }
        pending.push(key: key, keyOffset: keyOffset, value: value)
        let innermost = open.count - 1
        let isObject = open[innermost].isObject
        switch try currentByte() {
        case ASCII.comma:
          cursor += 1
          skipWhitespace()
          if isObject {
            keyOffset = cursor
            key = try parseKey()
          }
          needsValue = true
        case ASCII.closeBrace where isObject:
          cursor += 1
          value = .object(
            JSONObject(sortedMembers: try pending.popObject(from: open[innermost].base, options.duplicateKeys)))
          key = open[innermost].key
          keyOffset = open[innermost].keyOffset
          open.removeLast()
        case ASCII.closeBracket where !isObject:
          cursor += 1
          value = .array(pending.popArray(from: open[innermost].base))
          key = open[innermost].key
          keyOffset = open[innermost].keyOffset
          open.removeLast()
        default:
          throw fault(.unexpectedByte)
        }
      }
    }
  }

  /// Steps over an opening byte and white space, checks the depth, and returns whether `closing` follows at once, which
  /// it steps over too.
  private mutating func enter(_ closing: UInt8) throws(JSONParseError) -> Bool {
    guard open.count < options.maximumDepth else { throw fault(.tooDeep) }
    cursor += 1
    skipWhitespace()
    guard try currentByte() == closing else { return false }
    cursor += 1
    return true
  }

  /// A key and its colon, up to the first byte of the value.
  private mutating func parseKey() throws(JSONParseError) -> String {
    guard try currentByte() == ASCII.quote else { throw fault(.unexpectedByte) }
    let key = try parseString()
    skipWhitespace()
    guard try currentByte() == ASCII.colon else { throw fault(.unexpectedByte) }
    cursor += 1
    skipWhitespace()
    return key
  }

  private mutating func parseScalar() throws(JSONParseError) -> JSON {
    switch start[cursor] {
    case ASCII.quote: return .string(try parseString())
    case ASCII.minus, ASCII.zero...ASCII.nine: return try parseNumber()
    case UInt8(ascii: "t"):
      try parseLiteral("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try parseLiteral("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try parseLiteral("null")
      return .null
    default: throw fault(.unexpectedByte)
    }
  }

  private mutating func parseLiteral(_ literal: StaticString) throws(JSONParseError) {
    let expected = literal.utf8Start
    for index in 0..<literal.utf8CodeUnitCount {
      guard try currentByte() == expected[index] else { throw fault(.unexpectedByte) }
      cursor += 1
    }
  }

  /// The byte at the cursor; the end of the text is a fault.
  @inline(__always)
  func currentByte() throws(JSONParseError) -> UInt8 {
    guard cursor < end else { throw JSONParseError(code: .unexpectedEnd, offset: end) }
    return start[cursor]
  }

  /// A fault at the cursor.
  func fault(_ code: JSONParseError.Code) -> JSONParseError {
    JSONParseError(code: code, offset: cursor)
  }

  @inline(__always)
  private mutating func skipWhitespace() {
    while cursor < end {
      switch start[cursor] {
      case ASCII.space, ASCII.newline, ASCII.carriageReturn, ASCII.tab: cursor += 1
      default: return
      }
    }
  }
}
