import ArgumentParser
import CanonicalJSON
import DaybookClient

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
      discussion: "Default: $DAYBOOK_CONNECT, else the socket in the default data folder.", valueName: "address"))
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

  /// Whether nobody has to type a password for it.
  var asksNobody: Bool {
    (email ?? Terminal.environment("DAYBOOK_EMAIL")) == nil || Terminal.environment("DAYBOOK_PASSWORD") != nil
  }

  /// Connects, and signs in where there is a person or a key.
  /// - Throws: `ClientError`.
  func open() async throws -> DaybookClient {
    let folder = Terminal.environment("DAYBOOK_DATA") ?? "./daybook-data"
    let address = connect ?? Terminal.environment("DAYBOOK_CONNECT") ?? "unix:\(folder)/daybook.sock"
    let client = try await DaybookClient.connect(
      to: try Endpoint.parse(address),
      certificateAuthorities: certificateAuthorities ?? Terminal.environment("DAYBOOK_TLS_CA"))
    if let email = email ?? (apiKey == nil ? Terminal.environment("DAYBOOK_EMAIL") : nil) {
      let password = try Terminal.environment("DAYBOOK_PASSWORD") ?? Terminal.password(of: email)
      _ = try await client.call("session.open", ["email": .string(email), "password": .string(password)])
    } else if let key = apiKey ?? Terminal.environment("DAYBOOK_API_KEY") {
      _ = try await client.call("session.open", ["api_key": .string(key)])
    }
    return client
  }

  /// Connects, runs the body, and closes the connection in either case.
  func withClient<R>(_ body: (DaybookClient) async throws -> R) async throws -> R {
    let client = try await open()
    let result: R
    do {
      result = try await body(client)
    } catch {
      // The body's own error is what counts; a connection that can't be closed is gone anyway.
      try? await client.close()
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
}
