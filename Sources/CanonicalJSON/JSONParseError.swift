/// Why a text was refused, and at which byte. It never quotes the text, which may be personal.
public struct JSONParseError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of fault.
  public enum Code: String, Sendable, CaseIterable {
    /// A byte that the grammar has no place for here, a byte order mark included.
    case unexpectedByte
    /// The text stops before its value is complete; an empty text too.
    case unexpectedEnd
    /// Bytes in a string that aren't UTF-8 (RFC 3629).
    case invalidUTF8
    /// Half of a surrogate pair, as an escape or as bytes.
    case loneSurrogate
    /// A control character (U+0000 to U+001F) in a string that isn't escaped.
    case controlCharacter
    /// A backslash that no escape of RFC 8259 §7 follows.
    case invalidEscape
    /// A number that RFC 8259 §6 doesn't allow, such as `01` or `1.`.
    case invalidNumber
    /// A number with a fraction or an exponent that no finite double is near.
    case numberOutOfRange
    /// More arrays and objects inside each other than the limit allows.
    case tooDeep
    /// A key that its object has already.
    case duplicateKey
    /// Something other than white space after the value.
    case trailingBytes
  }

  /// The kind of fault.
  public let code: Code

  /// Where the fault is: the count of bytes before it.
  public let offset: Int

  /// A fault at a byte.
  public init(code: Code, offset: Int) {
    self.code = code
    self.offset = offset
  }

  /// A sentence for a person that names the fault and its byte, and quotes nothing.
  public var description: String {
    switch code {
    case .unexpectedByte: "The JSON text has a byte that doesn't belong there at byte \(offset)."
    case .unexpectedEnd: "The JSON text ends before its value is complete, at byte \(offset)."
    case .invalidUTF8: "The JSON text isn't valid UTF-8 at byte \(offset)."
    case .loneSurrogate: "A string of the JSON text has half of a surrogate pair at byte \(offset)."
    case .controlCharacter: "A string of the JSON text has a control character that isn't escaped at byte \(offset)."
    case .invalidEscape: "A string of the JSON text has an escape that JSON doesn't know at byte \(offset)."
    case .invalidNumber: "The JSON text has a number that isn't written as JSON allows at byte \(offset)."
    case .numberOutOfRange: "The JSON text has a number beyond the range of a double at byte \(offset)."
    case .tooDeep: "The JSON text nests arrays and objects deeper than is allowed at byte \(offset)."
    case .duplicateKey: "An object of the JSON text has the same key a second time at byte \(offset)."
    case .trailingBytes: "The JSON text goes on after its value at byte \(offset)."
    }
  }
}
