/// The field that moves only along a type's commands.
public struct Lifecycle: Sendable, Equatable {
  /// The governed field (an `enum`).
  public let field: String
  /// The state of a new resource, unless `create` names one of ``initialChoices``.
  public let initial: String
  /// States that `create` may name.
  public let initialChoices: [String]

  /// A lifecycle over a field.
  public init(field: String, initial: String, initialChoices: [String]) {
    self.field = field
    self.initial = initial
    self.initialChoices = initialChoices
  }
}
