/// Whose tokens are taken, and the keys that they are checked with.
public struct OIDCSettings: Sendable, Equatable {
  /// The provider's public keys, a JWKS file; read anew when it changes.
  public var keysFile: String
  /// The provider, as tokens name it in `iss`.
  public var issuer: String
  /// This service, as tokens name it in `aud`.
  public var audience: String
  /// The slug of the organization whose people the provider has: who signs in there first is made a user and a member,
  /// and later sign-ins bring what the token says of them; nil where users are made by commands alone.
  public var organization: String?

  /// The tokens of that issuer for that audience, signed by a key of the file.
  public init(keysFile: String, issuer: String, audience: String, organization: String? = nil) {
    self.keysFile = keysFile
    self.issuer = issuer
    self.audience = audience
    self.organization = organization
  }
}
