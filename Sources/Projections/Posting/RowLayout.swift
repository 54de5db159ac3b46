import BasicTypes
import CanonicalJSON

/// How the row of a new resource is laid out for COPY: its columns, where each
/// one's value comes from, and as what it is sent.
///
/// It is the short way past `jsonb_populate_record`, for values that are in the one usual form; whatever isn't goes the
/// long way, so that PostgreSQL alone decides on it.
struct RowLayout: Sendable {
  /// Where a column's value comes from.
  enum Source: Sendable {
    case id, version, createdAt, updatedAt
    /// A field of the type, by its place.
    case field(Int)
    /// The form in which a field of the type is compared, by the field's place.
    case form(Int)
  }

  /// As what a value is sent; nil for SQL types that are left to PostgreSQL.
  enum Kind: Sendable {
    case uuid, bigint, integer, double, boolean, text, timestamp, json, texts

    init?(sqlType: String) {
      switch sqlType {
      case "uuid": self = .uuid
      case "bigint": self = .bigint
      case "integer": self = .integer
      case "double precision": self = .double
      case "boolean": self = .boolean
      case "text": self = .text
      case "timestamptz": self = .timestamp
      case "jsonb": self = .json
      case "text[]": self = .texts
      default:
        guard sqlType.hasPrefix("varchar(") else { return nil }
        self = .text
      }
    }
  }

  struct Column: Sendable {
    let name: String
    let source: Source
    let kind: Kind?
  }
  let columns: [Column]

  /// The layout of a state read model's table; nil where a column has no source,
  /// which the check of the folder rules out.
  init?(_ definition: ProjectionDefinition, _ type: PostedType) {
    var columns: [Column] = []
    for column in definition.columns {
      let source: Source
      switch column.name {
      case "id": source = .id
      case "version": source = .version
      case "created_at": source = .createdAt
      case "updated_at": source = .updatedAt
      default:
        if let place = type.fields.firstIndex(where: { $0.name == column.name }) {
          source = .field(place)
        } else if let place = type.fields.firstIndex(where: { $0.folded?.key.elementsEqual(column.name.utf8) == true })
        {
          source = .form(place)
        } else {
          return nil
        }
      }
      columns.append(Column(name: column.name, source: source, kind: Kind(sqlType: column.type)))
    }
    self.columns = columns
  }
}

extension BinaryCopy {
  /// Adds a JSON text as a column of that kind; false where it isn't in the usual
  /// form of that kind, and then nothing is added.
  mutating func value(_ json: ArraySlice<UInt8>, as kind: RowLayout.Kind?) -> Bool {
    // No other JSON begins so.
    if json.first == UInt8(ascii: "n") {
      null()
      return true
    }
    switch kind {
    case .json:
      self.json { $0.append(contentsOf: json) }
    case .text:
      guard let inner = BinaryCopy.inside(json) else { return false }
      guard inner.contains(UInt8(ascii: "\\")) else {
        field(inner)
        return true
      }
      // Damaged JSON is left to PostgreSQL, as is U+0000, which it refuses.
      guard let value = try? JSON.parse(json), let text = value.stringValue, !text.utf8.contains(0) else {
        return false
      }
      self.text(text)
    case .uuid:
      guard let inner = BinaryCopy.inside(json), let id = Identifier(String(decoding: inner, as: UTF8.self)) else {
        return false
      }
      identifier(id)
    case .timestamp:
      // No more digits than microseconds, since PostgreSQL rounds what would be cut here.
      guard let inner = BinaryCopy.inside(json), inner.count <= 27, inner.last == UInt8(ascii: "Z"),
        let time = Timestamp(String(decoding: inner, as: UTF8.self))
      else { return false }
      timestamp(time)
    case .bigint:
      guard let value = BinaryCopy.integer(json) else { return false }
      integer(value)
    case .integer:
      guard let value = BinaryCopy.integer(json), let narrow = Int32(exactly: value) else { return false }
      integer32(narrow)
    case .double:
      guard let value = BinaryCopy.double(json) else { return false }
      integer(Int64(bitPattern: value.bitPattern))
    case .boolean:
      guard let first = json.first, first == UInt8(ascii: "t") || first == UInt8(ascii: "f") else { return false }
      field(CollectionOfOne(first == UInt8(ascii: "t") ? 1 : 0))
    case .texts:
      guard let items = BinaryCopy.strings(json) else { return false }
      texts(items)
    case nil:
      return false
    }
    return true
  }

  /// What stands between a string's quotes; nil for other values.
  private static func inside(_ json: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard json.count >= 2, json.first == UInt8(ascii: "\"") else { return nil }
    return json.dropFirst().dropLast()
  }

  /// An integer written as one, of at most 18 digits.
  private static func integer(_ json: ArraySlice<UInt8>) -> Int64? {
    let isNegative = json.first == UInt8(ascii: "-")
    let digits = isNegative ? json.dropFirst() : json
    guard (1...18).contains(digits.count) else { return nil }
    var value: Int64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return isNegative ? -value : value
  }

  /// A finite number; a zero that was none, or a negative one, is PostgreSQL's to judge.
  private static func double(_ json: ArraySlice<UInt8>) -> Double? {
    guard let first = json.first, first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
      let value = Double(String(decoding: json, as: UTF8.self)), value.isFinite
    else { return nil }
    return value != 0 || json.elementsEqual("0".utf8) ? value : nil
  }

  /// The elements of an array of strings without escapes.
  private static func strings(_ json: ArraySlice<UInt8>) -> [String]? {
    guard json.count >= 2, json.first == UInt8(ascii: "["), !json.contains(UInt8(ascii: "\\")) else { return nil }
    var result: [String] = []
    var index = json.startIndex + 1
    let end = json.endIndex - 1
    while index < end {
      guard json[index] == UInt8(ascii: "\""), let close = json[(index + 1)..<end].firstIndex(of: UInt8(ascii: "\""))
      else { return nil }
      result.append(String(decoding: json[(index + 1)..<close], as: UTF8.self))
      index = close + 1
      guard index == end || json[index] == UInt8(ascii: ",") else { return nil }
      index += 1
    }
    return result
  }
}
