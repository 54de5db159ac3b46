import CanonicalJSON

/// Values of fields that a resource type got as required ones when there were resources of it already: a resource has
/// such a value wherever none of its events has set another.
///
/// The log keeps states as their events make them; whoever reads one through ``LogSnapshot`` or ``LogTransaction`` gets
/// these values with it, so that no other code has to know of them. What they are was recorded in the log once, and
/// doesn't change when the catalog's default does.
public struct StateDefaults: Sendable, Equatable {
  private let byType: [String: JSONObject]

  /// The defaults of `{"alert":{"priority":"normal"}}`: values by field, by resource type.
  public init(_ recorded: JSONObject = [:]) {
    var byType: [String: JSONObject] = [:]
    for (type, fields) in recorded {
      if let fields = fields.objectValue, !fields.isEmpty { byType[type] = fields }
    }
    self.byType = byType
  }

  /// Whether there is none, as long as no such field was added.
  public var isEmpty: Bool { byType.isEmpty }

  /// The values that resources of a type have in fields that they lack; empty for most types.
  public func values(of type: String) -> JSONObject { byType[type] ?? [:] }

  /// The recorded form.
  public var json: JSONObject { JSONObject(members: byType.map { (key: $0.key, value: .object($0.value)) }) }

  /// The state with the values that it lacks.
  func completed(_ state: ResourceState) -> ResourceState {
    guard !byType.isEmpty, let defaults = byType[state.type] else { return state }
    var state = state
    for (name, value) in defaults where !state.fields.contains(name) { state.fields[name] = value }
    return state
  }
}
