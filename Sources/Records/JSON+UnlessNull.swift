import CanonicalJSON

extension JSON {
  /// The value, or nothing for `null`. (In `isNull ? nil : value` the compiler takes `nil` for the literal `null`.)
  package var unlessNull: JSON? {
    if isNull { return nil }
    return self
  }
}
