import CanonicalJSON
import Domain
import Logging
import NIOCore
import Protocol

extension Connection {
  /// Who the connection speaks for as the log says it now; a key that was revoked since speaks for nobody.
  func currentPrincipal() throws -> Principal? {
    switch session {
    case .none: return nil
    case .own(let principal): return principal
    case .opened(let principal, let userAgent):
      guard let current = try services.engine.refresh(principal) else {
        session = .none
        return nil
      }
      session = .opened(current, userAgent: userAgent)
      return current
    }
  }

  /// `session.open`. The calls behind it wait for its outcome.
  func openSession(_ request: Request, _ reply: Reply) {
    let credentials: Credentials
    do {
      credentials = try Credentials(request.params)
    } catch {
      fail(reply, services.describe(error, method: request.method), kind: .server)
      return
    }
    beginSignIn()
    let services = services
    let source = peer.source
    let eventLoop = eventLoop
    signIn = services.connections.spawn {
      let outcome: Result<Principal, any Error>
      do {
        outcome = .success(try await services.signIn(credentials, source: source))
      } catch {
        outcome = .failure(error)
      }
      eventLoop.execute {
        self.signIn = nil
        switch outcome {
        case .success(let principal):
          self.session = .opened(principal, userAgent: credentials.userAgent)
          let answer = Session.description(of: principal, services.catalog)
          reply.succeed(JSON.object(answer).canonicalBytes, kind: .server)
        case .failure(let error):
          self.fail(reply, services.describe(error, method: request.method), kind: .server)
        }
        self.endSignIn()
      }
    }
  }

  /// `session.close`: the connection speaks for its peer again, or for nobody. What was subscribed to ends.
  func closeSession(_ request: Request, _ reply: Reply) throws {
    var parameters = CallParameters(request.params)
    try parameters.finish()
    for task in subscriptions.values { task.cancel() }
    session = peer.principal.map(Session.own) ?? .none
    reply.succeed(Array("{}".utf8), kind: .server)
  }
}

/// What somebody signs in with.
struct Credentials: Sendable {
  enum Kind: Sendable {
    case apiKey(String)
    case password(email: String, password: String)
  }

  let kind: Kind
  let userAgent: String?

  /// What is recorded of the way tried.
  var method: String {
    switch kind {
    case .apiKey: "api_key"
    case .password: "password"
    }
  }

  /// The params of `session.open`.
  /// - Throws: ``DaybookError`` `invalid_params`, `unavailable` for a token: no issuer of tokens can be configured.
  init(_ params: JSONObject) throws {
    var parameters = CallParameters(params)
    let key = parameters.string("api_key", maximumBytes: 200)
    let email = parameters.string("email", maximumBytes: 320)
    let password = parameters.string("password", maximumBytes: 1024)
    let token = parameters.string("token", maximumBytes: 16_384)
    userAgent = parameters.string("user_agent", maximumBytes: 500)
    let ways = [key != nil, email != nil || password != nil, token != nil].count { $0 }
    if ways != 1 { parameters.refuse("api_key", "give one of api_key, email with password, or token") }
    if (email == nil) != (password == nil) {
      parameters.refuse(email == nil ? "email" : "password", "email and password belong together")
    }
    try parameters.finish()
    if let key {
      kind = .apiKey(key)
    } else if let email, let password {
      kind = .password(email: email, password: password)
    } else {
      throw DaybookError.unavailable(component: "oidc", "Signing in by token is not configured on this server.")
    }
  }
}

extension Services {
  /// Whom the credentials stand for, after the wait that the source's failures have earned.
  /// - Throws: ``DaybookError`` `unauthenticated`, `overloaded`.
  func signIn(_ credentials: Credentials, source: String) async throws -> Principal {
    switch signInGuard.admit(source) {
    case .refused(let wait): throw DaybookError.overloaded(retryAfterMilliseconds: wait.nanoseconds / 1_000_000)
    case .after(let wait):
      if wait > .zero { try await Task.sleep(for: .nanoseconds(wait.nanoseconds)) }
    }
    let principal: Principal?
    switch credentials.kind {
    case .apiKey(let key): principal = try engine.principal(forKey: key)
    case .password(let email, let password):
      principal = try await engine.principal(email: email, password: password)
    }
    if let principal { return principal }
    metrics.signInRefused()
    if let attempts = signInGuard.failed(source) {
      recordRefusedSignIns(source: source, method: credentials.method, attempts: attempts)
    }
    throw DaybookError.unauthenticated("The key, or the e-mail address and password, are not right.")
  }

  /// Records failed sign-ins in the log. It waits for nothing: strangers must not be able to hold anything up.
  func recordRefusedSignIns(source: String, method: String, attempts: Int) {
    do {
      let command = try engine.prepare(
        method: "session.refuse", params: ["attempts": .integer(Int64(attempts)), "method": .string(method)],
        principal: .server, origin: Origin(ip: source.hasPrefix("uid ") ? nil : source))
      let logger = logger
      engine.submit(command) { result in
        if case .failure(let error) = result {
          logger.error("refused sign-ins could not be recorded", metadata: ["error": "\(error.type)"])
        }
      }
    } catch {
      logger.error("refused sign-ins could not be recorded", metadata: ["error": "\(type(of: error))"])
    }
  }
}
