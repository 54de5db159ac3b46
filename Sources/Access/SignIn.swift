import BasicTypes

/// How a person came to act: one sign-in of one connection.
package struct SignIn: Sendable, Equatable {
  /// 1, 2, 3 … since the process began.
  package let number: UInt64
  /// When it was.
  package let at: Timestamp
  /// From when on it is no longer good: the expiry of the token that proved who it was; nil for one by password.
  package let expiresAt: Timestamp?

  /// A sign-in of that number.
  package init(number: UInt64, at: Timestamp, expiresAt: Timestamp?) {
    self.number = number
    self.at = at
    self.expiresAt = expiresAt
  }
}
