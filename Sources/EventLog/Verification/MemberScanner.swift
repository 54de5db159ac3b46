/// Goes through the top-level members of a canonical JSON object without making values of it: a member is two ranges of bytes.
struct MemberScanner: Sequence, IteratorProtocol {
  /// A member: its key without quotes, as written, and its value as written.
  struct Member {
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
  }

  private let bytes: UnsafeRawBufferPointer
  private var at: Int
  /// Whether the object ended where it should, once `next()` has answered nil.
  private(set) var isWellFormed = false

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    at = bytes.first == UInt8(ascii: "{") ? 1 : -1
  }

  mutating func next() -> Member? {
    guard at > 0, at < bytes.count else { return nil }
    if bytes[at] == UInt8(ascii: "}") {
      isWellFormed = at == bytes.count - 1
      at = -1
      return nil
    }
    if bytes[at] == UInt8(ascii: ",") { at += 1 }
    guard let keyEnd = stringEnd(at) else { return stop() }
    let key = UnsafeRawBufferPointer(rebasing: bytes[(at + 1)..<keyEnd])
    at = keyEnd + 1
    guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { return stop() }
    at += 1
    guard let end = valueEnd(at) else { return stop() }
    let value = UnsafeRawBufferPointer(rebasing: bytes[at..<end])
    at = end
    return Member(key: key, value: value)
  }

  private mutating func stop() -> Member? {
    at = -1
    return nil
  }

  /// The index of the quote that ends the string whose opening quote is at `start`.
  private func stringEnd(_ start: Int) -> Int? {
    guard start < bytes.count, bytes[start] == UInt8(ascii: "\"") else { return nil }
    var index = start + 1
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") { return index }
      index += byte == UInt8(ascii: "\\") ? 2 : 1
    }
    return nil
  }

  /// The index after the value that begins at `start`.
  private func valueEnd(_ start: Int) -> Int? {
    guard start < bytes.count else { return nil }
    var index = start
    var depth = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        guard let end = stringEnd(index) else { return nil }
        index = end + 1
        if depth == 0 { return index }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return index > start ? index : nil }
        depth -= 1
        if depth == 0 { return index + 1 }
      case UInt8(ascii: ","):
        if depth == 0 { return index > start ? index : nil }
      default:
        break
      }
      index += 1
    }
    return nil
  }

  /// The value of one member.
  static func value(of name: StaticString, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var scanner = MemberScanner(bytes)
    while let member = scanner.next() {
      if equal(member.key, name) { return member.value }
    }
    return nil
  }

  static func equal(_ bytes: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
    guard bytes.count == name.utf8CodeUnitCount else { return false }
    return name.withUTF8Buffer { bytes.elementsEqual($0) }
  }

  /// A value's text without its quotes; nil where it is no string or has escapes.
  static func plainText(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard value.count >= 2, value.first == UInt8(ascii: "\""), value.last == UInt8(ascii: "\"") else { return nil }
    return UnsafeRawBufferPointer(rebasing: value[1..<(value.count - 1)])
  }

  /// A non-negative integer; nil where it is none.
  static func integer(_ value: UnsafeRawBufferPointer) -> UInt64? {
    guard !value.isEmpty, value.count <= 19 else { return nil }
    var result: UInt64 = 0
    for byte in value {
      guard byte >= 48, byte <= 57 else { return nil }
      result = result * 10 + UInt64(byte - 48)
    }
    return result
  }
}
