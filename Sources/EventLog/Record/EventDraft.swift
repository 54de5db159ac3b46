import BasicTypes
import CanonicalJSON

/// An event before it has a place in the log: what a decision wants recorded.
public struct EventDraft: Sendable {
  /// The event's own id, known before it is placed so that sealed values can be bound to it.
  public var id: Identifier
  /// The full name, `pipeline.edited`.
  public var event: String
  /// The resource type, `pipeline`.
  public var type: String
  /// What changed.
  public var resource: Identifier
  /// The organization it belongs to, where it has one.
  public var organization: Identifier?
  /// Who did it: `user:<uuid>`, `api_key:<uuid>`, `local:<uid>` or `server`.
  public var actor: String
  /// The person for whom an API key did it.
  public var onBehalfOf: Identifier?
  /// The fields that were set and their new values; null clears one. A deletion sets `deleted_at`.
  public var set: JSONObject = [:]
  /// The same fields before.
  public var was: JSONObject = [:]
  /// Facts that are not state.
  public var data: JSONObject = [:]
  /// Why (sealed).
  public var reason: JSON?
  /// Where from (sealed).
  public var origin: JSON?
  /// The event that caused this one.
  public var causation: Identifier?
  /// What the caller correlates it with.
  public var correlation: String?
  /// The catalog revision in force.
  public var schema: String
  /// The persons it is about, for the index by data subject.
  public var subjects: [Identifier] = []
  /// The bodies that it drops, at most ``DroppedBody/mostOfOneEvent``, in the order of their positions.
  public var drops: [DroppedBody] = []

  /// A draft of a named event on a resource.
  public init(
    event: String, type: String, resource: Identifier, actor: String, schema: String = "", at now: Timestamp = .now
  ) {
    self.event = event
    self.type = type
    self.resource = resource
    self.actor = actor
    self.schema = schema
    id = Identifier.version7(at: now)
  }
}

/// An event that has its place: what a decision gets back for each draft.
public struct AppendedEvent: Sendable, Equatable {
  /// The event's id.
  public let id: Identifier
  /// Its full name.
  public let event: String
  /// What changed.
  public let resource: Identifier
  /// Its place in the log, from 1 without a gap.
  public let position: UInt64
  /// The resource's version that it made, from 1 without a gap.
  public let version: Int64
  /// When.
  public let at: Timestamp
  /// How many bytes its body has.
  public let bodySize: Int
  /// About how many bytes its resource's state has with it, where it made that longer by more than a little; nil where
  /// it didn't.
  public let grownTo: Int?
}
