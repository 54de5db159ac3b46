import Access
import CanonicalJSON
import Domain
import NIOCore
import Protocol
import Refusals

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
      services.noteUse(of: current)
      return current
    }
  }

  /// `session.open`.
  func openSession(_ credentials: Credentials, _ reply: Reply) {
    openSession(credentials) { outcome in
      switch outcome {
      case .success(let principal):
        let answer = Session.description(of: principal, self.services.catalog)
        reply.succeed(JSON.object(answer).canonicalBytes, kind: .server)
      case .failure(let refusal): self.fail(reply, refusal, kind: .server)
      }
    }
  }

  /// Signs in. The calls behind it wait for its outcome, which is told on the event loop.
  func openSession(_ credentials: Credentials, _ told: @escaping @Sendable (Result<Principal, Refusal>) -> Void) {
    machine.signInBegan()
    services.connections.signingIn(self, true)
    let services = services
    let peer = peer
    let eventLoop = eventLoop
    tasks.signIn = services.connections.spawn {
      let outcome: Result<Principal, any Error>
      do {
        outcome = .success(try await services.signIn(credentials, from: peer))
      } catch {
        outcome = .failure(error)
      }
      eventLoop.execute {
        self.tasks.signIn = nil
        switch outcome {
        case .success(let principal) where !services.connections.mayJoin(self, principal.tenant):
          let limit = ConnectionPlaces<ObjectIdentifier>.Limits(all: services.connections.limit).signedInOfTenant
          told(.failure(.overloaded(connections: limit)))
        case .success(let principal):
          self.session = .opened(principal, userAgent: credentials.userAgent)
          told(.success(principal))
        case .failure(let error): told(.failure(services.describe(error, method: "session.open")))
        }
        services.connections.signingIn(self, false)
        self.machine.signInEnded()
        self.proceed()
      }
    }
  }

  /// `session.close`: the connection speaks for its peer again, or for nobody. What was subscribed to ends.
  func closeSession() {
    machine.signedOut()
    session = peer.principal.map(Session.own) ?? .none
  }
}
