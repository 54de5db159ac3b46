import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import Logging
import NIOCore
import Refusals

/// What somebody signs in with.
struct Credentials: Sendable {
  enum Kind: Sendable {
    case apiKey(String)
    case password(email: String, password: String)
    case token(String)
  }

  let kind: Kind
  let userAgent: String?

  /// What is recorded of the way tried.
  var method: String {
    switch kind {
    case .apiKey: "api_key"
    case .password: "password"
    case .token: "token"
    }
  }

  /// The parameters of `session.open`.
  static let fields: [Field] = [
    .text("api_key", "A key (dbk_…).", atMost: 200), .text("email", "A user's address.", atMost: 320),
    .text("password", "The user's password.", atMost: 1024),
    .text("token", "An OpenID Connect token.", atMost: 16_384),
    .text("user_agent", "What the client calls itself; kept, sealed, in the events it makes.", atMost: 500),
  ]

  /// What a request over HTTP brings in `Authorization: Bearer`: a key, or a token where tokens are taken.
  init(bearer: String, takesTokens: Bool, userAgent: String?) {
    kind = takesTokens && !bearer.hasPrefix("dbk_") ? .token(bearer) : .apiKey(bearer)
    self.userAgent = userAgent
  }

  /// What a call of `session.open` names.
  /// - Throws: ``Refusal`` `invalid_params`.
  init(_ given: Arguments) throws {
    var arguments = given
    let key = arguments.text("api_key")
    let email = arguments.text("email")
    let password = arguments.text("password")
    let token = arguments.text("token")
    userAgent = arguments.text("user_agent")
    let ways = [key != nil, email != nil || password != nil, token != nil].count { $0 }
    if ways != 1 { arguments.refuse("/api_key", "give one of api_key, email with password, or token") }
    if (email == nil) != (password == nil) {
      arguments.refuse(email == nil ? "/email" : "/password", "email and password belong together")
    }
    try arguments.check()
    if let key {
      kind = .apiKey(key)
    } else if let email, let password {
      kind = .password(email: email, password: password)
    } else {
      kind = .token(token ?? "")
    }
  }
}

extension Services {
  /// Whom the credentials stand for; a password's after the wait that failures of source and account have earned. That
  /// a person has signed in is recorded before this returns.
  /// - Throws: ``Refusal`` `unauthenticated`, `overloaded`, `unavailable` for a token where none are taken.
  func signIn(_ credentials: Credentials, from peer: Peer) async throws -> Principal {
    if case .token = credentials.kind, tokens == nil {
      throw Refusal.unavailable(component: "oidc", "Signing in by token is not configured on this server.")
    }
    let account = account(of: credentials)
    switch account.map({ signInGuard.admit($0, from: peer.source) }) ?? .after(.zero) {
    case .refused(let wait): throw Refusal.overloaded(retryAfterMilliseconds: wait.nanoseconds / 1_000_000)
    case .after(let wait):
      if wait > .zero { try await Task.sleep(for: .nanoseconds(wait.nanoseconds)) }
    }
    let principal: Principal
    do {
      principal = try await self.principal(credentials, from: peer)
    } catch let error as Refusal where error.code == .unauthenticated {
      metrics.signInRefused()
      notices.tell(.signIn, ["method": "\(credentials.method)", "peer": "\(peer.source)"])
      let report =
        account.map { signInGuard.failed($0, from: peer.source, address: peer.address) }
        ?? signInGuard.failedElse(from: peer.source, address: peer.address)
      if let report { record(report, method: credentials.method) }
      throw error
    }
    metrics.signedIn()
    if let account { signInGuard.succeeded(account, from: peer.source) }
    noteUse(of: principal)
    do {
      try await engine.recordSignIn(
        of: principal, from: Origin(ip: peer.address, userAgent: credentials.userAgent))
    } catch let error as Refusal where error.code != .unauthenticated {
      // A log that can't take a write just now keeps nobody from reading.
      logger.error("a sign-in could not be recorded", metadata: ["error": "\(error.code.rawValue)"])
    }
    return principal
  }

  /// The account whose password is given; nil where the credentials are none that anybody could guess.
  private func account(of credentials: Credentials) -> SignInGuard.Account? {
    guard case .password(let email, _) = credentials.kind else { return nil }
    return engine.signInAccount(email: email)
  }

  /// Whom the credentials stand for.
  /// - Throws: ``Refusal`` `unauthenticated` where they are not right, or who they stand for may not act.
  private func principal(_ credentials: Credentials, from peer: Peer) async throws -> Principal {
    switch credentials.kind {
    case .apiKey(let key):
      if let principal = try engine.principal(forKey: key) { return principal }
      throw Refusal.unauthenticated(
        """
        The key is not right, revoked or expired, or who made it no longer belongs to its organization. Whoever \
        administers keys there finds in api_key.history what became of it, and makes another one.
        """)
    case .password(let email, let password):
      if let principal = try await engine.principal(email: email, password: password) { return principal }
    case .token(let token):
      guard let tokens else { break }
      let proof = try await tokens.verify(token)
      if let organization = tokens.organization {
        try await bring(proof, into: organization, from: peer, userAgent: credentials.userAgent)
      }
      if let principal = try engine.principal(keycloakID: proof.subject, expiresAt: proof.expiresAt) {
        return principal
      }
      throw Refusal.unauthenticated(
        "The token is good, but nobody here has its subject as keycloak_id, or they were deactivated.")
    }
    throw Refusal.unauthenticated("The key, or the e-mail address and password, are not right.")
  }

  /// Has the use of an API key recorded, at most once a minute; holds nothing up.
  func noteUse(of principal: Principal) {
    let logger = logger
    engine.noteUse(of: principal) { error in
      logger.error("the use of a key could not be recorded", metadata: ["error": "\(error.code.rawValue)"])
    }
  }

  /// Records failed sign-ins in the log. It waits for nothing: strangers must not be able to hold anything up.
  func record(_ report: SignInGuard.Report, method: String) {
    do {
      let command = try engine.prepare(
        method: "session.refuse",
        params: [
          "attempts": .integer(Int64(report.attempts)), "method": .string(method),
          "accounts": .array(
            report.accounts.map { ["key": .string(Base64.encode($0)), "attempts": .integer(Int64($1))] }),
        ], principal: .server,
        origin: Origin(ip: report.address))
      let logger = logger
      engine.submit(command, on: nil) { result in
        if case .failure(let error) = result {
          logger.error("refused sign-ins could not be recorded", metadata: ["error": "\(error.code.rawValue)"])
        }
      }
    } catch {
      logger.error("refused sign-ins could not be recorded", metadata: ["error": "\(type(of: error))"])
    }
  }
}
