import BasicTypes
import CanonicalJSON
import MerkleTree

/// One event as it is stored: two canonical JSON lines, without their line breaks, exactly as they were hashed.
public struct LogRecord: Sendable, Equatable {
  /// Its place in the log.
  public let position: UInt64
  /// The header line.
  public let header: [UInt8]
  /// The body line, or the one in its place where it was dropped.
  public let body: [UInt8]
  /// The event that dropped the body, once its own body was seen to name this position and this replacement; nil for a
  /// body that the header commits to.
  public private(set) var droppedBy: UInt64?

  /// A record from its stored lines.
  public init(position: UInt64, header: [UInt8], body: [UInt8]) {
    self.position = position
    self.header = header
    self.body = body
  }

  /// The header's members. Throws ``EventLogError`` where the line is no header.
  public func parsedHeader() throws -> EventHeader { try EventHeader(line: header, position: position) }

  /// The body's members. Throws ``EventLogError`` where the line is no body.
  public func parsedBody() throws -> EventBody {
    try EventBody(line: body, position: position, droppedBy: droppedBy)
  }

  /// The same record, known to have been dropped by an event.
  func dropped(by event: UInt64) -> LogRecord {
    var record = self
    record.droppedBy = event
    return record
  }

  /// What the caller correlated the event with.
  /// - Throws: ``EventLogError`` `damaged`.
  public func correlation() throws -> String? { try parsedHeader().correlation ?? parsedBody().correlation }
}

/// Who, when, what, and the hash that commits to the body.
public struct EventHeader: Sendable, Equatable {
  /// Who did it.
  public let actor: String
  /// When, never earlier than the event before.
  public let at: Timestamp
  /// SHA-256 of the body line.
  public let bodyHash: Digest
  /// The event that caused it.
  public let causation: Identifier?
  /// What the caller correlated it with, in events recorded before 2026-11-30; later ones have it in the body.
  let correlation: String?
  /// The full name, `pipeline.edited`.
  public let event: String
  /// The event's id.
  public let id: Identifier
  /// The person for whom the actor, an API key, did it.
  public let onBehalfOf: Identifier?
  /// The organization it belongs to.
  public let organization: Identifier?
  /// Its place in the log.
  public let position: UInt64
  /// What changed.
  public let resource: Identifier
  /// The catalog revision in force.
  public let schema: String
  /// The version of the resource that it made.
  public let version: Int64

  /// The person who acted, by themselves or by an API key that acted for them; nil for a key that acted for nobody, the
  /// local administrator and the server.
  public var person: Identifier? {
    onBehalfOf ?? Identifier(userActor: actor)
  }

  /// Whether that is what an actor did, such as `user:<uuid>`: also by an API key that acted for that person.
  public func isDone(by actor: String) -> Bool {
    if actor.utf8.elementsEqual(self.actor.utf8) { return true }
    return onBehalfOf.map { actor.utf8.elementsEqual("user:\($0.text)".utf8) } ?? false
  }

  /// The resource type: the event's name before the dot.
  public var type: String { String(event.prefix { $0 != "." }) }
  /// The verb: the event's name after the dot.
  public var verb: String { String(event.drop { $0 != "." }.dropFirst()) }

  init(line: [UInt8], position: UInt64) throws {
    func refuse(_ what: String) -> EventLogError { .damaged("the header at position \(position) \(what)") }
    let json: JSON
    do { json = try JSON.parse(line) } catch { throw refuse("is not JSON") }
    guard let actor = json["actor"]?.stringValue, let at = json["at"]?.stringValue.flatMap({ Timestamp($0) }),
      let hash = json["body"]?.stringValue.flatMap({ Digest(base64: $0) }), let event = json["event"]?.stringValue,
      let id = json["id"]?.stringValue.flatMap({ Identifier($0) }), let stored = json["position"]?.integerValue,
      let resource = json["resource"]?.stringValue.flatMap({ Identifier($0) }),
      let schema = json["schema"]?.stringValue, let version = json["version"]?.integerValue
    else { throw refuse("lacks a member") }
    guard stored > 0, UInt64(stored) == position else { throw refuse("names position \(stored)") }
    guard version >= 0 else { throw refuse("names version \(version)") }
    self.actor = actor
    self.at = at
    bodyHash = hash
    causation = json["causation"]?.stringValue.flatMap { Identifier($0) }
    correlation = json["correlation"]?.stringValue
    self.event = event
    self.id = id
    onBehalfOf = json["on_behalf_of"]?.stringValue.flatMap { Identifier($0) }
    organization = json["organization"]?.stringValue.flatMap { Identifier($0) }
    self.position = position
    self.resource = resource
    self.schema = schema
    self.version = version
  }
}

/// An event's effect and the facts about it.
public struct EventBody: Sendable, Equatable {
  /// The fields that were set.
  public let set: JSONObject
  /// The same fields before.
  public let was: JSONObject
  /// Facts that are not state.
  public let data: JSONObject
  /// Why, sealed.
  public let reason: JSON?
  /// Where from, sealed.
  public let origin: JSON?
  /// What the clock said, where the event got another time: see ``ClockReading``.
  public let clock: Timestamp?
  /// What the caller correlated it with; see ``LogRecord/correlation()`` for events of any age.
  public let correlation: String?

  init(line: [UInt8], position: UInt64, droppedBy: UInt64? = nil) throws {
    let json: JSON
    do { json = try JSON.parse(line) } catch {
      throw EventLogError.damaged("the body at position \(position) is not JSON")
    }
    guard let object = json.objectValue else {
      throw EventLogError.damaged("the body at position \(position) is no object")
    }
    guard object["\(DroppedBody.member)"] == droppedBy.map({ JSON(position: $0) }) else {
      throw EventLogError.damaged("the body at position \(position) was taken away, and no event says so")
    }
    set = object["set"]?.objectValue ?? [:]
    was = object["was"]?.objectValue ?? [:]
    data = object["data"]?.objectValue ?? [:]
    reason = object["reason"]
    origin = object["origin"]
    clock = object["clock"]?.stringValue.flatMap { Timestamp($0) }
    correlation = object["correlation"]?.stringValue
  }
}
