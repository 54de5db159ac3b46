/// A JSON Pointer (RFC 6901): the way from a value to one inside of it.
public struct JSONPointer: Sendable, CustomStringConvertible {
  /// The keys and array indexes on the way, not escaped; none points to the whole value.
  public let tokens: [String]

  /// The pointer that goes by these keys and indexes.
  public init(tokens: [String] = []) {
    self.tokens = tokens
  }

  /// The pointer that `text` writes, or nil where it doesn't start with `/` (the empty text is the whole value) or has
  /// a `~` that neither `0` nor `1` follows.
  public init?(_ text: String) {
    var tokens: [String] = []
    var token: [UInt8] = []
    var isEscaped = false
    for (index, byte) in text.utf8.enumerated() {
      if index == 0 {
        guard byte == ASCII.slash else { return nil }
      } else if isEscaped {
        guard byte == ASCII.zero || byte == ASCII.one else { return nil }
        token.append(byte == ASCII.zero ? ASCII.tilde : ASCII.slash)
        isEscaped = false
      } else if byte == ASCII.slash {
        tokens.append(String(decoding: token, as: UTF8.self))
        token = []
      } else if byte == ASCII.tilde {
        isEscaped = true
      } else {
        token.append(byte)
      }
    }
    guard !isEscaped else { return nil }
    if !text.isEmpty { tokens.append(String(decoding: token, as: UTF8.self)) }
    self.init(tokens: tokens)
  }

  /// The pointer as text: each token behind a `/`, escaped; empty for the whole value.
  public var description: String {
    var output: [UInt8] = []
    for token in tokens {
      output.append(ASCII.slash)
      Self.writeEscaped(token, into: &output)
    }
    return String(decoding: output, as: UTF8.self)
  }

  /// The pointer that goes one step further.
  public func appending(_ token: String) -> JSONPointer {
    JSONPointer(tokens: tokens + [token])
  }

  /// A token as a pointer's text holds it: `~` as `~0` and `/` as `~1` (RFC 6901 §3).
  public static func escape(_ token: String) -> String {
    var output: [UInt8] = []
    writeEscaped(token, into: &output)
    return String(decoding: output, as: UTF8.self)
  }

  /// The value that the pointer leads to from `value`, or nil where the way ends before it. An array's index is written
  /// in decimal without leading zeros; `-` (RFC 6901 §4, the element after the last) never leads to a value.
  public func resolve(in value: JSON) -> JSON? {
    var value = value
    for token in tokens {
      switch value {
      case .object(let object):
        guard let member = object[token] else { return nil }
        value = member
      case .array(let elements):
        guard let index = Self.arrayIndex(token), elements.indices.contains(index) else { return nil }
        value = elements[index]
      default: return nil
      }
    }
    return value
  }

  static func writeEscaped(_ token: String, into output: inout [UInt8]) {
    for byte in token.utf8 {
      switch byte {
      case ASCII.tilde:
        output.append(ASCII.tilde)
        output.append(ASCII.zero)
      case ASCII.slash:
        output.append(ASCII.tilde)
        output.append(ASCII.one)
      default: output.append(byte)
      }
    }
  }

  private static func arrayIndex(_ token: String) -> Int? {
    guard case .integer(let index) = JSON(integerText: token), index >= 0, token.utf8.first != ASCII.minus else {
      return nil
    }
    return Int(exactly: index)
  }
}

extension JSONPointer: Hashable {
  /// Whether both are the same bytes.
  public static func == (left: JSONPointer, right: JSONPointer) -> Bool {
    left.tokens.count == right.tokens.count && zip(left.tokens, right.tokens).allSatisfy(UTF8Bytes.areEqual)
  }

  /// Feeds what equality compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(tokens.count)
    for token in tokens { UTF8Bytes.hash(token, into: &hasher) }
  }
}
