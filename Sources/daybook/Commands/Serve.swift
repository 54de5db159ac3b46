import ArgumentParser
import CanonicalJSON
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

      HTTP (OpenLineage events, JSON-RPC, events of the log, health, metrics) is
      served on 127.0.0.1:7718 too, unless --http or DAYBOOK_HTTP says something
      else, or --listen none. The certificate for TCP is also that for HTTP.

      With the three --oidc options, session.open also takes {"token": …}, an
      OpenID Connect token; its sub is the keycloak_id of the user who signs in,
      and the session ends when the token expires.

      What is signed of the log (head and head-2 in the data folder, head in its
      vault) says where it ends. Where none of that is left, a log with events is
      refused: --accept-missing-head starts it as it is. Compare its last position
      with the last one that was acknowledged to you before you say so.

      EXAMPLES
        daybook serve
        daybook serve --data /var/lib/daybook --listen 0.0.0.0:7717 \\
          --tls-certificate server.pem --tls-key server.key
        daybook serve --listen none --socket /run/daybook.sock
        daybook serve --oidc-jwks realm.jwks \\
          --oidc-issuer https://id.example.org/realms/etl \\
          --oidc-audience daybook
      """)

  @OptionGroup var data: DataOptions

  @Option(name: .long, help: "The TCP address HOST:PORT, or none; port 0 takes a free one.")
  var listen = "127.0.0.1:7717"

  @Option(
    name: .long,
    help: "The HTTP address HOST:PORT, or none (default: $DAYBOOK_HTTP, else 127.0.0.1:7718 unless --listen is none).")
  var http: String?

  @Option(name: .long, help: "Where OpenLineage events are posted over HTTP; batches at /batch below it.")
  var openlineagePath = "/api/v1/lineage"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Who reads GET /metrics without being an administrator: local, token, open or none.",
      discussion: """
        local: whoever asks from this machine, and whoever has the token of --metrics-token-file; token: only the \
        latter; open: everybody who reaches the HTTP port; none: nobody at all.
        """), completion: .list(ServerConfiguration.MetricsAccess.allCases.map(\.rawValue)))
  var metrics = "local"

  @Option(
    name: .long, help: "A file with the token by which monitors read GET /metrics, and nothing else.",
    completion: .file())
  var metricsTokenFile: String?

  @Option(name: .long, help: "The Unix socket's path (default: daybook.sock in the data folder).", completion: .file())
  var socket: String?

  @Option(
    name: .long,
    help: "The URL of a PostgreSQL to use instead of a private one (better: $DATABASE_URL, which ps doesn't show).")
  var postgres: String?

  @Option(
    name: .long,
    help: "HOST:PORT at which SQL roles (daybook sql-role) reach the private PostgreSQL by TCP (default: nowhere).")
  var postgresListen: String?

  @Option(
    name: .long, help: "The folder for the private PostgreSQL's socket (default: one under /tmp).",
    completion: .directory)
  var postgresSocketFolder: String?

  @Option(name: .long, help: "The file with the root key (default: beside the data folder).", completion: .file())
  var rootKeyFile: String?

  @Option(
    name: .long, help: "The folder for backups by --backup-every, and by administrators on TCP (default: nowhere).",
    completion: .directory)
  var backupFolder: String?

  @Option(
    name: .long, help: "Back up into the backup folder so often: 24h, 1d, 30 min … Each is verified and recorded.")
  var backupEvery: String?

  @Option(name: .long, help: "How many of these backups are kept.")
  var backupKeep = 7

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
    name: .long, help: "The folder with the resource types (default: found in $DAYBOOK_HOME, or above the program).",
    completion: .directory)
  var schema: String?

  @Option(
    name: .long, help: "The folder with the read models (default: found in $DAYBOOK_HOME, or above the program).",
    completion: .directory)
  var projections: String?

  @Option(
    name: .long,
    help: "Why the machine's clock is right; for a start that the clock stands in the way of. Recorded.")
  var confirmClock: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "For a demonstration: the log's time begins so many days before this one, and goes as clock.tell says.",
      discussion: "In a data folder of its own; the log says of each event when it was recorded.", valueName: "days"))
  var demo: Int?

  @Flag(
    name: .long,
    help: "Start a log with events of which no signed head is left to say where it ends. Recorded.")
  var acceptMissingHead = false

  @Option(
    name: .long, help: "A file for the log, opened anew on SIGHUP (default: standard error).", completion: .file())
  var logFile: String?

  @Option(name: .long, help: "text or json.", completion: .list(["text", "json"]))
  var logFormat = "text"

  @Option(
    name: .long, help: "trace, debug, info, notice, warning, error or critical.",
    completion: .list(Logger.Level.allCases.map(\.rawValue)))
  var logLevel = "info"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The slug of the organization for OpenLineage events of administrators who name none.",
      discussion: "It is made with the first event. Rules by namespace come first: daybook openlineage map."))
  var openlineageOrganization: String?

  @Option(name: .long, help: "A user id that is a local administrator on the Unix socket; may be repeated.")
  var allowUid: [UInt32] = []

  func validate() throws {
    guard ServerConfiguration.LogFormat(rawValue: logFormat) != nil else {
      throw ValidationError("--log-format must be text or json.")
    }
    guard let access = ServerConfiguration.MetricsAccess(rawValue: metrics) else {
      throw ValidationError("--metrics must be local, token, open or none.")
    }
    guard access != .token || metricsTokenFile != nil else {
      throw ValidationError("--metrics token needs a --metrics-token-file.")
    }
    guard access != .none || metricsTokenFile == nil else {
      throw ValidationError("--metrics none and --metrics-token-file exclude each other.")
    }
    guard Logger.Level(rawValue: logLevel) != nil else {
      throw ValidationError(
        "--log-level must be one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    if let slug = openlineageOrganization, !Self.isSlug(slug) {
      throw ValidationError(
        "--openlineage-organization must be a slug: 1 to 100 lower-case letters, digits, - and _.")
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
    _ = try address(listen, option: "--listen")
    _ = try httpAddress()
    guard openlineagePath.hasPrefix("/"), openlineagePath.count > 1, !openlineagePath.hasSuffix("/"),
      openlineagePath.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }),
      !["/rpc", "/events", "/openrpc.json", "/metrics", "/health"].contains(where: { openlineagePath.hasPrefix($0) })
    else {
      throw ValidationError(
        "--openlineage-path must be a path such as /api/v1/lineage, without a slash at its end, that is not taken.")
    }
    if let backupEvery {
      guard backupFolder != nil else { throw ValidationError("--backup-every needs a --backup-folder.") }
      guard let seconds = Moment.seconds(backupEvery), seconds >= 1 else {
        throw ValidationError("--backup-every doesn't understand “\(backupEvery)”: give 24h, 1d, 30 min or the like.")
      }
    }
    if let demo {
      guard (1...366).contains(demo) else { throw ValidationError("--demo must be from 1 to 366 days.") }
    }
    guard backupKeep >= 1 else { throw ValidationError("--backup-keep must be at least 1.") }
    if postgresListen != nil, postgres != nil {
      throw ValidationError(
        "--postgres-listen is for the private PostgreSQL; one of your own listens where its settings say.")
    }
    if let listening = try postgresAddress(), listening.port == 0 {
      throw ValidationError("--postgres-listen wants a port from 1 to 65535.")
    }
  }

  func run() async throws {
    var configuration = ServerConfiguration(
      dataFolder: Program.absolute(data.folder),
      catalogFolder: try schema ?? Program.folder("schema", containing: ".yaml", option: "--schema"),
      projectionsFolder: try projections ?? Program.folder("projections", containing: ".sql", option: "--projections"))
    configuration.listen = try address(listen, option: "--listen")
    (configuration.http, configuration.isHTTPOptional) = try httpAddress()
    configuration.openLineagePath = openlineagePath
    configuration.metricsAccess = ServerConfiguration.MetricsAccess(rawValue: metrics) ?? .local
    configuration.metricsTokenFile = metricsTokenFile.map { Program.absolute($0) }
    configuration.commit = BuildVersion.commit ?? ""
    configuration.socketPath = socket
    configuration.postgresListen = try postgresAddress()
    configuration.postgresSocketFolder = postgresSocketFolder.map { Program.absolute($0) }
    if let tlsCertificate, let tlsKey {
      configuration.tls = ServerConfiguration.TLSFiles(certificate: tlsCertificate, key: tlsKey)
    }
    if let oidcJwks, let oidcIssuer, let oidcAudience {
      configuration.oidc = OIDCSettings(
        keysFile: Program.absolute(oidcJwks), issuer: oidcIssuer, audience: oidcAudience,
        organization: oidcOrganization)
    }
    configuration.backupFolder = backupFolder.map { Program.absolute($0) }
    configuration.backups = schedule(dataFolder: configuration.dataFolder)
    configuration.isInsecure = insecure
    configuration.confirmedClock = confirmClock
    configuration.acceptsMissingHead = acceptMissingHead
    configuration.demoDays = demo
    configuration.allowedUserIDs = Set(allowUid)
    configuration.rootKeyFile = rootKeyFile
    configuration.postgres = try PostgresSettings.from(environment: Self.environment, url: postgres)
    configuration.reportOrganization = openlineageOrganization
    configuration.maximumLine = maxLine
    configuration.maximumInFlight = maxInFlight
    configuration.logFile = logFile.map { Program.absolute($0) }
    configuration.logFormat = ServerConfiguration.LogFormat(rawValue: logFormat) ?? .text
    configuration.logLevel = Logger.Level(rawValue: logLevel) ?? .info
    if let order = Terminal.environment("DAYBOOK_FAILPOINT") {
      configuration.failpoints = try Failpoints(parsing: order)
    }
    try await DaybookServer.start(configuration, signals: DaybookServer.stopSignals).run()
  }

  /// The address for HTTP, and whether it is the one that nobody asked for.
  private func httpAddress() throws -> (address: (host: String, port: Int)?, isDefault: Bool) {
    if let http { return (try address(http, option: "--http"), false) }
    if let named = Terminal.environment("DAYBOOK_HTTP"), !named.isEmpty {
      return (try address(named, option: "DAYBOOK_HTTP"), false)
    }
    return listen == "none" ? (nil, false) : (("127.0.0.1", 7718), true)
  }

  /// How backups are made by the clock, and verified by a process of their own.
  private func schedule(dataFolder: String) -> BackupSchedule? {
    guard let folder = backupFolder, let seconds = backupEvery.flatMap(Moment.seconds) else { return nil }
    let rootKeyFile = rootKeyFile
    return BackupSchedule(folder: Program.absolute(folder), seconds: seconds, keep: backupKeep) { backup in
      let place = LogPlace(dataFolder: dataFolder, backup: backup, rootKeyFile: rootKeyFile)
      let outcome = try await VerificationChild(place: place, patience: 300, isSilent: true).run()
      guard outcome.isHealthy else {
        let first = outcome.json["problems"]?.arrayValue?.first?.cell("description") ?? "it is damaged"
        throw BackupProblem("The backup \(backup) isn't whole: \(first)")
      }
    }
  }

  private func address(_ text: String, option: String) throws -> (host: String, port: Int)? {
    text == "none" ? nil : try Self.address(text, of: option, example: "127.0.0.1:7717, or none")
  }

  private func postgresAddress() throws -> (host: String, port: Int)? {
    try postgresListen.map { try Self.address($0, of: "--postgres-listen", example: "127.0.0.1:7719") }
  }

  private static func address(
    _ text: String, of option: String, example: String
  ) throws -> (host: String, port: Int) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port)
    else { throw ValidationError("\(option) must be HOST:PORT, such as \(example).") }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else {
      throw ValidationError("\(option) must name a host; 0.0.0.0 stands for every address.")
    }
    return (String(host), port)
  }

  private static func isSlug(_ text: String) -> Bool {
    (1...100).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
          UInt8(ascii: "_"):
          true
        default: false
        }
      }
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
