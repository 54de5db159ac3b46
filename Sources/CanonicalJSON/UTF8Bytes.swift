#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Strings as the bytes of their UTF-8, where `String`'s own comparison would go by Unicode normalization.
package enum UTF8Bytes {
  /// Runs `body` on the bytes of `text`, without a copy for any string that is stored as UTF-8.
  @inline(__always)
  static func withBytes<Result>(of text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    if let result = text.utf8.withContiguousStorageIfAvailable(body) { return result }
    return ContiguousArray(text.utf8).withUnsafeBufferPointer(body)
  }

  /// Whether both strings are the same bytes.
  package static func areEqual(_ left: String, _ right: String) -> Bool {
    let count = left.utf8.count
    guard count == right.utf8.count else { return false }
    return withBytes(of: left) { left in
      withBytes(of: right) { right in
        guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else { return true }
        return memcmp(leftStart, rightStart, count) == 0
      }
    }
  }

  /// Feeds the bytes and their count, so that neighbours can't run into each other.
  package static func hash(_ text: String, into hasher: inout Hasher) {
    withBytes(of: text) { bytes in
      hasher.combine(bytes.count)
      hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Below zero where `left` comes first in the order of UTF-16 code units (RFC 8785 §3.2.3), zero where both are the
  /// same bytes.
  @inline(__always)
  static func order(_ left: String, _ right: String) -> Int {
    withBytes(of: left) { left in
      withBytes(of: right) { right in
        order(left, right)
      }
    }
  }

  /// The order of UTF-16 code units, read off the UTF-8 of both.
  ///
  /// It is the order of the bytes but for one case: scalars above U+FFFF (first byte F0 and up) are surrogates in
  /// UTF-16, D800 to DFFF, and so come before U+E000 to U+FFFF (first byte EE or EF).
  @inline(__always)
  package static func order(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
    let shared = min(left.count, right.count)
    var index = 0
    while index < shared {
      let leftByte = left[index]
      let rightByte = right[index]
      if leftByte != rightByte {
        if leftByte >= 0xEE, rightByte >= 0xEE, (leftByte >= 0xF0) != (rightByte >= 0xF0) {
          return leftByte >= 0xF0 ? -1 : 1
        }
        return leftByte < rightByte ? -1 : 1
      }
      index += 1
    }
    return left.count - right.count
  }
}
