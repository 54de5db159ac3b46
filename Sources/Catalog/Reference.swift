/// What a reference points to, and what the deletion of its target does.
public struct Reference: Sendable, Equatable {
  /// What happens to the referrer when the target is deleted (the documents' ON DELETE).
  public enum Deletion: String, Sendable {
    /// The referrer is deleted too, with an event of its own.
    case cascade
    /// The deletion is refused, and the refusal names the referrer.
    case restrict
    /// The reference is cleared (SET NULL), with an event of its own.
    case clear
  }
  /// The resource types that may be meant.
  public let types: [String]
  /// What deletion of the target does.
  public let onDelete: Deletion

  /// A reference to one of some types.
  public init(types: [String], onDelete: Deletion) {
    self.types = types
    self.onDelete = onDelete
  }
}
