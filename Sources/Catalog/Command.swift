import CanonicalJSON

/// One command of a resource type.
public struct Command: Sendable {
  /// What a command does to the resource that `id` names.
  public enum Effect: String, Sendable {
    /// Makes one.
    case create
    /// Changes one.
    case edit
    /// Deletes one, with what depends on it.
    case delete
    /// Moves one along its lifecycle.
    case transition
    /// Whatever the named behaviour computes.
    case behaviour
  }
  /// The verb of the method (`rollback`).
  public var name: String
  /// The verb of the event it records (`rolled_back`).
  public var event: String
  /// What it does, in a sentence.
  public var summary: String = ""
  /// What it does to the resource.
  public var effect: Effect
  /// What the caller needs.
  public var permission: Permission = .write
  /// Lifecycle states from which it is allowed; empty for any.
  public var from: [String] = []
  /// The lifecycle state it leads to.
  public var to: String?
  /// Values it sets besides: a constant, or the strings `$now` (the time of the
  /// event) and `$actor` (the acting user's id, or nothing).
  public var sets: JSONObject = [:]
  /// The Swift behaviour that decides it (`pipeline.rollback`).
  public var behaviour: String?
  /// Parameters of its own, besides `id` and those of every command; for `create`
  /// and `edit` the assignable fields come on top.
  public var parameters: [Field] = []
  /// Whether it refuses without a `reason`.
  public var requiresReason = false
  /// Whether it needs the `id` of an existing resource.
  public var needsIdentifier = true
  /// Whether only the local administrator and platform administrators may call it.
  public var isAdministrative = false
  /// Whether only the server itself may give it; it is not a method of the socket.
  public var isInternal = false

  /// A command of that name and effect.
  public init(name: String, event: String, effect: Effect) {
    self.name = name
    self.event = event
    self.effect = effect
  }
}
