/// A condition on rows: a field of theirs, or of what one of their references leads to, has one of some words.
public struct PlatformCondition: Sendable, Equatable {
  /// The reference that leads to the resource with the field; nil for a field of the row itself.
  public let reference: String?
  /// The field.
  public let field: String
  /// The words; `null` in the file stands for a reference or field that is absent.
  public let words: [String]
  /// Whether a row without the reference or field belongs too.
  public let includesAbsent: Bool
}
