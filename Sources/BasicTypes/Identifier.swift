#if canImport(Glibc)
  import Glibc
#endif

/// A 128-bit identifier: the UUID of a resource or an event, carried as two words and made text only at the edges.
///
/// Ordering is that of the big-endian bytes, so version 7 identifiers sort by the time they were made.
public struct Identifier: Hashable, Sendable, Comparable {
  /// The first eight bytes, big-endian.
  public let high: UInt64
  /// The last eight bytes, big-endian.
  public let low: UInt64

  /// An identifier of the given words.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// An identifier of sixteen bytes, or nil where there are not exactly sixteen.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    var high: UInt64 = 0
    var low: UInt64 = 0
    for (index, byte) in bytes.enumerated() {
      if index < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
    }
    self.init(high: high, low: low)
  }

  /// The person that an actor of an event is, such as `user:<uuid>`; nil for a key, the local administrator and the
  /// server.
  public init?(userActor actor: String) {
    guard actor.hasPrefix("user:") else { return nil }
    self.init(String(actor.dropFirst("user:".count)))
  }

  /// The identifier that a UUID string of 36 characters spells, in either case; nil where it is anything else.
  public init?(_ text: String) {
    var copy = text
    let parsed: Identifier? = copy.withUTF8 { bytes in
      guard bytes.count == 36 else { return nil }
      var high: UInt64 = 0
      var low: UInt64 = 0
      var digits = 0
      for index in 0..<36 {
        let byte = bytes[index]
        if index == 8 || index == 13 || index == 18 || index == 23 {
          guard byte == UInt8(ascii: "-") else { return nil }
          continue
        }
        let value: UInt64
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = UInt64(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = UInt64(byte - UInt8(ascii: "A")) + 10
        default: return nil
        }
        if digits < 16 { high = high << 4 | value } else { low = low << 4 | value }
        digits += 1
      }
      return Identifier(high: high, low: low)
    }
    guard let parsed else { return nil }
    self = parsed
  }

  /// Whether the one's bytes come before the other's.
  public static func < (left: Identifier, right: Identifier) -> Bool {
    left.high == right.high ? left.low < right.low : left.high < right.high
  }

  /// The sixteen bytes, in network order.
  public var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
      for index in 0..<8 {
        buffer[index] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
        buffer[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * index))
      }
      count = 16
    }
  }

  /// The lower-case text with dashes, as JSON and SQL show it.
  public var text: String {
    String(unsafeUninitializedCapacity: 36) { buffer in
      var out = 0
      for digit in 0..<32 {
        if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
          buffer[out] = UInt8(ascii: "-")
          out += 1
        }
        let word = digit < 16 ? high : low
        let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (digit & 15))) & 15
        buffer[out] = nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
        out += 1
      }
      return 36
    }
  }

  /// A version 7 identifier (RFC 9562 §5.7) of the given time: milliseconds, then
  /// microseconds in `rand_a`, then 62 random bits.
  public static func version7(at time: Timestamp) -> Identifier {
    var generator = PooledRandom()
    return version7(at: time, using: &generator)
  }

  /// A version 7 identifier whose random bits come from the given source.
  public static func version7(at time: Timestamp, using generator: inout some RandomNumberGenerator) -> Identifier {
    let microseconds = UInt64(max(0, time.microseconds))
    let milliseconds = microseconds / 1000
    let fraction = (microseconds % 1000) * 4096 / 1000
    let high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | fraction
    let low = (generator.next() as UInt64) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    return Identifier(high: high, low: low)
  }

  /// The version and variant bits of RFC 9562 set over sixteen bytes of a hash: what makes a version 5 or 8 identifier.
  public static func stamped(version: UInt8, hash: some Collection<UInt8>) -> Identifier? {
    guard let raw = Identifier(bytes: Array(hash.prefix(16))) else { return nil }
    let high = raw.high & 0xFFFF_FFFF_FFFF_0FFF | UInt64(version & 15) << 12
    let low = raw.low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    return Identifier(high: high, low: low)
  }
}

extension Identifier {
  /// The version that the id names (RFC 9562 §4.2).
  public var version: UInt8 { UInt8(truncatingIfNeeded: high >> 12) & 15 }

  /// Whether no client may give this id to anything: those of version 8 are the server's own, and so are the two that
  /// RFC 9562 reserves (§5.9, §5.10) and version 7 at the beginning of time, which stands for the system user.
  public var isReserved: Bool {
    version == 8 || (high == 0 && low == 0) || (high == .max && low == .max) || high == 0x0000_0000_0000_7000
  }
}

extension Identifier: CustomStringConvertible {
  /// The text.
  public var description: String { text }
}
