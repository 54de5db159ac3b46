import ArgumentParser
import Failpoints
import Logging
import Server

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook serve`: a server.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a server, until it gets SIGTERM or is interrupted.",
    discussion: """
      It prints one line when it is ready, with its addresses. Without --postgres
      it runs a private PostgreSQL of its own in the data folder. DATABASE_URL,
      DB_POOL_SIZE, DB_MAX_OVERFLOW and DB_POOL_TIMEOUT are understood too.

      With the three --oidc options, session.open also takes {"token": …}, an
      OpenID Connect token; its sub is the keycloak_id of the user who signs in,
      and the session ends when the token expires.

      What is signed of the log (head and head-2 in the data folder, head in its
      vault) says where it ends. Where none of that is left, a log with events is
      refused: --accept-missing-head starts it as it is. Compare its last position
      with the last one that was acknowledged to you before you say so.

      EXAMPLES
        daybook serve
        daybook serve --data /var/lib/daybook --listen 0.0.0.0:7717 --tls-certificate server.pem --tls-key server.key
        daybook serve --listen none --socket /run/daybook.sock
        daybook serve --oidc-jwks realm.jwks --oidc-issuer https://id.example.org/realms/etl --oidc-audience daybook
      """)

  @OptionGroup var data: DataOptions

  @Option(name: .long, help: "The TCP address HOST:PORT, or none; port 0 takes a free one.")
  var listen = "127.0.0.1:7717"

  @Option(name: .long, help: "The Unix socket's path (default: daybook.sock in the data folder).", completion: .file())
  var socket: String?

  @Option(
    name: .long,
    help: "The URL of a PostgreSQL to use instead of a private one (better: $DATABASE_URL, which ps doesn't show).")
  var postgres: String?

  @Option(name: .long, help: "The file with the root key (default: beside the data folder).", completion: .file())
  var rootKeyFile: String?

  @Option(
    name: .long, help: "The folder below which administrators on TCP may have backups written (default: nowhere).",
    completion: .directory)
  var backupFolder: String?

  @Option(
    name: .long, help: "The certificate chain for TCP, a PEM file.", completion: .file(extensions: ["pem", "crt"]))
  var tlsCertificate: String?

  @Option(name: .long, help: "The certificate's key, a PEM file.", completion: .file(extensions: ["pem", "key"]))
  var tlsKey: String?

  @Flag(name: .long, help: "Allow TCP beyond loopback without TLS.")
  var insecure = false

  @Option(name: .long, help: "The longest line that is taken, in bytes.")
  var maxLine = 4 << 20

  @Option(name: .long, help: "How many calls of one connection may be unanswered.")
  var maxInFlight = 256

  @Option(
    name: .long, help: "The public keys for tokens, a JWKS file, read anew when it changes.",
    completion: .file(extensions: ["json", "jwks"]))
  var oidcJwks: String?

  @Option(name: .long, help: "Whose tokens are taken: their iss, an OpenID Connect provider such as a Keycloak realm.")
  var oidcIssuer: String?

  @Option(name: .long, help: "What tokens must be for: their aud.")
  var oidcAudience: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The slug of the organization whose people the provider has.",
      discussion: """
        Who signs in by a token first is made a user and a member there, a viewer at first; \
        later sign-ins bring the e-mail address and names that the token says.
        """))
  var oidcOrganization: String?

  @Option(
    name: .long, help: "The folder with the resource types (default: found above the program).", completion: .directory)
  var schema: String?

  @Option(
    name: .long, help: "The folder with the read models (default: found above the program).", completion: .directory)
  var projections: String?

  @Option(
    name: .long,
    help: "Why the machine's clock is right; for a start that the clock stands in the way of. Recorded.")
  var confirmClock: String?

  @Flag(
    name: .long,
    help: "Start a log with events of which no signed head is left to say where it ends. Recorded.")
  var acceptMissingHead = false

  @Option(name: .long, help: "text or json.", completion: .list(["text", "json"]))
  var logFormat = "text"

  @Option(
    name: .long, help: "trace, debug, info, notice, warning, error or critical.",
    completion: .list(Logger.Level.allCases.map(\.rawValue)))
  var logLevel = "info"

  @Option(name: .long, help: "A user id that is a local administrator on the Unix socket; may be repeated.")
  var allowUid: [UInt32] = []

  func validate() throws {
    guard ServerConfiguration.LogFormat(rawValue: logFormat) != nil else {
      throw ValidationError("--log-format must be text or json.")
    }
    guard Logger.Level(rawValue: logLevel) != nil else {
      throw ValidationError(
        "--log-level must be one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key belong together.")
    }
    let oidc = [oidcJwks, oidcIssuer, oidcAudience]
    guard oidc.allSatisfy({ $0 == nil }) || oidc.allSatisfy({ $0?.isEmpty == false }) else {
      throw ValidationError("--oidc-jwks, --oidc-issuer and --oidc-audience belong together.")
    }
    guard oidcOrganization == nil || oidcJwks != nil else {
      throw ValidationError("--oidc-organization needs --oidc-jwks, --oidc-issuer and --oidc-audience.")
    }
    guard (1024...(1 << 30)).contains(maxLine) else {
      throw ValidationError("--max-line must be from 1024 to 1073741824.")
    }
    guard (1...65_536).contains(maxInFlight) else { throw ValidationError("--max-in-flight must be from 1 to 65536.") }
    _ = try address()
  }

  func run() async throws {
    var configuration = ServerConfiguration(
      dataFolder: Program.absolute(data.folder),
      catalogFolder: try schema ?? Program.folder("schema", containing: ".yaml", option: "--schema"),
      projectionsFolder: try projections ?? Program.folder("projections", containing: ".sql", option: "--projections"))
    configuration.listen = try address()
    configuration.socketPath = socket
    if let tlsCertificate, let tlsKey {
      configuration.tls = ServerConfiguration.TLSFiles(certificate: tlsCertificate, key: tlsKey)
    }
    if let oidcJwks, let oidcIssuer, let oidcAudience {
      configuration.oidc = OIDCSettings(
        keysFile: Program.absolute(oidcJwks), issuer: oidcIssuer, audience: oidcAudience,
        organization: oidcOrganization)
    }
    configuration.backupFolder = backupFolder.map { Program.absolute($0) }
    configuration.isInsecure = insecure
    configuration.confirmedClock = confirmClock
    configuration.acceptsMissingHead = acceptMissingHead
    configuration.allowedUserIDs = Set(allowUid)
    configuration.rootKeyFile = rootKeyFile
    configuration.postgres = try PostgresSettings.from(environment: Self.environment, url: postgres)
    configuration.maximumLine = maxLine
    configuration.maximumInFlight = maxInFlight
    configuration.logFormat = ServerConfiguration.LogFormat(rawValue: logFormat) ?? .text
    configuration.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    if let order = Terminal.environment("DAYBOOK_FAILPOINT") {
      configuration.failpoints = try Failpoints(parsing: order)
    }
    try await DaybookServer.start(configuration, signals: DaybookServer.stopSignals).run()
  }

  private func address() throws -> (host: String, port: Int)? {
    guard listen != "none" else { return nil }
    guard let colon = listen.lastIndex(of: ":"), let port = Int(listen[listen.index(after: colon)...]),
      (0...65_535).contains(port)
    else { throw ValidationError("--listen must be HOST:PORT, such as 127.0.0.1:7717, or none.") }
    var host = listen[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else { throw ValidationError("--listen must name a host; 0.0.0.0 stands for every address.") }
    return (String(host), port)
  }

  /// The variables that a server reads, as a dictionary.
  private static var environment: [String: String] {
    var variables: [String: String] = [:]
    for name in ["DATABASE_URL", "DB_POOL_SIZE", "DB_MAX_OVERFLOW", "DB_POOL_TIMEOUT"] {
      variables[name] = Terminal.environment(name)
    }
    return variables
  }
}
