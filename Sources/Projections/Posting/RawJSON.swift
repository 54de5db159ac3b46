import CanonicalJSON

/// Walks through canonical JSON without building values: the log's lines are canonical, so a member is found by counting
/// quotes and brackets, and its bytes can be copied as they stand.
struct RawJSON {
  let bytes: [UInt8]

  /// The member's key (without its quotes, escapes as they stand) and value.
  typealias Member = (key: Range<Int>, value: Range<Int>)

  /// The members of the object that begins at `start`; nil where there is none.
  func members(from start: Int = 0) -> [Member]? {
    bytes.withUnsafeBufferPointer { bytes -> [Member]? in
      guard start < bytes.count, bytes[start] == UInt8(ascii: "{") else { return nil }
      var result: [Member] = []
      result.reserveCapacity(12)
      var index = start + 1
      while index < bytes.count, bytes[index] == UInt8(ascii: "\"") {
        let key = RawJSON.endOfString(bytes, index)
        guard key < bytes.count, bytes[key] == UInt8(ascii: ":") else { return nil }
        let end = RawJSON.endOfValue(bytes, key + 1)
        guard end < bytes.count else { return nil }
        result.append(((index + 1)..<(key - 1), (key + 1)..<end))
        index = bytes[end] == UInt8(ascii: ",") ? end + 1 : end
      }
      return index < bytes.count && bytes[index] == UInt8(ascii: "}") ? result : nil
    }
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

  private static func endOfString(_ bytes: UnsafeBufferPointer<UInt8>, _ quote: Int) -> Int {
    var index = quote + 1
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""): return index + 1
      case UInt8(ascii: "\\"): index += 2
      default: index += 1
      }
    }
    return bytes.count
  }

  private static func endOfValue(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    guard start < bytes.count else { return bytes.count }
    switch bytes[start] {
    case UInt8(ascii: "\""):
      return endOfString(bytes, start)
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      var depth = 0
      var index = start
      while index < bytes.count {
        switch bytes[index] {
        case UInt8(ascii: "\""):
          index = endOfString(bytes, index)
          continue
        case UInt8(ascii: "{"), UInt8(ascii: "["):
          depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          depth -= 1
          if depth == 0 { return index + 1 }
        default: break
        }
        index += 1
      }
      return bytes.count
    default:
      var index = start
      while index < bytes.count, bytes[index] != UInt8(ascii: ","), bytes[index] != UInt8(ascii: "}"),
        bytes[index] != UInt8(ascii: "]")
      { index += 1 }
      return index
    }
  }
}
