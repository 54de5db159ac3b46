import BasicTypes
import CanonicalJSON
import Domain
import JWTKit
import Logging
import NIOConcurrencyHelpers
import Refusals

/// Checks the tokens of an OpenID Connect provider (RFC 7519) against the keys in a JWKS file.
///
/// The file is read anew when it has changed, so that keys can be rotated while the server runs. While it can't be
/// read, no token is taken: a key that was withdrawn must not live on in memory.
final class TokenVerifier: Sendable {
  /// What a token proves.
  struct Proof: Sendable, Equatable {
    /// The provider's name for the person: a user's `keycloak_id`.
    let subject: String
    /// When the token is no longer good.
    let expiresAt: Timestamp
    /// What it says of the person.
    var profile = Profile()
  }

  /// What a provider says of a person (OpenID Connect Core 1.0 §5.1).
  struct Profile: Sendable, Equatable {
    var email: String?
    var isEmailVerified = false
    var username: String?
    var firstName: String?
    var lastName: String?
    var displayName: String?
  }

  /// The slug of the organization whose people the provider has.
  var organization: String? { settings.organization }

  /// How far the provider's clock may be from ours, in seconds.
  static let leeway: Int64 = 30
  /// Signatures with a key pair. `none` is no signature, and the secret of an HMAC
  /// has no place in a file of public keys.
  static let algorithms: [JWK.Algorithm] = [
    .rs256, .rs384, .rs512, .ps256, .ps384, .ps512, .es256, .es384, .es512, .eddsa,
  ]

  private let settings: OIDCSettings
  private let clock: @Sendable () -> Timestamp
  private let logger: Logger
  private let loaded: NIOLockedValueBox<TokenKeys>

  /// A verifier with the keys that the file has now.
  /// - Throws: ``ServerStartError`` where the file can't be read or has no key that signs.
  init(
    _ settings: OIDCSettings, logger: Logger, clock: @escaping @Sendable () -> Timestamp
  ) throws(ServerStartError) {
    self.settings = settings
    self.clock = clock
    self.logger = logger
    do throws(TokenKeysError) {
      loaded = NIOLockedValueBox(try TokenKeys(try TokenKeys.read(settings.keysFile)))
    } catch {
      throw ServerStartError("The JWKS file \(settings.keysFile) can't be used: \(error.message).")
    }
  }

  /// What a token proves: signed by a key of the file, from the issuer, for this service, and in force.
  /// - Throws: ``Refusal``: `unauthenticated` with what is wrong, `unavailable` where the file can't be read.
  func verify(_ token: String) async throws -> Proof {
    let keys = try currentKeys()
    let header = try Self.header(of: token)
    guard let algorithm = Self.algorithms.first(where: { $0.rawValue == header["alg"]?.stringValue }) else {
      throw Refusal.unauthenticated("The token is not signed by an algorithm that is taken here.")
    }
    guard header["crit"] == nil else {
      throw Refusal.unauthenticated("The token demands an extension that is not known here.")
    }
    guard Self.isTokenOfAccess(header["typ"]) else {
      throw Refusal.unauthenticated("The token is of a type that is not for signing in.")
    }
    guard let key = keys.key(named: header["kid"]?.stringValue, algorithm: algorithm) else {
      throw Refusal.unauthenticated("The token is signed by a key that is not known here.")
    }
    let claims: TokenClaims
    do {
      claims = try await TokenKeys.claims(of: token, by: key, algorithm)
    } catch {
      throw Refusal.unauthenticated("The token's signature is not right, or what it says can't be read.")
    }
    return try check(claims)
  }

  private func check(_ claims: TokenClaims) throws -> Proof {
    let now = clock()
    guard let issuer = claims.iss, issuer.utf8.elementsEqual(settings.issuer.utf8) else {
      throw Refusal.unauthenticated("The token comes from another issuer.")
    }
    guard claims.aud?.value.contains(where: { $0.utf8.elementsEqual(settings.audience.utf8) }) == true else {
      throw Refusal.unauthenticated("The token is for another service.")
    }
    guard let expiry = claims.exp.flatMap(Self.timestamp) else {
      throw Refusal.unauthenticated("The token does not say when it expires.")
    }
    let end = expiry.adding(seconds: Self.leeway)
    guard now < end else { throw Refusal.unauthenticated("The token has expired.") }
    if let seconds = claims.nbf {
      guard let start = Self.timestamp(seconds), start <= now.adding(seconds: Self.leeway) else {
        throw Refusal.unauthenticated("The token is not in force yet.")
      }
    }
    guard let subject = claims.sub, !subject.isEmpty, subject.utf8.count <= 1000 else {
      throw Refusal.unauthenticated("The token does not say whose it is.")
    }
    return Proof(
      subject: subject, expiresAt: end,
      profile: Profile(
        email: claims.email, isEmailVerified: claims.isEmailVerified ?? false, username: claims.username,
        firstName: claims.firstName, lastName: claims.lastName, displayName: claims.name))
  }

  /// Seconds since 1970, perhaps with a fraction, as a time; nil where no calendar goes there.
  private static func timestamp(_ seconds: Double) -> Timestamp? {
    guard seconds.isFinite, (0...200_000_000_000).contains(seconds) else { return nil }
    return Timestamp(microseconds: Int64(seconds * 1_000_000))
  }

  /// Whether a token's type (RFC 8725 §3.11) is none in particular, or that of access tokens (RFC 9068): a provider
  /// signs logout tokens and others by the same keys.
  private static func isTokenOfAccess(_ type: JSON?) -> Bool {
    guard let type else { return true }
    return ["jwt", "at+jwt", "application/at+jwt", "application/jwt"].contains(type.stringValue?.lowercased() ?? "")
  }

  private static func header(of token: String) throws -> JSONObject {
    let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    // Whatever is wrong with such a text, it is no token.
    guard parts.count == 3, let bytes = Base64.decode(url: parts[0]), let header = try? JSON.parse(bytes).objectValue
    else { throw Refusal.unauthenticated("This is no signed token.") }
    return header
  }

  private func currentKeys() throws -> TokenKeys {
    do throws(TokenKeysError) {
      let source = try TokenKeys.read(settings.keysFile)
      let known = loaded.withLockedValue { $0 }
      if known.source == source { return known }
      let keys = try TokenKeys(source)
      loaded.withLockedValue { $0 = keys }
      logger.info("the keys for tokens were read anew", metadata: ["keys": "\(keys.count)"])
      return keys
    } catch {
      logger.error("the keys for tokens can't be used", metadata: ["error": "\(error.message)"])
      throw Refusal.unavailable(component: "oidc", "The keys by which tokens are checked can't be read just now.")
    }
  }
}
