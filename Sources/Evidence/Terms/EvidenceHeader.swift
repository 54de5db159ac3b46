import BasicTypes
import CanonicalJSON
import MerkleTree

/// A header of the log, read from its line alone, with what a filter and a verifier need of it.
package struct EvidenceHeader: Sendable {
  /// Who did it, such as `user:<uuid>`.
  package let actor: String
  /// When, RFC 3339 in UTC; as text it sorts as the times do.
  package let at: String
  /// SHA-256 of the body.
  package let bodyHash: Digest
  /// The full name, `pipeline.edited`.
  package let event: String
  /// The event's id.
  package let id: Identifier
  /// The person for whom the actor, an API key, did it.
  package let onBehalfOf: Identifier?
  /// The organization that it belongs to.
  package let organization: Identifier?
  /// Its place in the log.
  package let position: UInt64
  /// What changed.
  package let resource: Identifier
  /// The catalog revision in force.
  package let schema: String
  /// The version of the resource that it made.
  package let version: Int64

  /// The header that a line spells; nil where it lacks a member that every header has.
  package init?(_ json: JSON) {
    guard let actor = json["actor"]?.stringValue, let at = json["at"]?.stringValue,
      let bodyHash = json["body"]?.stringValue.flatMap({ Digest(base64: $0) }),
      let event = json["event"]?.stringValue, let id = json["id"]?.stringValue.flatMap({ Identifier($0) }),
      let position = json["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }), position > 0,
      let resource = json["resource"]?.stringValue.flatMap({ Identifier($0) }),
      let schema = json["schema"]?.stringValue, let version = json["version"]?.integerValue
    else { return nil }
    if let named = json["on_behalf_of"] {
      guard let person = named.stringValue.flatMap({ Identifier($0) }) else { return nil }
      onBehalfOf = person
    } else {
      onBehalfOf = nil
    }
    if let named = json["organization"] {
      guard let organization = named.stringValue.flatMap({ Identifier($0) }) else { return nil }
      self.organization = organization
    } else {
      organization = nil
    }
    self.actor = actor
    self.at = at
    self.bodyHash = bodyHash
    self.event = event
    self.id = id
    self.position = position
    self.resource = resource
    self.schema = schema
    self.version = version
  }

  /// Whether that is what an actor did, such as `user:<uuid>`: also by an API key that acted for that person.
  package func isDone(by actor: String) -> Bool {
    if actor.utf8.elementsEqual(self.actor.utf8) { return true }
    return onBehalfOf.map { actor.utf8.elementsEqual("user:\($0.text)".utf8) } ?? false
  }

  /// Who did it, for people: the actor, and the person for whom it acted.
  package var who: String { onBehalfOf.map { "\(actor) for user:\($0.text)" } ?? actor }

  /// The resource type: the event's name before the dot.
  package var type: Substring { event[..<(event.firstIndex(of: ".") ?? event.endIndex)] }
  /// The verb: the event's name after the dot.
  package var verb: Substring { event[type.endIndex...].dropFirst() }
}
