import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

/// Whether the output is for a program.
struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Write JSON for programs instead of tables for people.")
  var json = false
}

/// Where the data folder is.
struct DataOptions: ParsableArguments {
  @Option(name: .long, help: "The data folder (default: $DAYBOOK_DATA, else ./daybook-data).", completion: .directory)
  var data: String?

  /// The folder that is meant.
  var folder: String { data ?? Terminal.environment("DAYBOOK_DATA") ?? "./daybook-data" }
}

/// How to reach a server; the same for every command that asks one.
struct ConnectionOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The server's address: unix:PATH, tcp:HOST:PORT or tls:HOST:PORT.",
      discussion:
        "Default: $DAYBOOK_CONNECT, else the socket in $DAYBOOK_DATA, else the server of the last daybook login, else the socket in ./daybook-data.",
      valueName: "address"))
  var connect: String?

  @Option(name: .long, help: "An API key, for TCP and TLS (better: $DAYBOOK_API_KEY, which ps doesn't show).")
  var apiKey: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Sign in as a person of this e-mail address, such as an officer (default: $DAYBOOK_EMAIL).",
      discussion: "The password is that of $DAYBOOK_PASSWORD; where it is not set, it is asked for."))
  var email: String?

  @Option(
    name: .customLong("tls-ca"),
    help: "A PEM file of certificate authorities to trust instead of the system's (default: $DAYBOOK_TLS_CA).",
    completion: .file(extensions: ["pem", "crt"]))
  var certificateAuthorities: String?

  @Option(
    name: .long, help: "A server that you have signed in to, by its name (default: $DAYBOOK_CONTEXT).",
    completion: Completions.contexts)
  var context: String?

  /// Who signs in, and how.
  struct SignIn {
    var email: String?
    var apiKey: String?
    /// An OpenID Connect token.
    var token: String?
  }

  /// Whether nobody has to type a password for it.
  var asksNobody: Bool {
    let context = try? chosenContext()
    return signIn(context).email == nil || Terminal.environment("DAYBOOK_PASSWORD") != nil
  }

  /// The context that is asked; nil where an address is said in another way, or nothing is chosen.
  /// - Throws: ``Failure`` where there is none of the name, or the contexts can't be read.
  private func chosenContext() throws -> Context? {
    if connect != nil { return nil }
    if let name = context ?? Terminal.environment("DAYBOOK_CONTEXT") { return try Contexts.read().named(name) }
    guard Terminal.environment("DAYBOOK_CONNECT") == nil, Terminal.environment("DAYBOOK_DATA") == nil else {
      return nil
    }
    let contexts = try Contexts.read()
    return try contexts.current.map { try contexts.named($0) }
  }

  /// Who signs in: as the command line says, else as the context, else as the environment does.
  func signIn(_ context: Context?) -> SignIn {
    if let apiKey { return SignIn(apiKey: apiKey) }
    if let email { return SignIn(email: email) }
    if let context, context.provider != nil, context.apiKey == nil { return SignIn() }
    if let context, context.apiKey != nil || context.email != nil {
      return context.apiKey.map { SignIn(apiKey: $0) } ?? SignIn(email: context.email)
    }
    if let email = Terminal.environment("DAYBOOK_EMAIL") { return SignIn(email: email) }
    return SignIn(apiKey: Terminal.environment("DAYBOOK_API_KEY"))
  }

  /// The server's address, and the context that it is of.
  private func place() throws -> (address: String, context: Context?) {
    if let context = try chosenContext() { return (context.connect, context) }
    let folder = Terminal.environment("DAYBOOK_DATA") ?? "./daybook-data"
    return (connect ?? Terminal.environment("DAYBOOK_CONNECT") ?? "unix:\(folder)/daybook.sock", nil)
  }

  /// The address for another terminal, with a socket's path from the root on; nil where a context says it.
  /// - Throws: ``Failure`` where the context can't be read.
  func placeForOthers() throws -> String? {
    let place = try place()
    guard place.context == nil else { return nil }
    guard place.address.hasPrefix("unix:") else { return place.address }
    return "unix:\(Program.absolute(String(place.address.dropFirst("unix:".utf8.count))))"
  }

  /// Connects, and signs in where there is a person or a key.
  /// - Throws: `ClientError`, ``Failure``.
  /// - Parameter token: An OpenID Connect token to sign in with, whatever else is said.
  func open(with token: String? = nil) async throws -> DaybookClient {
    let (address, context) = try place()
    var signIn = signIn(context)
    if let token {
      signIn = SignIn(token: token)
    } else if signIn.email == nil, signIn.apiKey == nil, let context {
      signIn.token = try await Contexts.token(of: context)
    }
    let client = try await DaybookClient.connect(
      to: try Endpoint.parse(address),
      certificateAuthorities: certificateAuthorities ?? context?.certificateAuthorities
        ?? Terminal.environment("DAYBOOK_TLS_CA"))
    do {
      if let token = signIn.token {
        _ = try await client.call("session.open", ["token": .string(token)])
      } else if let email = signIn.email {
        let password = try Terminal.environment("DAYBOOK_PASSWORD") ?? Terminal.password(of: email)
        _ = try await client.call("session.open", ["email": .string(email), "password": .string(password)])
      } else if let key = signIn.apiKey {
        _ = try await client.call("session.open", ["api_key": .string(key)])
      }
    } catch {
      // What it failed with is what counts.
      try? await client.close()
      throw Self.explained(error, address, signIn)
    }
    return client
  }

  /// An error with what helps where it is known what was tried.
  private static func explained(_ error: any Error, _ address: String, _ signIn: SignIn) -> any Error {
    guard let error = error as? ClientError else { return error }
    var failure = Failure(error)
    switch error {
    case .remote(let refusal) where refusal.code == .unauthenticated:
      failure.next =
        signIn.email.map { "Check the address \(Terminal.plain($0)) and its password." }
        ?? signIn.token.map { _ in
          "Compare the server's --oidc-issuer and --oidc-audience with the provider and client that signed you in."
        }
        ?? "Check the key: it may be revoked or expired, or be another server's."
    case .closed where address.hasPrefix("tcp:"):
      failure.next =
        [failure.next, "If the server speaks TLS there, connect to tls:\(address.dropFirst(4))."].compactMap { $0 }
        .joined(separator: " ")
    default: return error
    }
    return failure
  }

  /// Connects, runs the body, and closes the connection in either case.
  /// - Parameter token: An OpenID Connect token to sign in with, whatever else is said.
  func withClient<R>(with token: String? = nil, _ body: (DaybookClient) async throws -> R) async throws -> R {
    let client = try await open(with: token)
    let result: R
    do {
      result = try await body(client)
    } catch {
      // The body's own error is what counts; a connection that can't be closed is gone anyway.
      try? await client.close()
      if case ClientError.closed? = error as? ClientError { throw Self.explained(error, try place().address, SignIn()) }
      throw error
    }
    try await client.close()
    return result
  }
}

/// The exit codes for what a command has told already.
extension ExitCode {
  static let damaged = ExitCode(Failure.Status.damaged.rawValue)
  static let refused = ExitCode(Failure.Status.refused.rawValue)
  static let unavailable = ExitCode(Failure.Status.unavailable.rawValue)
}
