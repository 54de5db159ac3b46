import BasicTypes
import CanonicalJSON
import DaybookClient
import Witness

#if canImport(Glibc)
  import Glibc
#endif

/// Signing in at an OpenID Connect provider from a terminal, by a browser that is anywhere: the device authorization
/// grant of RFC 8628.
struct DeviceFlow: Sendable {
  /// What the provider gave.
  struct Tokens: Equatable, Sendable {
    /// What the server is shown: the ID token, else the access token.
    var token: String
    /// What another token is got with, where the provider gives that.
    var refreshToken: String?
    /// When the token expires.
    var expiresAt: Timestamp

    /// Whom the token says that it is for.
    var person: String? {
      let claims = DeviceFlow.claims(of: token)
      return claims["email"]?.stringValue ?? claims["preferred_username"]?.stringValue
    }

    /// The provider's own name for them.
    var subject: String? { DeviceFlow.claims(of: token)["sub"]?.stringValue }
  }

  /// What a person has to do.
  private struct Order {
    let deviceCode: String
    let userCode: String
    let address: String
    let wholeAddress: String?
    let seconds: Int64
    let interval: Int64
  }

  private static let grant = "urn:ietf:params:oauth:grant-type:device_code"
  private static let limit = 1 << 20

  let issuer: String
  let client: String
  /// Where the server is that is signed in to.
  let address: String
  let certificateAuthorities: String?

  // MARK: - Signing in

  /// Signs somebody in: says which page they have to open and what to enter there, and waits until they have.
  /// - Parameter say: Tells the person.
  /// - Throws: ``Failure`` where they refuse, take too long, or the provider can't do it.
  func signIn(say: (String) -> Void) async throws -> Tokens {
    let places = try await discover()
    guard let device = places["device_authorization_endpoint"]?.stringValue else {
      throw Failure(
        .usage, "The provider doesn't sign in by device codes (RFC 8628).", place: issuer,
        next: "Switch the device authorization grant on for the client \(client) there, or sign in with --email.")
    }
    let token = try endpoint("token_endpoint", places)
    let order = try await order(at: device)
    say("To sign in, open this page in a browser, on any device:")
    say("  \(Terminal.plain(order.address))")
    say("and enter the code  \(Terminal.plain(order.userCode))")
    if let whole = order.wholeAddress { say("Or open  \(Terminal.plain(whole))  where the code is entered already.") }
    say("Waiting until you have; the code is good for \(Durations.text(Double(order.seconds))). Ctrl-C gives up.")
    return try await wait(for: order, at: token)
  }

  /// Gets another token for one that has expired.
  /// - Throws: ``Failure`` where the sign-in has ended.
  func refresh(_ refreshToken: String) async throws -> Tokens {
    let token = try endpoint("token_endpoint", try await discover())
    let (status, answer) = try await post(
      token, ["grant_type": "refresh_token", "refresh_token": refreshToken, "client_id": client])
    guard status == 200 else {
      throw Failure(
        .refused, "The sign-in at \(issuer) has ended: \(Self.reason(answer, status))", next: "Sign in again: \(again)."
      )
    }
    var tokens = try tokens(answer)
    // A provider that gives no other one means the same.
    if tokens.refreshToken == nil { tokens.refreshToken = refreshToken }
    return tokens
  }

  /// The command that signs in again.
  var again: String { "daybook login --connect \(address) --oidc-issuer \(issuer) --oidc-client \(client)" }

  private func order(at device: String) async throws -> Order {
    let (status, answer) = try await post(
      device, ["client_id": client, "scope": "openid email profile offline_access"])
    guard status == 200 else {
      throw Failure(
        .refused, "The provider gives no code: \(Self.reason(answer, status))", place: device,
        next: "Is \(client) a client there that may use the device authorization grant? Say which with --oidc-client.")
    }
    guard let deviceCode = answer["device_code"]?.stringValue, let userCode = answer["user_code"]?.stringValue,
      let address = answer["verification_uri"]?.stringValue ?? answer["verification_url"]?.stringValue
    else {
      throw Failure(.unavailable, "The provider answers no code and page (RFC 8628, 3.2).", place: device)
    }
    return Order(
      deviceCode: deviceCode, userCode: userCode, address: address,
      wholeAddress: answer["verification_uri_complete"]?.stringValue,
      seconds: max(1, answer["expires_in"]?.integerValue ?? 600),
      interval: min(max(1, answer["interval"]?.integerValue ?? 5), 3600))
  }

