import BasicTypes

/// The sign-ins of a person that a decision closes: all but one.
struct SignInClosing: Sendable {
  let user: Identifier
  /// The sign-in that stays: that of the person who changed their own password.
  let except: UInt64?
}
