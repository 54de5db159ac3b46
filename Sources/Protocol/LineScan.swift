import CanonicalJSON
import NIOCore

/// The method and the id of the call that a line holds, found without taking its parameters apart: what is needed to
/// refuse a large line cheaply.
///
/// It only looks over what it passes by, so a line with a scan needn't be JSON; one without is a batch, no call, or
/// written in a way that nobody writes.
public struct LineScan: Sendable, Equatable {
  /// The method's name.
  public let method: String
  /// What the answer must carry; nil for a notification.
  public let id: RequestID?

  /// Looks a line over once.
  public init?(_ line: ByteBuffer) {
    let found = line.withUnsafeReadableBytes { bytes in
      var scanner = Scanner(bytes: bytes.bindMemory(to: UInt8.self))
      return scanner.members()
    }
    guard let method = found?.method else { return nil }
    self.method = method
    id = found?.id
  }

  /// The id of a request of which only the beginning is known; nil where it doesn't stand there.
  static func identifier(atBeginningOf bytes: UnsafeBufferPointer<UInt8>) -> RequestID? {
    var scanner = Scanner(bytes: bytes)
    return scanner.leadingIdentifier()
  }

  /// The id of a request of which only the end is known: its last member; nil where that is another one.
  static func identifier(atEndOf bytes: UnsafeBufferPointer<UInt8>) -> RequestID? {
    let key = Array(#""id""#.utf8)
    guard bytes.count >= key.count else { return nil }
    for start in stride(from: bytes.count - key.count, through: 0, by: -1)
    where UnsafeBufferPointer(rebasing: bytes[start..<(start + key.count)]).elementsEqual(key) {
      var scanner = Scanner(bytes: UnsafeBufferPointer(rebasing: bytes[(start + key.count)...]))
      return scanner.lastValue()
    }
    return nil
  }
}

private struct Scanner {
  let bytes: UnsafeBufferPointer<UInt8>
  private var index = 0

  init(bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  /// The members of the object that the line is; nil where it is none, or one of them can't be read.
  mutating func members() -> (method: String?, id: RequestID?)? {
    skipSpace()
    guard take(UInt8(ascii: "{")) else { return nil }
    var method: String?
    var id: RequestID?
    while true {
      skipSpace()
      let key = index
      guard skipString() else { return nil }
      let name = bytes[key..<index]
      // It may be one of the two names: nobody writes them with escapes.
      if name.contains(UInt8(ascii: "\\")) { return nil }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return nil }
      skipSpace()
      let start = index
      guard skipValue() else { return nil }
      if name.elementsEqual(#""method""#.utf8) {
        guard method == nil, index - start <= 256, case .string(let text)? = value(start..<index) else { return nil }
        method = text
      } else if name.elementsEqual(#""id""#.utf8) {
        guard id == nil, index - start <= 4096, let given = value(start..<index).flatMap(RequestID.init) else {
          return nil
        }
        id = given
      }
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "}")) ? (method, id) : nil
    }
  }

  /// The id among the members that are there as a whole.
  mutating func leadingIdentifier() -> RequestID? {
    skipSpace()
    guard take(UInt8(ascii: "{")) else { return nil }
    while true {
      skipSpace()
      let key = index
      guard skipString() else { return nil }
      let isIdentifier = bytes[key..<index].elementsEqual(#""id""#.utf8)
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return nil }
      skipSpace()
      let start = index
      guard skipValue() else { return nil }
      if isIdentifier { return value(start..<index).flatMap(RequestID.init) }
      skipSpace()
      guard take(UInt8(ascii: ",")) else { return nil }
    }
  }

  /// The id that stands behind a colon as the last value of an object.
  mutating func lastValue() -> RequestID? {
    skipSpace()
    guard take(UInt8(ascii: ":")) else { return nil }
    skipSpace()
    let start = index
    guard skipValue() else { return nil }
    let given = value(start..<index).flatMap(RequestID.init)
    skipSpace()
    guard take(UInt8(ascii: "}")) else { return nil }
    skipSpace()
    return index == bytes.count ? given : nil
  }

  private func value(_ range: Range<Int>) -> JSON? {
    // What isn't JSON is told by whoever parses the whole line.
    try? JSON.parse(Array(bytes[range]))
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func skipSpace() {
    while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x09 || bytes[index] == 0x0D { index += 1 }
  }

  private mutating func skipString() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        index += 1
        return true
      case UInt8(ascii: "\\"): index += 2
      default: index += 1
      }
    }
    return false
  }

  /// Passes by a value: to its closing bracket, or to what ends it.
  private mutating func skipValue() -> Bool {
    var depth = 0
    let start = index
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        guard skipString() else { return false }
        if depth == 0 { return true }
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        index += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        // The end of the object that the value is a member of.
        if depth == 0 { return index > start }
        depth -= 1
        index += 1
        if depth == 0 { return true }
      case UInt8(ascii: ",") where depth == 0: return index > start
      default: index += 1
      }
    }
    return false
  }
}
