import BasicTypes
import CanonicalJSON

/// What a resource's events add up to: their `set`s merged field by field, in order.
///
/// It is derived: it can be folded again from the log at any time, and `verify` compares.
public struct ResourceState: Sendable, Equatable {
  /// Its id.
  public let id: Identifier
  /// Its type, `pipeline`.
  public let type: String
  /// The organization it belongs to.
  public let organization: Identifier?
  /// How many events it has had.
  public var version: Int64
  /// When its first event was recorded.
  public let createdAt: Timestamp
  /// When its last event was recorded.
  public var updatedAt: Timestamp
  /// The position of its last event.
  public var position: UInt64
  /// Its fields, without those that are null; sealed values sealed.
  public var fields: JSONObject

  /// A state from its parts.
  public init(
    id: Identifier, type: String, organization: Identifier?, version: Int64, createdAt: Timestamp, updatedAt: Timestamp,
    position: UInt64, fields: JSONObject
  ) {
    self.id = id
    self.type = type
    self.organization = organization
    self.version = version
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.position = position
    self.fields = fields
  }

  /// The state after one more of a resource's events.
  /// - Parameters:
  ///   - before: The state before it; nil before its first one.
  ///   - version: Which of the resource's events it is, from 1.
  /// - Throws: ``EventLogError`` where the record can't be read.
  init(_ before: ResourceState?, of id: Identifier, version: Int64, _ record: LogRecord) throws {
    let header = try record.parsedHeader()
    var next =
      before
      ?? ResourceState(
        id: id, type: header.type, organization: header.organization, version: 0, createdAt: header.at,
        updatedAt: header.at, position: record.position, fields: [:])
    next.version = version
    next.updatedAt = header.at
    next.position = record.position
    next.merge(try record.parsedBody().set)
    self = next
  }

  /// When it was deleted, where it was: the time of the event that set `deleted_at`.
  public var deletedAt: Timestamp? {
    fields["deleted_at"]?.stringValue.flatMap { Timestamp($0) }
  }

  /// Whether it was deleted.
  public var isDeleted: Bool { fields.contains("deleted_at") }

  /// Takes in the `set` of its next event: a null removes a field, any other value replaces it.
  public mutating func merge(_ set: JSONObject) {
    if fields.isEmpty, set.allSatisfy({ !$0.value.isNull }) {
      fields = set
      return
    }
    for (key, value) in set {
      if value.isNull { fields.removeValue(forKey: key) } else { fields[key] = value }
    }
  }

  /// The bytes under which the log keeps it: canonical JSON.
  var encoded: [UInt8] { encoded(fields: nil) }

  /// The same, where the canonical JSON of its fields is known already.
  func encoded(fields known: ArraySlice<UInt8>?) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(max(512, (known?.count ?? 0) + 256))
    StateEncoding.open(&out, createdAt: createdAt)
    if let known { out.append(contentsOf: known) } else { fields.writeCanonical(into: &out) }
    StateEncoding.close(
      &out, organization: organization, position: position, type: type, updatedAt: updatedAt, version: version)
    return out
  }

  init(id: Identifier, encoded bytes: RawSpan) throws {
    let json: JSON
    do {
      json = try bytes.withUnsafeBytes { try JSON.parse($0.bindMemory(to: UInt8.self)) }
    } catch {
      throw EventLogError.damaged("the state of \(id) is not JSON")
    }
    guard let type = json["type"]?.stringValue, let version = json["version"]?.integerValue,
      let created = json["created_at"]?.stringValue.flatMap({ Timestamp($0) }),
      let updated = json["updated_at"]?.stringValue.flatMap({ Timestamp($0) }),
      let position = json["position"]?.integerValue, position > 0, version >= 0,
      let fields = json["fields"]?.objectValue
    else { throw EventLogError.damaged("the state of \(id) lacks a member") }
    self.init(
      id: id, type: type, organization: json["organization"]?.stringValue.flatMap { Identifier($0) }, version: version,
      createdAt: created, updatedAt: updated, position: UInt64(position), fields: fields)
  }
}

/// The one way a state is written: canonical JSON with its members in this order.
enum StateEncoding {
  static func open(_ out: inout [UInt8], createdAt: Timestamp) {
    out.append(contentsOf: #"{"created_at":""#.utf8)
    out.append(contentsOf: createdAt.text.utf8)
    out.append(contentsOf: #"","fields":"#.utf8)
  }

  static func close(
    _ out: inout [UInt8], organization: Identifier?, position: UInt64, type: String, updatedAt: Timestamp,
    version: Int64
  ) {
    if let organization {
      out.append(contentsOf: #","organization":""#.utf8)
      out.append(contentsOf: organization.text.utf8)
      out.append(UInt8(ascii: "\""))
    }
    out.append(contentsOf: #","position":"#.utf8)
    JSONText.writeInteger(Int64(position), into: &out)
    out.append(contentsOf: #","type":"#.utf8)
    JSONText.writeString(type, into: &out)
    out.append(contentsOf: #","updated_at":""#.utf8)
    out.append(contentsOf: updatedAt.text.utf8)
    out.append(contentsOf: #"","version":"#.utf8)
    JSONText.writeInteger(version, into: &out)
    out.append(UInt8(ascii: "}"))
  }
}
