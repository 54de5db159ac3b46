import BasicTypes

/// How a person came to act: one sign-in of one connection.
struct SignIn: Sendable, Equatable {
  /// 1, 2, 3 … since the process began.
  let number: UInt64
  /// From when on it is no longer good: the expiry of the token that proved who it was; nil for one by password.
  let expiresAt: Timestamp?
}

/// The sign-ins of a person that a decision closes: all but one.
struct SignInClosing: Sendable {
  let user: Identifier
  /// The sign-in that stays: that of the person who changed their own password.
  let except: UInt64?
}
