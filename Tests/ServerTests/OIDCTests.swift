import Access
import BasicTypes
import CanonicalJSON
import Crypto
import DaybookClient
import Domain
import Foundation
import JWTKit
import Logging
import NIOConcurrencyHelpers
import Refusals
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// Tokens of an identity provider.
@Suite(.timeLimit(.minutes(2))) struct OIDCTests {
  /// A verifier with a JWKS file and a clock of its own.
  final class Bench {
    let folder: TemporaryFolder
    let file: String
    let clock: NIOLockedValueBox<Timestamp>
    let start: Timestamp
    let verifier: TokenVerifier

    init(_ keys: [JSON]) throws {
      folder = try TemporaryFolder()
      file = folder.path + "/jwks.json"
      let start = Timestamp(microseconds: 1_800_000_000_000_000)
      let clock = NIOLockedValueBox(start)
      try TokenIssuer.write(keys, to: file)
      self.start = start
      self.clock = clock
      verifier = try TokenVerifier(
        OIDCSettings(keysFile: file, issuer: TokenIssuer.issuer, audience: TokenIssuer.audience),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        clock: { clock.withLockedValue { $0 } })
    }

    /// What a token is refused with; nil where it is taken.
    func refusal(_ token: String) async throws -> Refusal? {
      do {
        _ = try await verifier.verify(token)
        return nil
      } catch let error as Refusal {
        return error
      }
    }
  }

  private let issuer = TokenIssuer(kid: "k1")

  @Test func `a token of another type than access and identity tokens signs nobody in`() async throws {
    let issuer = TokenIssuer(kid: "a")
    let bench = try Bench([issuer.publicKey])
    let end = bench.start.adding(seconds: 60)
    for type: JSON in ["logout+jwt", "secevent+jwt", "dpop+jwt", 1] {
      let refused = try await bench.refusal(try issuer.token("s", until: end, header: ["typ": type]))
      #expect(refused?.code == .unauthenticated, "\(type.canonicalString)")
    }
    for type: JSON in ["JWT", "at+jwt", nil] {
      #expect(try await bench.refusal(try issuer.token("s", until: end, header: ["typ": type])) == nil)
    }
  }

  @Test func `a token that is signed by a known key, of the issuer, for this service and in force, proves its subject`()
    async throws
  {
    let bench = try Bench([issuer.publicKey])
    let end = bench.start.adding(seconds: 300)
    let proof = try await bench.verifier.verify(try issuer.token("kay", until: end))
    #expect(proof == .init(subject: "kay", expiresAt: end.adding(seconds: TokenVerifier.leeway)))
    let single = try issuer.token("kay", until: end, ["aud": .string(TokenIssuer.audience)])
    #expect(try await bench.verifier.verify(single).subject == "kay")
    let unnamed = try issuer.token("kay", until: end, header: ["kid": .null])
    #expect(try await bench.verifier.verify(unnamed).subject == "kay", "with one key its name may be left out")
    bench.clock.withLockedValue { $0 = end.adding(seconds: TokenVerifier.leeway - 1) }
    #expect(try await bench.refusal(try issuer.token("kay", until: end)) == nil)
    bench.clock.withLockedValue { $0 = end.adding(seconds: TokenVerifier.leeway) }
    #expect(try await bench.refusal(try issuer.token("kay", until: end))?.message == "The token has expired.")
  }

  @Test func `claims that aren't right are refused, each by what is wrong`() async throws {
    let bench = try Bench([issuer.publicKey])
    let now = bench.start.microseconds / 1_000_000
    let cases: [(JSONObject, String)] = [
      (["exp": .integer(now - 31)], "The token has expired."),
      (["exp": .null], "The token does not say when it expires."),
      (["exp": .number(1e300)], "The token does not say when it expires."),
      (["nbf": .integer(now + 31)], "The token is not in force yet."),
      (["aud": "somebody-else"], "The token is for another service."),
      (["aud": .array(["somebody", "else"])], "The token is for another service."),
      (["aud": .null], "The token is for another service."),
      (["iss": "https://evil.example.org/realms/etl"], "The token comes from another issuer."),
      (["iss": .null], "The token comes from another issuer."),
      (["sub": .null], "The token does not say whose it is."),
      (["sub": ""], "The token does not say whose it is."),
    ]
    for (changes, message) in cases {
      let token = try issuer.token("kay", until: bench.start.adding(seconds: 300), changes)
      let refusal = try await bench.refusal(token)
      #expect(refusal?.code == .unauthenticated && refusal?.message == message, "\(changes.canonicalString)")
    }
    let soon = try issuer.token("kay", until: bench.start.adding(seconds: 300), ["nbf": .integer(now + 30)])
    #expect(try await bench.refusal(soon) == nil, "clocks may differ a little")
  }

  @Test func `without a signature by a known key there is no token`() async throws {
    let bench = try Bench([issuer.publicKey, TokenIssuer(kid: "k2").publicKey])
    let end = bench.start.adding(seconds: 300)
    let good = try issuer.token("kay", until: end)
    let claims: JSONObject = [
      "aud": .string(TokenIssuer.audience), "exp": .integer(end.microseconds / 1_000_000),
      "iss": .string(TokenIssuer.issuer), "sub": "kay",
    ]
    let parts = good.split(separator: ".").map(String.init)
    func unsigned(_ header: JSONObject, _ signature: String = "") -> String {
      TokenIssuer.base64URL(header.canonicalBytes) + "." + TokenIssuer.base64URL(claims.canonicalBytes) + "."
        + signature
    }
    // The public key as the secret of an HMAC: what confuses verifiers that believe the header.
    let secret = SymmetricKey(data: Data(issuer.publicKey.canonicalBytes))
    let confused = unsigned(["alg": "HS256", "kid": "k1"])
    let code = HMAC<SHA256>.authenticationCode(for: Data(confused.dropLast().utf8), using: secret)
    for (token, word) in [
      (unsigned(["alg": "none", "kid": "k1"]), "algorithm"),
      (unsigned(["alg": "none", "kid": "k1"], parts[2]), "algorithm"),
      (unsigned(["alg": "None"]), "algorithm"), (unsigned(["kid": "k1"], parts[2]), "algorithm"),
      (confused + TokenIssuer.base64URL(Array(code)), "algorithm"),
      (try issuer.token("kay", until: end, header: ["kid": "k9"]), "key that is not known"),
      (try issuer.token("kay", until: end, header: ["kid": .null]), "key that is not known"),
      (try issuer.token("kay", until: end, header: ["alg": "RS256"]), "key that is not known"),
      (try issuer.token("kay", until: end, header: ["alg": "ES384"]), "key that is not known"),
      (try issuer.token("kay", until: end, header: ["kid": "k2"]), "signature"),
      (try TokenIssuer(kid: "k1").token("kay", until: end), "signature"),
      (unsigned(["alg": "ES256", "kid": "k1"], parts[2]), "signature"),
      (parts[0] + "." + parts[1] + ".", "signature"),
      (try issuer.token("kay", until: end, header: ["crit": ["x"]]), "extension"),
      (parts[0] + "." + parts[1], "no signed token"), ("", "no signed token"), ("a.b.c.d", "no signed token"),
      ("$.b.c", "no signed token"), (good + ".", "no signed token"),
    ] {
      let refusal = try await bench.refusal(token)
      #expect(refusal?.code == .unauthenticated, "\(token)")
      #expect(refusal?.message.contains(word) == true, "\(word): \(refusal?.message ?? "taken")")
    }
    #expect(try await bench.refusal(good) == nil)
  }

  @Test func `RSA keys verify as providers use them; a key that names its algorithm takes no other`() async throws {
    // A key pair of which only the public half was kept, and tokens of it until the year 2100.
    let modulus = """
      s2pFvnqvsMz1qwd0chKA3dmeRo_vzP4UAnAxAlE5FOdS4dEKWI3SbP-UxWAKyt0rtzI4qxn_I31wLH9UQ3k1iKT2SU0HpJ21M6DHW-YIJM2bOo4RIMil\
      BzQ6uJB-6pZm1XZyvmPl7q5zKZXJCzIVasX0DVY4VR6kA2CJQ8RsqLhULskFkeRWz9RqosTJjyhEd1S27xUcbEumN9ACh_TQyBtTNR6YrAy8KIHsm3vN\
      yRwAeo8-_ObIB4VgfmI7yiW22Jfy1gF4mFQm4bv81BLdUWrgJFCPaQMdDvQNkeBM7n12Xp-kkCSISeseodLG_teY6Nr6vLDTROc48Mgg6nDeSw
      """
    let claims = """
      .eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnL3JlYWxtcy9ldGwiLCJhdWQiOlsiYWNjb3VudCIsImRheWJvb2siXSwic3ViIjoic3ViamVj\
      dC0xIiwiZXhwIjo0MTAyNDQ0ODAwfQ.
      """
    let rs256 =
      "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9" + claims + """
        d25-tM5B4VSJl46U_z57nOoVXGBR6znopJb33KxHKl6qi-eF-dliYY_320rsA82HaiEkZnwTl8Sd7zrFFKRP1nmVI13p2uqFfcWE7B747NBZq_M9xh\
        meozFCCynbCXYRemBHNwGHYuEiIkE3Kpkxb6-T-vGIvU5Dzqjw-lA8FvDfilejHyVIXISkqZQMRpfZdEzGjAIAYZ4ml9ujZqX7XHaBrBbjBQGJMmCs\
        o9yfko4X4AVTLQHNBDmX_QCkz8z1Kacdz448-R_DCFqRkArkKuCHcQtQ3lVSFPPuI0twTqRgL1W7qa32a-FY2wQ18oe4GOO912jcKZWIFaDRwZAiYg
        """
    let ps256 =
      "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSJ9" + claims + """
        Eiis8tpoZ9jw2tyn3BX5HnFh3MLj7zbIL63FBY2NkngxQpMn4Sd9IgNzkT7RSbIm2bpX0uMgCJIicpNcVuaALJLB6IjdcbyZtHkszQBmVgYyrnYAsG\
        nzVUA2TumwVpw6SbGKhOdngVvDaJadmoyEbEUV3f4ozL_r0ejMAXOqJ94TYpJNNmAhkgHPVc05tyfuvsMACbDVRKH8PU3PX1Ow2nndlGG61k-kAXLj\
        O86UJrcEQga3M3qpHMR7yFpEcY1E0CTx9cJjdtXt0YUoAqP0ghp-wIjIOsLU4sGbSCXC8KVzjf8_HBQCLNWWiQMlF7kPaz2Y-vwaQzjr0L2S1QZfLg
        """
    let key: JSONObject = ["e": "AQAB", "kid": "rsa", "kty": "RSA", "n": .string(modulus), "use": "sig"]
    let open = try Bench([.object(key)])
    // In either order: the first algorithm that is seen doesn't stay.
    for token in [ps256, rs256, ps256] { #expect(try await open.verifier.verify(token).subject == "subject-1") }
    let bound = try Bench([.object(key.merging(["alg": "RS256"]))])
    #expect(try await bound.refusal(rs256) == nil)
    #expect(try await bound.refusal(ps256)?.message.contains("key that is not known") == true)
    #expect(try await bound.refusal(String(rs256.dropLast(6)) + "AAAAAA")?.message.contains("signature") == true)
  }

  @Test
  func `what a provider lists besides its signing keys is passed over, and a file without any is refused at start`()
    async throws
  {
    let others: [JSON] = [
      ["k": "c2VjcmV0", "kid": "k1", "kty": "oct"], ["kty": "unheard-of"], 7,
      .object((TokenIssuer(kid: "k1").publicKey.objectValue ?? [:]).merging(["use": "enc"])),
      .object((TokenIssuer(kid: "k1").publicKey.objectValue ?? [:]).merging(["key_ops": ["sign"]])),
    ]
    let bench = try Bench(others + [issuer.publicKey])
    #expect(try await bench.refusal(try issuer.token("kay", until: bench.start.adding(seconds: 60))) == nil)
    for keys in [[], others] {
      #expect(throws: ServerStartError.self) { try Bench(keys) }
    }
    let settings = OIDCSettings(keysFile: "/nonexistent/jwks.json", issuer: "i", audience: "a")
    #expect(throws: ServerStartError.self) {
      try TokenVerifier(settings, logger: Logger(label: "test"), clock: { .now })
    }
  }

  @Test func `keys are rotated by writing the file; while it can't be read, nobody's token is taken`() async throws {
    let bench = try Bench([issuer.publicKey])
    let next = TokenIssuer(kid: "k2")
    let end = bench.start.adding(seconds: 300)
    let (old, new) = (try issuer.token("kay", until: end), try next.token("kay", until: end))
    #expect(try await bench.refusal(old) == nil)
    #expect(try await bench.refusal(new)?.code == .unauthenticated)
    try TokenIssuer.write([issuer.publicKey, next.publicKey], to: bench.file)
    #expect(try await bench.refusal(old) == nil)
    #expect(try await bench.refusal(new) == nil)
    try TokenIssuer.write([next.publicKey], to: bench.file)
    #expect(try await bench.refusal(old)?.code == .unauthenticated)
    #expect(try await bench.refusal(new) == nil)
    try Data("{".utf8).write(to: URL(fileURLWithPath: bench.file))
    let refusal = try await bench.refusal(new)
    #expect(refusal?.code == .unavailable && refusal?.data["component"] == "oidc")
    try FileManager.default.removeItem(atPath: bench.file)
    #expect(try await bench.refusal(new)?.code == .unavailable)
    try TokenIssuer.write([next.publicKey], to: bench.file)
    #expect(try await bench.refusal(new) == nil)
  }

  @Test func `session.open by token signs in the user of its subject until it expires, and nobody else`() async throws {
    let issuer = issuer
    let clock = NIOLockedValueBox(Timestamp.now)
    let start = clock.withLockedValue { $0 }
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let keys = folder.path + "/jwks.json"
    try TokenIssuer.write([issuer.publicKey], to: keys)
    try await TestServer.run { configuration in
      configuration.oidc = OIDCSettings(keysFile: keys, issuer: TokenIssuer.issuer, audience: TokenIssuer.audience)
      configuration.clock = { clock.withLockedValue { $0 } }
    } _: { test in
      let administrator = try await test.administrator()
      let acme = try await test.organization("acme")
      let made = try await administrator.call(
        "user.create",
        [
          "email": "kay@example.org", "keycloak_id": "kay-1", "organization_id": .string(acme), "role": "developer",
        ])
      let id = try #require(made["id"]?.stringValue)
      let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
      func signIn(_ token: String) async throws -> JSON {
        try await client.call("session.open", ["token": .string(token), "user_agent": "test"])
      }
      func refusal(_ token: String) async throws -> ClientError? {
        do {
          _ = try await signIn(token)
          return nil
        } catch let error as ClientError {
          return error
        }
      }
      let end = start.adding(seconds: 300)
      let unknown = try await refusal(try issuer.token("nobody", until: end))
      #expect(unknown?.code == .unauthenticated && unknown.map { "\($0)".contains("keycloak_id") } == true)
      let opened = try await signIn(try issuer.token("kay-1", until: end))
      #expect(opened["principal"]?["id"] == .string(id) && opened["principal"]?["kind"] == "user")
      #expect(opened["principal"]?["organizations"]?[acme] == "member")
      _ = try await client.call("pipeline.create", ["name": "p"])
      let item = try await administrator.call("user.get", ["id": .string(id)])["item"]
      #expect(item?["last_login_at"] != nil && item?["last_login_ip"] == "127.0.0.1")
      clock.withLockedValue { $0 = end.adding(seconds: TokenVerifier.leeway) }
      do {
        _ = try await client.call("session.whoami")
        Issue.record("the session outlives its token")
      } catch let error as ClientError {
        #expect(error.code == .unauthenticated)
      }
      let later = end.adding(seconds: 600)
      #expect(try await refusal(try issuer.token("kay-1", until: later)) == nil)
      _ = try await administrator.call("user.deactivate", ["id": .string(id)])
      do {
        _ = try await client.call("session.whoami")
        Issue.record("the session of a user who was deactivated goes on")
      } catch let error as ClientError {
        #expect(error.code == .unauthenticated)
      }
      #expect(try await refusal(try issuer.token("kay-1", until: later))?.code == .unauthenticated)
      try await client.close()
      try await administrator.close()
    }
  }

  @Test func `a provider's people are made at their first sign-in, and follow what later tokens say`() async throws {
    let issuer = issuer
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let keys = folder.path + "/jwks.json"
    try TokenIssuer.write([issuer.publicKey], to: keys)
    try await TestServer.run { configuration in
      configuration.oidc = OIDCSettings(
        keysFile: keys, issuer: TokenIssuer.issuer, audience: TokenIssuer.audience, organization: "lab")
    } _: { test in
      let administrator = try await test.administrator()
      let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
      let end = Timestamp.now.adding(seconds: 300)
      func refusal(_ claims: JSONObject, of subject: String) async throws -> ClientError? {
        do {
          let token = try issuer.token(subject, until: end, claims)
          _ = try await client.call("session.open", ["token": .string(token)])
          return nil
        } catch let error as ClientError {
          return error
        }
      }
      let emmy: JSONObject = [
        "email": "emmy@lab.example", "email_verified": true, "preferred_username": "emmy", "given_name": "Emmy",
        "family_name": "Noether", "name": "Emmy Noether",
      ]
      #expect(try await refusal(emmy, of: "kc-1")?.code == .unavailable, "there is no such organization yet")
      let lab = try await test.organization("lab")
      _ = try await administrator.call(
        "user.create", ["email": "other@lab.example", "username": "other", "organization_id": .string(lab)])
      #expect(try await refusal(emmy, of: "kc-1") == nil)
      func user() async throws -> JSON {
        let who = try await client.call("session.whoami")
        #expect(who["principal"]?["organizations"]?[lab] == "member")
        return try await administrator.call("user.get", ["id": who["principal"]?["id"] ?? .null])["item"] ?? .null
      }
      var made = try await user()
      #expect(
        made["email"] == "emmy@lab.example" && made["username"] == "emmy" && made["display_name"] == "Emmy Noether")
      #expect(made["keycloak_id"] == "kc-1" && made["role"] == "viewer" && made["email_verified"] == true)
      let version = made["version"]?.integerValue ?? 0
      // The same again records nothing but, perhaps, the sign-in; another address is taken over.
      #expect(try await refusal(emmy, of: "kc-1") == nil)
      #expect(try await user()["version"]?.integerValue ?? 0 <= version + 1)
      #expect(
        try await refusal(emmy.merging(["email": "e.noether@lab.example", "name": "E. Noether"]), of: "kc-1") == nil)
      made = try await user()
      #expect(made["email"] == "e.noether@lab.example" && made["display_name"] == "E. Noether")
      #expect(made["email_verified"] == true, "the provider has verified the new one, too")
      // Nobody's account is taken over, and without an address nobody is made.
      let thief = try await refusal(["email": "other@lab.example", "preferred_username": "thief"], of: "kc-2")
      #expect(thief?.code == .unauthenticated)
      #expect(
        try await refusal(["preferred_username": "other", "email": "x@lab.example"], of: "kc-3")?.code
          == .unauthenticated)
      #expect(try await refusal([:], of: "kc-4")?.code == .unauthenticated)
      for email in ["x@lab.example", "thief@lab.example"] {
        do {
          _ = try await administrator.call("user.get", ["email": .string(email)])
          Issue.record("\(email) was made")
        } catch let error as ClientError {
          #expect(error.code == .notFound)
        }
      }
      // Who was deactivated stays so.
      _ = try await administrator.call("user.deactivate", ["id": made["id"] ?? .null])
      #expect(try await refusal(emmy, of: "kc-1")?.code == .unauthenticated)
      try await client.close()
      try await administrator.close()
    }
  }

  @Test func `without a provider a token says so`() async throws {
    try await TestServer.run { test in
      let client = try await test.raw("tcp")
      let answer = try await client.ask(
        #"{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"token":"a.b.c"}}"#)
      #expect(answer.errorType == "unavailable")
      try await client.close()
    }
  }
}
