/// Base64 with the standard alphabet and padding (RFC 4648 §4), one way to write each sequence of bytes.
public enum Base64 {
  /// The text of the bytes: four characters for every three bytes begun.
  public static func encode(_ bytes: UnsafeRawBufferPointer) -> String {
    let length = (bytes.count + 2) / 3 * 4
    return String(unsafeUninitializedCapacity: length) { out in
      alphabet.withUTF8Buffer { symbols in
        var at = 0
        var index = 0
        while index + 2 < bytes.count {
          let word = UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
          out[at] = symbols[Int(word >> 18)]
          out[at + 1] = symbols[Int(word >> 12 & 63)]
          out[at + 2] = symbols[Int(word >> 6 & 63)]
          out[at + 3] = symbols[Int(word & 63)]
          index += 3
          at += 4
        }
        let left = bytes.count - index
        guard left > 0 else { return }
        let word = UInt32(bytes[index]) << 16 | (left == 2 ? UInt32(bytes[index + 1]) << 8 : 0)
        out[at] = symbols[Int(word >> 18)]
        out[at + 1] = symbols[Int(word >> 12 & 63)]
        out[at + 2] = left == 2 ? symbols[Int(word >> 6 & 63)] : UInt8(ascii: "=")
        out[at + 3] = UInt8(ascii: "=")
      }
      return length
    }
  }

  /// The text of the bytes.
  public static func encode(_ bytes: [UInt8]) -> String {
    bytes.withUnsafeBytes { encode($0) }
  }

  /// The bytes that a text spells; nil where it is not what ``encode(_:)-([UInt8])`` writes: other characters, line
  /// breaks, missing padding, or bits left over that are not zero.
  public static func decode(_ text: String) -> [UInt8]? {
    var copy = text
    return copy.withUTF8 { decode(utf8: $0) }
  }

  /// The bytes that a text spells, given as its UTF-8.
  public static func decode(utf8 text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    guard text.count > 0 else { return [] }
    var padding = 0
    if text[text.count - 1] == UInt8(ascii: "=") { padding = text[text.count - 2] == UInt8(ascii: "=") ? 2 : 1 }
    let length = text.count / 4 * 3 - padding
    var isValid = true
    let bytes = [UInt8](unsafeUninitializedCapacity: length) { out, count in
      var at = 0
      for group in stride(from: 0, to: text.count, by: 4) {
        let isLast = group + 4 == text.count
        let symbols = isLast ? 4 - padding : 4
        var word: UInt32 = 0
        var invalid: UInt8 = 0
        for index in 0..<4 {
          let value = index < symbols ? value(of: text[group + index]) : 0
          invalid |= value & 0x80
          word = word << 6 | UInt32(value & 63)
        }
        guard invalid == 0, word & (padding == 0 || !isLast ? 0 : (1 << UInt32(8 * padding)) - 1) == 0 else {
          isValid = false
          break
        }
        out[at] = UInt8(truncatingIfNeeded: word >> 16)
        if symbols > 2 { out[at + 1] = UInt8(truncatingIfNeeded: word >> 8) }
        if symbols > 3 { out[at + 2] = UInt8(truncatingIfNeeded: word) }
        at += symbols - 1
      }
      count = isValid ? length : 0
    }
    return isValid ? bytes : nil
  }

  /// The bytes that a text spells in the alphabet of URLs without padding (RFC 4648 §5), as tokens have it; nil where
  /// it spells none.
  public static func decode(url text: some Collection<UInt8>) -> [UInt8]? {
    var bytes = text.map { byte in
      switch byte {
      case UInt8(ascii: "-"): UInt8(ascii: "+")
      case UInt8(ascii: "_"): UInt8(ascii: "/")
      default: byte
      }
    }
    while bytes.count % 4 != 0 { bytes.append(UInt8(ascii: "=")) }
    return bytes.withUnsafeBufferPointer { decode(utf8: $0) }
  }

  private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

  @inline(__always)
  private static func value(of symbol: UInt8) -> UInt8 {
    switch symbol {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): symbol - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): symbol - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): symbol - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: 0xFF
    }
  }
}
