extension JSONParser {
  /// The string whose opening quote is at the cursor; leaves the cursor behind the closing one.
  mutating func parseString() throws(JSONParseError) -> String {
    cursor += 1
    let first = cursor
    try skipPlainContent()
    if start[cursor] == ASCII.quote {
      let bytes = UnsafeBufferPointer(start: start + first, count: cursor - first)
      cursor += 1
      return String(decoding: bytes, as: UTF8.self)
    }
    return try parseEscapedString(from: first)
  }

  /// Goes on with a string at its first backslash, where the cursor is.
  private mutating func parseEscapedString(from first: Int) throws(JSONParseError) -> String {
    unescaped.removeAll(keepingCapacity: true)
    var runStart = first
    while true {
      unescaped.append(contentsOf: UnsafeBufferPointer(start: start + runStart, count: cursor - runStart))
      if start[cursor] == ASCII.quote {
        cursor += 1
        return String(decoding: unescaped, as: UTF8.self)
      }
      try parseEscape()
      runStart = cursor
      try skipPlainContent()
    }
  }

  /// Moves the cursor to the next quote or backslash of a string, checking all that is before it.
  private mutating func skipPlainContent() throws(JSONParseError) {
    while true {
      while end - cursor >= 8 {
        let specials = StringScan.specialsAndNonASCII(StringScan.load(start + cursor))
        if specials != 0 {
          cursor += specials.trailingZeroBitCount / 8
          break
        }
        cursor += 8
      }
      let byte = try currentByte()
      if byte == ASCII.quote || byte == ASCII.backslash { return }
      if byte < ASCII.space { throw fault(.controlCharacter) }
      if byte < 0x80 {
        cursor += 1
      } else {
        try skipScalar(leading: byte)
      }
    }
  }

  /// Steps over a scalar of two to four bytes, well formed as Unicode table 3-7 has it.
  private mutating func skipScalar(leading: UInt8) throws(JSONParseError) {
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch leading {
    case 0xC2...0xDF: length = 2
    case 0xE0:
      length = 3
      second = 0xA0...0xBF
    case 0xED:
      length = 3
      second = 0x80...0x9F
    case 0xE1...0xEF: length = 3
    case 0xF0:
      length = 4
      second = 0x90...0xBF
    case 0xF1...0xF3: length = 4
    case 0xF4:
      length = 4
      second = 0x80...0x8F
    default: throw fault(.invalidUTF8)
    }
    guard end - cursor >= length else { throw fault(.invalidUTF8) }
    guard second.contains(start[cursor + 1]) else {
      let isSurrogate = leading == 0xED && start[cursor + 1] & 0xC0 == 0x80 && start[cursor + 2] & 0xC0 == 0x80
      throw fault(isSurrogate ? .loneSurrogate : .invalidUTF8)
    }
    for index in 2..<max(length, 2) where start[cursor + index] & 0xC0 != 0x80 {
      throw fault(.invalidUTF8)
    }
    cursor += length
  }

  /// Appends what the escape at the cursor stands for, and steps over it.
  private mutating func parseEscape() throws(JSONParseError) {
    let escapeStart = cursor
    cursor += 1
    let byte: UInt8
    switch try currentByte() {
    case ASCII.quote: byte = ASCII.quote
    case ASCII.backslash: byte = ASCII.backslash
    case ASCII.slash: byte = ASCII.slash
    case UInt8(ascii: "b"): byte = 0x08
    case UInt8(ascii: "f"): byte = 0x0C
    case UInt8(ascii: "n"): byte = ASCII.newline
    case UInt8(ascii: "r"): byte = ASCII.carriageReturn
    case UInt8(ascii: "t"): byte = ASCII.tab
    case UInt8(ascii: "u"):
      cursor += 1
      try parseUnicodeEscape(from: escapeStart)
      return
    default: throw JSONParseError(code: .invalidEscape, offset: escapeStart)
    }
    cursor += 1
    unescaped.append(byte)
  }

  /// Goes on with `\u` behind the `u`, with a second escape where the first is the high half of a surrogate pair.
  private mutating func parseUnicodeEscape(from escapeStart: Int) throws(JSONParseError) {
    let unit = try parseHexDigits(of: escapeStart)
    var scalar = unit
    if 0xD800...0xDFFF ~= unit {
      guard unit < 0xDC00, end - cursor >= 2, start[cursor] == ASCII.backslash, start[cursor + 1] == UInt8(ascii: "u")
      else { throw JSONParseError(code: .loneSurrogate, offset: escapeStart) }
      let lowStart = cursor
      cursor += 2
      let low = try parseHexDigits(of: lowStart)
      guard 0xDC00...0xDFFF ~= low else { throw JSONParseError(code: .loneSurrogate, offset: escapeStart) }
      scalar = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
    }
    switch scalar {
    case 0..<0x80:
      unescaped.append(UInt8(scalar))
    case 0x80..<0x800:
      unescaped.append(0xC0 | UInt8(scalar >> 6))
      unescaped.append(0x80 | UInt8(scalar & 0x3F))
    case 0x800..<0x10000:
      unescaped.append(0xE0 | UInt8(scalar >> 12))
      unescaped.append(0x80 | UInt8(scalar >> 6 & 0x3F))
      unescaped.append(0x80 | UInt8(scalar & 0x3F))
    default:
      unescaped.append(0xF0 | UInt8(scalar >> 18))
      unescaped.append(0x80 | UInt8(scalar >> 12 & 0x3F))
      unescaped.append(0x80 | UInt8(scalar >> 6 & 0x3F))
      unescaped.append(0x80 | UInt8(scalar & 0x3F))
    }
  }

  private mutating func parseHexDigits(of escapeStart: Int) throws(JSONParseError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch try currentByte() {
      case let byte where ASCII.isDigit(byte): digit = byte - ASCII.zero
      case let byte where 0x41...0x46 ~= byte: digit = byte - 0x41 + 10
      case let byte where 0x61...0x66 ~= byte: digit = byte - 0x61 + 10
      default: throw JSONParseError(code: .invalidEscape, offset: escapeStart)
      }
      unit = unit << 4 | UInt32(digit)
      cursor += 1
    }
    return unit
  }
}
