import BasicTypes
import CanonicalJSON

/// What a chunk's events add up to for one resource: the last value of each field that they set.
struct ResourceFold {
  /// A value as it stands in a body.
  struct Value {
    let body: RawJSON
    let range: Range<Int>

    var isNull: Bool { body.isNull(range) }
    /// The value itself; null for what is damaged, on which PostgreSQL decides.
    var parsed: JSON { body.value(range) ?? .null }
    func write(into out: inout [UInt8]) { out.append(contentsOf: body.bytes[range]) }
  }

  /// When an event was recorded, and how that stands in its header.
  private struct Moment {
    let at: Timestamp
    let header: RawJSON
    let text: Range<Int>

    init(_ event: StoredEvent) {
      at = event.at
      header = event.header
      text = event.atText
    }
  }

  let type: PostedType
  let resource: Identifier
  private(set) var values: [Value?]
  private var created: Moment?
  private var last: Moment
  private var version: Int64
  /// What fields have that no event sets, by their place.
  private let defaults: [(place: Int, value: Value)]

  init(type: PostedType, first: StoredEvent, defaults: [(place: Int, value: Value)] = []) {
    self.type = type
    self.defaults = defaults
    resource = first.resource
    values = Array(repeating: nil, count: type.fields.count)
    last = Moment(first)
    version = first.version
  }

  mutating func take(_ event: StoredEvent) {
    last = Moment(event)
    version = event.version
    if event.version == 1 { created = last }
    var hint = 0
    for member in event.set {
      guard let index = type.index(of: event.body.bytes[member.key], from: hint) else { continue }
      values[index] = Value(body: event.body, range: member.value)
      hint = index + 1
    }
    // What a new resource lacks, and what was cleared, reads as the default.
    for (place, value) in defaults where values[place].map(\.isNull) ?? (created != nil) { values[place] = value }
  }

  /// The row's changed columns as one JSON object, null where a field was cleared; sealed values stay sealed.
  func writeRow(into out: inout [UInt8]) {
    out.append(contentsOf: #"{"id":""#.utf8)
    out.append(contentsOf: resource.text.utf8)
    out.append(contentsOf: #"","version":"#.utf8)
    JSONText.writeInteger(version, into: &out)
    out.append(contentsOf: #","updated_at":"#.utf8)
    out.append(contentsOf: last.header.bytes[last.text])
    if let created {
      out.append(contentsOf: #","created_at":"#.utf8)
      out.append(contentsOf: created.header.bytes[created.text])
    }
    for (field, value) in zip(type.fields, values) {
      guard let value, field.place == .row || field.place == .token else { continue }
      ResourceFold.writeKey(field.key, into: &out)
      let token = field.place == .token ? ResourceFold.token(value) : nil
      if let token { out.append(contentsOf: token) } else { value.write(into: &out) }
      guard let folded = field.folded, field.place == .row else { continue }
      ResourceFold.writeKey(folded.key, into: &out)
      field.form(of: value.parsed).writeCanonical(into: &out)
    }
    out.append(UInt8(ascii: "}"))
  }

  /// Adds the whole row of a resource that was created in the chunk; false where it wasn't, or where a value is to be
  /// left to PostgreSQL, and then nothing is added.
  func copyRow(_ layout: RowLayout, into rows: inout BinaryCopy) -> Bool {
    guard let created else { return false }
    let start = rows.bytes.count
    rows.beginRow(columns: Int16(layout.columns.count))
    for column in layout.columns {
      switch column.source {
      case .id: rows.identifier(resource)
      case .version: rows.integer(version)
      case .createdAt: rows.timestamp(created.at)
      case .updatedAt: rows.timestamp(last.at)
      case .field(let place):
        guard let value = values[place] else {
          rows.null()
          continue
        }
        let token = type.fields[place].place == .token ? ResourceFold.token(value) : nil
        guard rows.value(token ?? value.body.bytes[value.range], as: column.kind) else {
          rows.dropRow(from: start)
          return false
        }
      case .form(let place):
        rows.text(values[place].flatMap { type.fields[place].form(of: $0.parsed).stringValue })
      }
    }
    return true
  }

  /// Whether any personal field was set.
  var hasPersonalChanges: Bool {
    zip(type.fields, values).contains { $0.place == .personal && $1 != nil }
  }

  /// The personal columns that changed, opened; null where a field was cleared or its key is gone.
  func writePersonal(_ opener: ValueOpener, into out: inout [UInt8]) throws {
    out.append(contentsOf: #"{"id":""#.utf8)
    out.append(contentsOf: resource.text.utf8)
    out.append(UInt8(ascii: "\""))
    for (field, value) in zip(type.fields, values) where field.place == .personal {
      guard let value else { continue }
      ResourceFold.writeKey(field.key, into: &out)
      let opened =
        value.isNull ? nil : try opener.open(try opener.read(value.body, value.range), of: resource, field: field.name)
      (opened ?? .null).writeCanonical(into: &out)
      guard let folded = field.folded else { continue }
      ResourceFold.writeKey(folded.key, into: &out)
      field.form(of: opened ?? .null).writeCanonical(into: &out)
    }
    out.append(UInt8(ascii: "}"))
  }

  /// The versioned fields set so far in the chunk, with their values.
  func writeVersioned(into out: inout [UInt8]) {
    out.append(UInt8(ascii: "{"))
    var isFirst = true
    for (field, value) in zip(type.fields, values) where field.isVersioned {
      guard let value, !value.isNull else { continue }
      if isFirst {
        isFirst = false
        out.append(UInt8(ascii: "\""))
        out.append(contentsOf: field.key)
        out.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
      } else {
        ResourceFold.writeKey(field.key, into: &out)
      }
      value.write(into: &out)
    }
    out.append(UInt8(ascii: "}"))
  }

  /// The versioned fields cleared so far in the chunk.
  var clearedVersioned: [String] {
    zip(type.fields, values).compactMap { field, value in
      field.isVersioned && value?.isNull == true ? field.name : nil
    }
  }

  private static func writeKey(_ key: [UInt8], into out: inout [UInt8]) {
    out.append(UInt8(ascii: ","))
    out.append(UInt8(ascii: "\""))
    out.append(contentsOf: key)
    out.append(UInt8(ascii: "\""))
    out.append(UInt8(ascii: ":"))
  }

  /// The text of a sealed token, with its quotes; nil for a value that is none.
  private static func token(_ value: Value) -> ArraySlice<UInt8>? {
    let prefix = Array(#"{"$sealed":"#.utf8)
    let bytes = value.body.bytes[value.range]
    guard bytes.starts(with: prefix), bytes.count > prefix.count + 2 else { return nil }
    return bytes.dropFirst(prefix.count).dropLast()
  }
}
