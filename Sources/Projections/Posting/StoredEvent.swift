import BasicTypes
import CanonicalJSON
import EventLog

/// A record with its members found, but not yet read: what a chunk is made of.
struct StoredEvent {
  let position: UInt64
  let header: RawJSON
  let body: RawJSON
  let at: Timestamp
  let event: String
  let type: String
  let id: Identifier
  let resource: Identifier
  let organization: Identifier?
  let causation: Identifier?
  let actor: String
  /// The person for whom an API key acted.
  let onBehalfOf: Identifier?
  private(set) var correlation: String?
  let version: Int64
  /// Where the time stands in the header, with its quotes.
  let atText: Range<Int>
  private(set) var set: [RawJSON.Member] = []
  private(set) var was: [RawJSON.Member] = []
  private(set) var data: Range<Int>?
  private(set) var reason: Range<Int>?
  private(set) var origin: Range<Int>?

  /// - Throws: `EventLogError` `damaged`'s own kind of refusal, as ``ProjectionError``, where a line isn't a record's.
  init(_ record: LogRecord) throws {
    position = record.position
    header = RawJSON(bytes: record.header)
    body = RawJSON(bytes: record.body)
    guard let members = header.members(), let bodyMembers = body.members() else {
      throw StoredEvent.damaged(record.position)
    }
    var fields: [Range<Int>?] = Array(repeating: nil, count: StoredEvent.names.count)
    for member in members {
      for (index, name) in StoredEvent.names.enumerated() where header.matches(member.key, name) {
        fields[index] = member.value
        break
      }
    }
    let header = header
    func text(_ field: Field) -> String? { fields[field.rawValue].flatMap { header.string($0) } }
    func identifier(_ field: Field) -> Identifier? { text(field).flatMap { Identifier($0) } }
    guard let atRange = fields[Field.at.rawValue], let at = text(.at).flatMap({ Timestamp($0) }),
      let event = text(.event),
      let id = identifier(.id), let resource = identifier(.resource), let actor = text(.actor),
      let version = fields[Field.version.rawValue].flatMap({ header.value($0)?.integerValue })
    else { throw StoredEvent.damaged(record.position) }
    self.at = at
    atText = atRange
    self.event = event
    type = String(event.prefix { $0 != "." })
    self.id = id
    self.resource = resource
    self.actor = actor
    self.version = version
    organization = identifier(.organization)
    causation = identifier(.causation)
    onBehalfOf = identifier(.onBehalfOf)
    correlation = text(.correlation)
    for member in bodyMembers {
      if body.matches(member.key, "set") {
        set = body.members(from: member.value.lowerBound) ?? []
      } else if body.matches(member.key, "was") {
        was = body.members(from: member.value.lowerBound) ?? []
      } else if body.matches(member.key, "data") {
        data = member.value
      } else if body.matches(member.key, "reason") {
        reason = member.value
      } else if body.matches(member.key, "origin") {
        origin = member.value
      } else if body.matches(member.key, "correlation") {
        // Events before 2026-11-30 have it in the header.
        correlation = body.string(member.value)
      } else if body.matches(member.key, "$dropped"), record.droppedBy == nil {
        throw StoredEvent.damaged(record.position)
      }
    }
  }

  /// The verb: the event's name after the dot.
  var verb: Substring { event.drop { $0 != "." }.dropFirst() }

  /// The acting user: where a user acted, or an API key for one.
  var user: Identifier? { onBehalfOf ?? Identifier(userActor: actor) }

  /// The value of a set field.
  func setValue(_ name: StaticString) -> Range<Int>? { set.first { body.matches($0.key, name) }?.value }

  /// The member of `was` under the same key.
  func before(_ key: Range<Int>) -> Range<Int>? {
    was.first { $0.key.count == key.count && body.bytes[$0.key].elementsEqual(body.bytes[key]) }?.value
  }

  private enum Field: Int {
    case actor, at, causation, correlation, event, id, organization, resource, version, onBehalfOf
  }
  private static let names: [StaticString] = [
    "actor", "at", "causation", "correlation", "event", "id", "organization", "resource", "version",
    "on_behalf_of",
  ]

  private static func damaged(_ position: UInt64) -> ProjectionError {
    .unavailable("The record at position \(position) of the log is damaged: run `daybook verify`.")
  }
}
