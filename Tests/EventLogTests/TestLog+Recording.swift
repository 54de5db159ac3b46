import BasicTypes
import CanonicalJSON
import EventLog

extension Identifier {
  /// A fixed identifier for tests.
  static func numbered(_ number: UInt64) -> Identifier { Identifier(high: 0x7000, low: 0x8000_0000_0000_0000 | number) }
}

extension LogTransaction {
  /// Appends an event that sets fields.
  @discardableResult
  func record(_ resource: Identifier, _ verb: String = "edited", set: JSONObject, type: String = "thing") throws
    -> AppendedEvent
  {
    var draft = EventDraft(event: "\(type).\(verb)", type: type, resource: resource, actor: "server", at: now)
    draft.set = set
    draft.schema = "test"
    draft.subjects = [resource]
    return try append(draft)
  }
}