  private func wait(for order: Order, at token: String) async throws -> Tokens {
    let deadline = ContinuousClock.now + .seconds(order.seconds)
    var interval = order.interval
    while true {
      let next = ContinuousClock.now + .seconds(interval)
      guard next < deadline else {
        try await Task.sleep(until: deadline, clock: .continuous)
        throw expired
      }
      try await Task.sleep(until: next, clock: .continuous)
      let status: Int
      let answer: JSON
      do {
        (status, answer) = try await post(
          token, ["grant_type": Self.grant, "device_code": order.deviceCode, "client_id": client])
      } catch let failure as Failure where failure.status == .unavailable {
        // It may be back in a moment; half as often each time, as RFC 8628 wants.
        interval = min(interval * 2, 60)
        guard ContinuousClock.now + .seconds(interval) < deadline else { throw failure }
        continue
      }
      if status == 200 { return try tokens(answer) }
      switch answer["error"]?.stringValue {
      case "authorization_pending": break
      case "slow_down": interval += 5
      case "expired_token": throw expired
      case "access_denied":
        throw Failure(
          .refused, "The sign-in was refused in the browser.", place: issuer,
          next: "If that wasn't you, ask who did; else: \(again).")
      default:
        throw Failure(
          .refused, "The provider refuses the sign-in: \(Self.reason(answer, status))", place: token)
      }
    }
  }

  private var expired: Failure {
    Failure(
      .refused, "The code has expired before anybody entered it.", place: issuer, next: "Ask for another: \(again).")
  }

  private func tokens(_ answer: JSON) throws -> Tokens {
    guard let token = answer["id_token"]?.stringValue ?? answer["access_token"]?.stringValue else {
      throw Failure(.unavailable, "The provider answers no token.", place: issuer)
    }
    let claims = Self.claims(of: token)
    let end = claims["exp"]?.doubleValue.flatMap { (1..<1e11).contains($0) ? Int64($0 * 1_000_000) : nil }
    return Tokens(
      token: token, refreshToken: answer["refresh_token"]?.stringValue,
      expiresAt: end.map { Timestamp(microseconds: $0) }
        ?? Timestamp.now.adding(seconds: answer["expires_in"]?.integerValue ?? 60))
  }

  /// What a token says of itself; the server checks it, so nothing but when another is got depends on this.
  fileprivate static func claims(of token: String) -> JSON {
    let parts = token.utf8.split(separator: UInt8(ascii: "."))
    guard parts.count == 3, let bytes = Base64.decode(url: parts[1]) else { return .null }
    // A token of another form is the server's to refuse: it says nothing here.
    return (try? JSON.parse(bytes)) ?? .null
  }

  // MARK: - Asking the provider

  private func discover() async throws -> JSON {
    var base = issuer
    while base.hasSuffix("/") { base.removeLast() }
    let place = "\(base)/.well-known/openid-configuration"
    let (status, answer) = try await ask(place, nil)
    guard status == 200, let named = answer["issuer"]?.stringValue else {
      throw Failure(
        .usage, "There is no OpenID Connect provider here (\(status)).", place: place,
        next: "--oidc-issuer is what the server's own --oidc-issuer is: for Keycloak https://HOST/realms/REALM.")
    }
    guard named == issuer else {
      throw Failure(
        .usage, "The provider calls itself \(Terminal.plain(named)).", place: issuer,
        next: "Give that as --oidc-issuer, if it is the one you mean.")
    }
    return answer
  }

  private func endpoint(_ name: String, _ places: JSON) throws -> String {
    guard let place = places[name]?.stringValue else {
      throw Failure(.unavailable, "The provider names no \(name).", place: issuer)
    }
    return place
  }

  private func post(_ place: String, _ form: KeyValuePairs<String, String>) async throws -> (Int, JSON) {
    let text = form.map { "\($0.key)=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
    return try await ask(place, (text, "application/x-www-form-urlencoded"))
  }

  private func ask(_ place: String, _ body: (String, String)?) async throws -> (Int, JSON) {
    guard let exchange = HTTPExchange(url: place, certificateAuthorities: certificateAuthorities) else {
      throw Failure(.usage, "This is no address of a provider.", place: place, next: "Such as https://id.example.org.")
    }
    guard exchange.isPrivate else {
      throw Failure(
        .usage, "Codes and tokens aren't sent to a provider without encryption.", place: place,
        next: "Give an address that begins with https://.")
    }
    let answer: HTTPExchange.Answer
    do {
      answer = try await exchange.send(body.map { (text: $0.0, type: $0.1) }, limit: Self.limit)
    } catch {
      throw Failure(
        .unavailable, "The provider at \(error.description)", place: place, next: "Check the address and the network.")
    }
    do {
      return (answer.status, try JSON.parse(Array(answer.text.utf8)))
    } catch {
      // A gateway's page may say that something isn't there; what is answered as right must be JSON.
      guard answer.status == 200 else { return (answer.status, .null) }
      throw Failure(
        .unavailable, "What answers here is no provider: it sends no JSON.", place: place,
        next: "Check the address; a proxy or a sign-in page may stand before the provider.")
    }
  }

  /// What a provider says of a refusal, for a person.
  private static func reason(_ answer: JSON, _ status: Int) -> String {
    let code = answer["error"]?.stringValue.map { Terminal.plain($0) } ?? "it answers \(status)"
    guard let description = answer["error_description"]?.stringValue else { return "\(code)." }
    return "\(code), \(Terminal.plain(description))"
  }
}
