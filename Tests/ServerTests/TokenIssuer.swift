import BasicTypes
import CanonicalJSON
import Crypto
import Foundation

/// An identity provider for tests: a key pair made anew, and tokens signed with it.
struct TokenIssuer: Sendable {
  static let issuer = "https://id.example.org/realms/etl"
  static let audience = "daybook"

  let kid: String
  private let key = P256.Signing.PrivateKey()

  init(kid: String) {
    self.kid = kid
  }

  /// The public key, as a JWKS lists it.
  var publicKey: JSON {
    let point = Array(key.publicKey.rawRepresentation)
    return [
      "alg": "ES256", "crv": "P-256", "kid": .string(kid), "kty": "EC", "use": "sig",
      "x": .string(Self.base64URL(Array(point.prefix(32)))), "y": .string(Self.base64URL(Array(point.suffix(32)))),
    ]
  }

  /// A token that is good until the time, with claims changed or, by null, left out.
  func token(_ subject: String, until expiry: Timestamp, _ changes: JSONObject = [:], header: JSONObject = [:]) throws
    -> String
  {
    let claims: JSONObject = [
      "aud": [.string("account"), .string(Self.audience)], "exp": .integer(expiry.microseconds / 1_000_000),
      "iss": .string(Self.issuer), "sub": .string(subject), "typ": "ID",
    ]
    let fields: JSONObject = ["alg": "ES256", "kid": .string(kid), "typ": "JWT"]
    return try sign(
      header: fields.merging(header).filter { !$0.value.isNull },
      claims: claims.merging(changes).filter { !$0.value.isNull })
  }

  /// Any header and claims, with this key's signature.
  func sign(header: JSONObject, claims: JSONObject) throws -> String {
    let text = Self.base64URL(header.canonicalBytes) + "." + Self.base64URL(claims.canonicalBytes)
    let signature = try key.signature(for: Data(text.utf8)).rawRepresentation
    return text + "." + Self.base64URL(Array(signature))
  }

  static func base64URL(_ bytes: [UInt8]) -> String {
    String(
      Base64.encode(bytes).compactMap { character in
        switch character {
        case "+": "-"
        case "/": "_"
        case "=": nil
        default: character
        }
      })
  }

  /// Writes a JWKS file.
  static func write(_ keys: [JSON], to path: String) throws {
    try Data(JSON.object(["keys": .array(keys)]).canonicalBytes).write(to: URL(fileURLWithPath: path))
  }
}
