import CanonicalJSON

/// Walks through canonical JSON without building values: the log's lines are canonical, so a member is found by
/// counting quotes and brackets, and its bytes can be copied as they stand.
struct RawJSON {
  let bytes: [UInt8]

  /// The member's key (without its quotes, escapes as they stand) and value.
  typealias Member = (key: Range<Int>, value: Range<Int>)

  /// The members of the object that begins at `start`; nil where there is none.
  func members(from start: Int = 0) -> [Member]? {
    CanonicalScanner.members(of: bytes, from: start)
  }

  /// Whether the bytes there are that text.
  @inline(__always)
  func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      for offset in 0..<range.count where bytes[range.lowerBound + offset] != text.utf8Start[offset] { return false }
      return true
    }
  }

  /// Whether the value there is `null`.
  func isNull(_ range: Range<Int>) -> Bool { matches(range, "null") }

  /// The text of the string value there, or nil where it is none.
  func string(_ range: Range<Int>) -> String? {
    guard range.count >= 2, bytes[range.lowerBound] == UInt8(ascii: "\"") else { return nil }
    let inner = bytes[(range.lowerBound + 1)..<(range.upperBound - 1)]
    if inner.contains(UInt8(ascii: "\\")) { return value(range)?.stringValue }
    return String(decoding: inner, as: UTF8.self)
  }

  /// The value there; nil where it is no JSON, which in a stored line means damage.
  func value(_ range: Range<Int>) -> JSON? { try? JSON.parse(bytes[range]) }
}
