import BasicTypes
import CanonicalJSON
import FoundationEssentials
import JWTKit

/// Why the keys for tokens can't be used.
struct TokenKeysError: Error, Sendable {
  let message: String
}

/// The keys of a JWKS (RFC 7517) that sign tokens.
///
/// Keys that don't sign (`"use":"enc"`), that are secrets (`"kty":"oct"`) or of a kind unknown here are passed over:
/// providers publish them in the same file.
struct TokenKeys: Sendable {
  /// The longest file that is read, in bytes.
  private static let maximumBytes = 1 << 20

  /// The bytes that they were read from.
  let source: Data
  private let keys: [JWK]

  /// How many keys there are.
  var count: Int { keys.count }

  /// The keys that a file's text describes.
  /// - Throws: ``TokenKeysError`` where it is no JWKS, or has no key that signs.
  init(_ source: Data) throws(TokenKeysError) {
    self.source = source
    let parsed: JSON
    do {
      parsed = try JSON.parse(Array(source))
    } catch {
      throw TokenKeysError(message: "it is no JSON")
    }
    guard let listed = parsed["keys"]?.arrayValue else {
      throw TokenKeysError(message: #"it is no JWKS: an object with "keys" is needed"#)
    }
    keys = listed.compactMap(Self.signingKey)
    if keys.isEmpty { throw TokenKeysError(message: "it has no public key that signs") }
  }

  /// The bytes of a JWKS file as they are now.
  static func read(_ path: String) throws(TokenKeysError) -> Data {
    let source: Data
    do {
      source = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw TokenKeysError(message: "it can't be read")
    }
    guard source.count <= maximumBytes else { throw TokenKeysError(message: "it is longer than 1 MiB") }
    return source
  }

  /// The key by which a token says that it is signed; the only one there is where it names none.
  func key(named name: String?, algorithm: JWK.Algorithm) -> JWK? {
    let fitting = keys.filter { key in
      key.keyType == Self.keyType(of: algorithm) && (key.algorithm == nil || key.algorithm == algorithm)
    }
    guard let name else { return keys.count == 1 ? fitting.first : nil }
    return fitting.first { key in key.keyIdentifier.map { $0.string.utf8.elementsEqual(name.utf8) } ?? false }
  }

  /// The claims of a token, if it was signed by that key and algorithm.
  /// - Throws: Where it wasn't, or its claims can't be read.
  static func claims(of token: String, by key: JWK, _ algorithm: JWK.Algorithm) async throws -> TokenClaims {
    var key = key
    key.algorithm = algorithm
    key.keyIdentifier = key.keyIdentifier ?? "the only one"
    // A collection of its own for each look: one that is kept would stay with the first algorithm that it saw.
    let collection = JWTKeyCollection()
    try await collection.add(jwk: key, isDefault: true)
    return try await collection.verify(token, as: TokenClaims.self)
  }

  private static func signingKey(_ json: JSON) -> JWK? {
    if let use = json["use"], use != "sig" { return nil }
    if let operations = json["key_ops"]?.arrayValue, !operations.contains("verify") { return nil }
    // What jwt-kit can't read is of a kind that it doesn't know.
    guard var key = try? JWK(json: json.canonicalString) else { return nil }
    key.privateExponent = nil
    // A curve has one algorithm; for RSA the token may choose, where the file doesn't.
    switch json["crv"]?.stringValue {
    case "P-256": key.algorithm = .es256
    case "P-384": key.algorithm = .es384
    case "P-521": key.algorithm = .es512
    case "Ed25519": key.algorithm = .eddsa
    default: if key.keyType != .rsa || key.modulus == nil || key.algorithm == .rsaOAEP { return nil }
    }
    return key
  }

  private static func keyType(of algorithm: JWK.Algorithm) -> JWK.KeyType {
    switch algorithm {
    case .es256, .es384, .es512: .ecdsa
    case .eddsa: .octetKeyPair
    default: .rsa
    }
  }
}

/// The claims that are looked at; what else a token says is nobody's business here.
struct TokenClaims: JWTPayload {
  var iss: String?
  var sub: String?
  var aud: AudienceClaim?
  var exp: Double?
  var nbf: Double?
  var email: String?
  var isEmailVerified: Bool?
  var username: String?
  var firstName: String?
  var lastName: String?
  var name: String?

  enum CodingKeys: String, CodingKey {
    case iss, sub, aud, exp, nbf, email, name
    case isEmailVerified = "email_verified"
    case username = "preferred_username"
    case firstName = "given_name"
    case lastName = "family_name"
  }

  /// Nothing: times are judged by the server's clock, afterwards.
  func verify(using algorithm: some JWTAlgorithm) {}
}
