import BasicTypes

/// Rows in the binary format of `COPY` (PostgreSQL manual, COPY, "Binary Format"):
/// no escaping here, no parsing of numbers and times there.
struct BinaryCopy {
  private(set) var bytes: [UInt8]
  private(set) var rowCount = 0

  /// No rows yet.
  init(capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity + 32)
    bytes.append(contentsOf: [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00])
    bytes.append(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0])
  }

  /// Ends the data; nothing may be added afterwards.
  mutating func finish() { word(Int16(-1)) }

  mutating func beginRow(columns: Int16) {
    word(columns)
    rowCount += 1
  }

  /// Takes back the row that began when the bytes ended there.
  mutating func dropRow(from start: Int) {
    bytes.removeSubrange(start...)
    rowCount -= 1
  }

  mutating func null() { word(Int32(-1)) }

  /// A value by its bytes as they are sent.
  mutating func field(_ value: some Collection<UInt8>) {
    word(Int32(value.count))
    bytes.append(contentsOf: value)
  }

  mutating func integer(_ value: Int64) {
    word(Int32(8))
    word(value)
  }

  mutating func integer32(_ value: Int32?) {
    guard let value else { return null() }
    word(Int32(4))
    word(value)
  }

  mutating func identifier(_ value: Identifier?) {
    guard let value else { return null() }
    word(Int32(16))
    word(value.high)
    word(value.low)
  }

  /// A time, as microseconds since 2000-01-01T00:00:00Z.
  mutating func timestamp(_ value: Timestamp) { integer(value.microseconds - 946_684_800_000_000) }

  mutating func text(_ value: String?) {
    guard var value else { return null() }
    value.withUTF8 { utf8 in
      word(Int32(utf8.count))
      bytes.append(contentsOf: utf8)
    }
  }

  /// A `jsonb` value by its text, written by the closure.
  mutating func json(_ write: (inout [UInt8]) -> Void) {
    let start = bytes.count
    word(Int32(0))
    bytes.append(1)
    write(&bytes)
    let length = Int32(bytes.count - start - 4)
    withUnsafeBytes(of: length.bigEndian) { for index in 0..<4 { bytes[start + index] = $0[index] } }
  }

  /// An array of texts (`text[]`).
  mutating func texts(_ values: [String]) {
    let size = 12 + (values.isEmpty ? 0 : 8) + values.reduce(0) { $0 + 4 + $1.utf8.count }
    word(Int32(size))
    word(Int32(values.isEmpty ? 0 : 1))
    word(Int32(0))
    word(Int32(25))  // The type's OID: text.
    if values.isEmpty { return }
    word(Int32(values.count))
    word(Int32(1))
    for value in values { text(value) }
  }

  @inline(__always)
  private mutating func word(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }
}
