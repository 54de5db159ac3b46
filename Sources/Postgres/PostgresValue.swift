/// A parameter of a statement, sent in PostgreSQL's text format. No type is sent along: PostgreSQL infers it from where
/// the parameter stands, so where that is ambiguous (`SELECT $1`) the SQL says it by a cast (`$1::bigint`).
public enum PostgresValue: Hashable, Sendable {
  /// SQL NULL.
  case null
  /// Text, or any type by its text form.
  case text(String)
  /// The UTF-8 bytes of a text form, such as JSON as it stands in a record.
  case bytes([UInt8])
  /// Any integer type or numeric.
  case integer(Int)
  /// real, double precision or numeric.
  case double(Double)
  /// boolean.
  case bool(Bool)
  /// uuid, by any text form that PostgreSQL reads.
  case uuid(String)
  /// A one-dimensional array of anything by its elements' text forms; nil is a NULL element.
  case array([String?])

  /// The text, or NULL for nil.
  public static func optional(_ text: String?) -> PostgresValue { text.map { .text($0) } ?? .null }

  /// The integer, or NULL for nil.
  public static func optional(_ integer: Int?) -> PostgresValue { integer.map { .integer($0) } ?? .null }

  /// An array of integers.
  public static func array(_ integers: [Int]) -> PostgresValue { .array(integers.map { String($0) }) }
}

extension PostgresValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByNilLiteral
{
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
  /// An integer.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A boolean.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// NULL.
  public init(nilLiteral: ()) { self = .null }
}

/// Parameters laid out as libpq takes them: one buffer of NUL-terminated texts.
struct EncodedParameters {
  private var storage: [UInt8] = []
  /// Where each text begins in the storage; nil is NULL.
  private var offsets: [Int?] = []

  var count: CInt { CInt(offsets.count) }

  /// - Throws: `protocolViolation` for a text that holds U+0000, which libpq would cut short and PostgreSQL can't hold.
  init(_ values: [PostgresValue]) throws(PostgresError) {
    guard values.count <= Int(UInt16.max) else {
      throw PostgresError(.protocolViolation, message: "a statement takes at most 65535 parameters")
    }
    offsets.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      let start = storage.count
      switch value {
      case .null:
        offsets.append(nil)
        continue
      case .text(let text), .uuid(let text): storage.append(contentsOf: text.utf8)
      case .bytes(let bytes): storage.append(contentsOf: bytes)
      case .integer(let integer): storage.append(contentsOf: String(integer).utf8)
      case .double(let double): storage.append(contentsOf: String(double).utf8)
      case .bool(let bool): storage.append(UInt8(ascii: bool ? "t" : "f"))
      case .array(let elements): Self.append(elements, to: &storage)
      }
      guard !storage[start...].contains(0) else {
        throw PostgresError(
          .protocolViolation, message: "parameter $\(index + 1) holds U+0000, which PostgreSQL can't hold")
      }
      storage.append(0)
      offsets.append(start)
    }
  }

  func withPointers<R>(_ body: ([UnsafePointer<CChar>?]) -> R) -> R {
    storage.withUnsafeBytes { bytes in
      body(
        offsets.map { offset in
          offset.flatMap { bytes.baseAddress?.advanced(by: $0).assumingMemoryBound(to: CChar.self) }
        })
    }
  }

  private static func append(_ elements: [String?], to storage: inout [UInt8]) {
    storage.append(UInt8(ascii: "{"))
    for (index, element) in elements.enumerated() {
      if index > 0 { storage.append(UInt8(ascii: ",")) }
      guard let element else {
        storage.append(contentsOf: "NULL".utf8)
        continue
      }
      storage.append(UInt8(ascii: "\""))
      for byte in element.utf8 {
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { storage.append(UInt8(ascii: "\\")) }
        storage.append(byte)
      }
      storage.append(UInt8(ascii: "\""))
    }
    storage.append(UInt8(ascii: "}"))
  }
}
