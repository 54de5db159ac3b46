/// Eight bytes at a time: which of them end a run of plain string content.
enum StringScan {
  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let highs: UInt64 = 0x8080_8080_8080_8080

  /// The high bit of each byte of `word` that is a quote, a backslash or a control character; bytes above the lowest
  /// such one may be marked falsely.
  @inline(__always)
  static func specials(_ word: UInt64) -> UInt64 {
    let quotes = word ^ (ones &* UInt64(ASCII.quote))
    let backslashes = word ^ (ones &* UInt64(ASCII.backslash))
    let controls = (word &- (ones &* UInt64(ASCII.space))) & ~word
    return (((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes) | controls) & highs
  }

  /// As ``specials(_:)``, with every byte outside of ASCII.
  @inline(__always)
  static func specialsAndNonASCII(_ word: UInt64) -> UInt64 {
    specials(word) | (word & highs)
  }

  /// The eight bytes from `pointer`, the first one lowest.
  @inline(__always)
  static func load(_ pointer: UnsafePointer<UInt8>) -> UInt64 {
    UInt64(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt64.self))
  }
}
