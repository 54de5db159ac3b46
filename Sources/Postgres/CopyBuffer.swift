/// Rows in the text format of `COPY … FROM STDIN` (PostgreSQL manual, COPY), built field by field: any text is taken,
/// with whatever tabs, line ends and backslashes it holds. U+0000 is passed on, and PostgreSQL refuses it.
public struct CopyBuffer: Sendable {
  /// The encoded rows so far, ready for `copyIn`.
  public private(set) var bytes: [UInt8] = []
  /// How many rows have been ended.
  public private(set) var rowCount = 0
  private var isAtRowStart = true

  /// An empty buffer with room for that many bytes.
  public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// The encoded size so far, in bytes.
  public var byteCount: Int { bytes.count }

  /// Adds a field of text.
  public mutating func append(_ text: String) {
    beginField()
    var text = text
    text.withUTF8 { escape(UnsafeRawBufferPointer($0)) }
  }

  /// Adds a field by its UTF-8 bytes, such as JSON as it stands in a record.
  public mutating func append(_ utf8: [UInt8]) {
    beginField()
    utf8.withUnsafeBytes { escape($0) }
  }

  /// Adds a field by its UTF-8 bytes.
  public mutating func append(_ utf8: UnsafeRawBufferPointer) {
    beginField()
    escape(utf8)
  }

  /// Adds a field of text, NULL for nil.
  public mutating func append(_ text: String?) {
    if let text { append(text) } else { appendNull() }
  }

  /// Adds an integer.
  public mutating func append(_ integer: some FixedWidthInteger) {
    beginField()
    bytes.append(contentsOf: String(integer).utf8)
  }

  /// Adds a boolean.
  public mutating func append(_ bool: Bool) {
    beginField()
    bytes.append(UInt8(ascii: bool ? "t" : "f"))
  }

  /// Adds NULL.
  public mutating func appendNull() {
    beginField()
    bytes.append(UInt8(ascii: "\\"))
    bytes.append(UInt8(ascii: "N"))
  }

  /// Ends the row; the next field begins another.
  public mutating func endRow() {
    bytes.append(UInt8(ascii: "\n"))
    isAtRowStart = true
    rowCount += 1
  }

  /// Forgets all rows and keeps the memory.
  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    rowCount = 0
    isAtRowStart = true
  }

  private mutating func beginField() {
    if isAtRowStart { isAtRowStart = false } else { bytes.append(UInt8(ascii: "\t")) }
  }

  /// Copies runs without special bytes at once.
  private mutating func escape(_ field: UnsafeRawBufferPointer) {
    var start = 0
    for index in 0..<field.count {
      let letter: UInt8
      switch field[index] {
      case UInt8(ascii: "\\"): letter = UInt8(ascii: "\\")
      case UInt8(ascii: "\n"): letter = UInt8(ascii: "n")
      case UInt8(ascii: "\r"): letter = UInt8(ascii: "r")
      case UInt8(ascii: "\t"): letter = UInt8(ascii: "t")
      default: continue
      }
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: field[start..<index]))
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(letter)
      start = index + 1
    }
    bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: field[start...]))
  }
}
