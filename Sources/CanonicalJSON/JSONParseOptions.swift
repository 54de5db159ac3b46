/// What a parse accepts beyond the grammar.
public struct JSONParseOptions: Sendable {
  /// What happens to a key that its object has already.
  public enum DuplicateKeys: Sendable {
    /// The text is refused.
    case reject
    /// The last value of the key stays.
    case lastWins
  }

  /// How many arrays and objects may be inside each other; a value that is neither has depth 0. Raising it far beyond
  /// the default needs a larger stack for whoever writes, compares or releases the value; the parse itself needs none.
  public var maximumDepth: Int

  /// What happens to a key that its object has already.
  public var duplicateKeys: DuplicateKeys

  /// The given limits; by default depth 512 and no duplicate keys.
  public init(maximumDepth: Int = 512, duplicateKeys: DuplicateKeys = .reject) {
    self.maximumDepth = maximumDepth
    self.duplicateKeys = duplicateKeys
  }
}
