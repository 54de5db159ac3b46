import Glibc

/// Goes through the top-level members of a canonical JSON object without making
/// values of it: a member is two ranges of bytes.
package struct CanonicalScanner {
  /// A member: its key without quotes, as written, and its value as written.
  package struct Member {
    /// The key, without quotes and with its escapes.
    package let key: UnsafeRawBufferPointer
    /// The value as it is written.
    package let value: UnsafeRawBufferPointer
  }

  private let bytes: UnsafeRawBufferPointer
  private let count: Int
  private var at: Int
  private let mustEndThere: Bool
  /// Whether the object ended where it should, once `next()` has answered nil.
  package private(set) var isWellFormed = false

  /// Goes through an object that takes up all the bytes; or, with `isPrefix`, one that they begin with.
  package init(_ bytes: UnsafeRawBufferPointer, isPrefix: Bool = false) {
    mustEndThere = !isPrefix
    self.bytes = bytes
    count = bytes.count
    at = bytes.first == UInt8(ascii: "{") ? 1 : -1
  }

  /// The next member; nil after the last one, or where the bytes are no canonical object.
  package mutating func next() -> Member? {
    guard beginMember() else { return nil }
    guard let keyEnd = stringEnd(at) else { return stop() }
    let key = UnsafeRawBufferPointer(rebasing: bytes[(at + 1)..<keyEnd])
    at = keyEnd + 1
    guard at < count, bytes[at] == UInt8(ascii: ":") else { return stop() }
    at += 1
    guard let end = valueEnd(at) else { return stop() }
    let value = UnsafeRawBufferPointer(rebasing: bytes[at..<end])
    at = end
    return Member(key: key, value: value)
  }

  /// The members of the object that begins at `start`, as places in the bytes: the
  /// key without its quotes, and the value.
  /// - Returns: nil where no canonical object begins there. What follows the object isn't looked at.
  package static func members(of bytes: [UInt8], from start: Int = 0) -> [(key: Range<Int>, value: Range<Int>)]? {
    bytes.withUnsafeBytes { bytes in
      guard start < bytes.count, let base = bytes.baseAddress else { return nil }
      var scanner = CanonicalScanner(UnsafeRawBufferPointer(rebasing: bytes[start...]), isPrefix: true)
      var members: [(key: Range<Int>, value: Range<Int>)] = []
      members.reserveCapacity(12)
      func place(_ part: UnsafeRawBufferPointer) -> Range<Int> {
        let offset = part.baseAddress.map { base.distance(to: $0) } ?? 0
        return offset..<(offset + part.count)
      }
      while let member = scanner.next() { members.append((place(member.key), place(member.value))) }
      return scanner.isWellFormed ? members : nil
    }
  }

  /// The bytes from the value of a member on, without looking for that value's end; nil where there is no such member.
  package mutating func rest(from name: StaticString) -> UnsafeRawBufferPointer? {
    while beginMember() {
      guard let keyEnd = stringEnd(at) else { return nil }
      let key = UnsafeRawBufferPointer(rebasing: bytes[(at + 1)..<keyEnd])
      at = keyEnd + 2
      guard at < count, bytes[at - 1] == UInt8(ascii: ":") else { return nil }
      if CanonicalScanner.equal(key, name) { return UnsafeRawBufferPointer(rebasing: bytes[at..<count]) }
      guard let end = valueEnd(at) else { return nil }
      at = end
    }
    return nil
  }

  private mutating func beginMember() -> Bool {
    guard at > 0, at < count else { return false }
    if bytes[at] == UInt8(ascii: "}") {
      isWellFormed = !mustEndThere || at == count - 1
      at = -1
      return false
    }
    if bytes[at] == UInt8(ascii: ",") { at += 1 }
    return true
  }

  private mutating func stop() -> Member? {
    at = -1
    return nil
  }

  /// The index of the quote that ends the string whose opening quote is at `start`.
  private func stringEnd(_ start: Int) -> Int? {
    guard let base = bytes.baseAddress, start < count, bytes[start] == UInt8(ascii: "\"") else { return nil }
    var index = start + 1
    while index < count, let found = memchr(base + index, 0x22, count - index) {
      let end = base.distance(to: UnsafeRawPointer(found))
      var backslashes = 0
      while bytes[end - 1 - backslashes] == UInt8(ascii: "\\") { backslashes += 1 }
      if backslashes & 1 == 0 { return end }
      index = end + 1
    }
    return nil
  }

  /// The index after the value that begins at `start`.
  private func valueEnd(_ start: Int) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var index = start
    var depth = 0
    while index < count {
      switch base.load(fromByteOffset: index, as: UInt8.self) {
      case UInt8(ascii: "\""):
        guard let end = stringEnd(index) else { return nil }
        index = end + 1
        if depth == 0 { return index }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth &+= 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return index > start ? index : nil }
        depth &-= 1
        if depth == 0 { return index + 1 }
      case UInt8(ascii: ","):
        if depth == 0 { return index > start ? index : nil }
      default:
        break
      }
      index &+= 1
    }
    return nil
  }

  /// Whether bytes are those of a name.
  package static func equal(_ bytes: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
    guard bytes.count == name.utf8CodeUnitCount, let base = bytes.baseAddress else { return false }
    return memcmp(base, name.utf8Start, bytes.count) == 0
  }

  /// Whether two runs of bytes are equal.
  package static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    guard let one = left.baseAddress, let other = right.baseAddress else { return left.count == 0 }
    return memcmp(one, other, left.count) == 0
  }

  /// A value's text without its quotes; nil where it is no string or has escapes.
  package static func plainText(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard value.count >= 2, let base = value.baseAddress, value.first == UInt8(ascii: "\""),
      value.last == UInt8(ascii: "\""), memchr(base, Int32(UInt8(ascii: "\\")), value.count) == nil
    else { return nil }
    return UnsafeRawBufferPointer(rebasing: value[1..<(value.count - 1)])
  }

  /// A non-negative integer; nil where it is none.
  package static func integer(_ value: UnsafeRawBufferPointer) -> UInt64? {
    guard !value.isEmpty, value.count <= 19 else { return nil }
    var result: UInt64 = 0
    for byte in value {
      guard byte >= 48, byte <= 57 else { return nil }
      result = result * 10 + UInt64(byte - 48)
    }
    return result
  }
}
