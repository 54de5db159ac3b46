/// What an event carries as `data`: facts that are not state.
public struct Fact: Sendable {
  /// The event's verb (`logged`).
  public let event: String
  /// Members of the event's `data` that are sealed with the key of this
  /// organization, class and month; nil where none are.
  public let retentionClass: String?
  /// The names of those members.
  public let sealed: [String]

  /// The facts of one event.
  public init(event: String, retentionClass: String?, sealed: [String]) {
    self.event = event
    self.retentionClass = retentionClass
    self.sealed = sealed
  }
}
