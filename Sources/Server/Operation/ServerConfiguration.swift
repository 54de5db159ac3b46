import BasicTypes
import Catalog
import Domain
import EventLog
import Failpoints
import Logging
import NIOCore

/// Everything that a server is started with.
public struct ServerConfiguration: Sendable {
  /// A certificate chain and its key, as PEM files.
  public struct TLSFiles: Sendable, Equatable {
    /// The chain, the server's own certificate first.
    public var certificate: String
    /// The private key.
    public var key: String

    /// The files of a certificate chain and a key.
    public init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// How lines for people and programs look.
  public enum LogFormat: String, Sendable, CaseIterable {
    /// One readable line.
    case text
    /// One JSON object a line.
    case json
  }

  /// The data folder: log, keys, private PostgreSQL, socket.
  public var dataFolder: String
  /// The TCP address, host and port; nil for none. Port 0 takes a free one.
  public var listen: (host: String, port: Int)? = ("127.0.0.1", 7717)
  /// The address for HTTP, host and port; nil for none. Port 0 takes a free one.
  public var http: (host: String, port: Int)?
  /// Whether the server starts without HTTP where another program has that address, and says so in its log.
  public var isHTTPOptional = false
  /// Where events of OpenLineage are posted over HTTP; batches of them at `/batch` below it.
  public var openLineagePath = "/api/v1/lineage"
  /// Who is told metrics over HTTP without a token.
  public var metricsAccess = MetricsAccess.local
  /// The file of the token that lets a monitor read metrics; nil for none.
  public var metricsTokenFile: String?
  /// The commit that the program was built from, as metrics tell it; empty in a development build.
  public var commit = ""
  /// The Unix socket's path; nil for `daybook.sock` in the data folder.
  public var socketPath: String?
  /// The certificate for TCP; nil for none.
  public var tls: TLSFiles?
  /// Whether TCP beyond loopback is allowed without TLS.
  public var isInsecure = false
  /// The user ids, besides the server's own and root, that are local administrators on the Unix socket.
  public var allowedUserIDs: Set<UInt32> = []
  /// The file of the root key; nil for the one beside the data folder.
  public var rootKeyFile: String?
  /// The folder below which administrators on TCP may have backups and exports of keys written; nil for none.
  public var backupFolder: String?
  /// How backups are made by the clock; nil for not at all.
  public var backups: BackupSchedule?
  /// Whose tokens sign in; nil for nobody's.
  public var oidc: OIDCSettings?
  /// The PostgreSQL to use; nil for a private one in the data folder.
  public var postgres: PostgresSettings?
  /// The address, host and port, at which SQL roles reach the private PostgreSQL by TCP; nil for none. With ``tls``
  /// nothing goes unencrypted there.
  public var postgresListen: (host: String, port: Int)?
  /// The folder of the private PostgreSQL's socket; nil for one under /tmp.
  public var postgresSocketFolder: String?
  /// The folder of the resource types.
  public var catalogFolder: String
  /// The folder of the read models.
  public var projectionsFolder: String
  /// The slug of the organization for OpenLineage events of administrators who name none; nil for one that is made for
  /// them.
  public var reportOrganization: String?
  /// The longest line that is taken, in bytes.
  public var maximumLine = 4 << 20
  /// The longest line that is taken from a TCP client that hasn't signed in, in bytes.
  public var maximumUnsignedLine = 64 << 10
  /// A query that takes longer is told in the server's log.
  public var slowQuery = Duration.seconds(2)
  /// How many calls of one connection may be unanswered.
  public var maximumInFlight = 256
  /// How many bytes of answers one connection may hold for batches that aren't answered whole yet.
  public var maximumHeldAnswers = 8 << 20
  /// What all answers together may take that clients haven't taken yet.
  var answerMemory = AnswerMemory.Limits()
  /// How many bytes of lines and bodies may be held, but for 64 KiB of each connection.
  var bodyMemory = 256 << 20
  /// How many connections may be open.
  public var maximumConnections = 4096
  /// How long a TCP client may take to sign in, whatever it asks meanwhile.
  public var signInTimeout = TimeAmount.seconds(60)
  /// How long a request over HTTP may take to come, from its first byte to its last.
  public var requestTimeout = TimeAmount.seconds(60)
  /// How long a connection over HTTP is kept on which no request comes.
  public var idleTimeout = TimeAmount.minutes(5)
  /// How long a stop waits for calls in flight.
  public var stopTimeout = TimeAmount.seconds(4)
  /// Why the machine's clock is right as it stands, to be recorded at the start before anything else: for a clock that
  /// keeps the server from starting. Nil confirms nothing.
  public var confirmedClock: String?
  /// Of how many days a demonstration tells, which end with the last midnight: the log then goes by the time that
  /// `clock.tell` says. Nil for a server of what happens.
  public var demoDays: Int?
  /// Whether the log is a demonstration's, as the server finds it when it starts.
  var isDemonstration = false
  /// Whether a log is opened that has events, but of which nothing signed says any more where it ends. It is recorded.
  public var acceptsMissingHead = false
  /// How often it is looked for what falls due by the clock: alerts to escalate, files to expire.
  public var timedWorkInterval = Duration.seconds(15)
  /// Whether a start, a stop, reads of personal data and refused calls are recorded as events.
  package var recordsAccess = true
  /// How often it is looked for reads and refused calls that are to be recorded.
  package var accessRecordInterval = Duration.seconds(1)
  /// How much of them is told apart within an hour.
  package var accessLimits = AccessLedger.Limits()
  /// Threads that serve sockets.
  public var eventLoopThreads = 2
  /// How the ready line and the log on standard error look.
  public var logFormat = LogFormat.text
  /// The file that the server's log is appended to; nil for standard error.
  public var logFile: String?
  /// What is logged at least.
  public var logLevel = Logger.Level.info
  /// Bytes of address space that the log begins with; doubled whenever it is full.
  public var mapSize = 1 << 30
  /// Gets the ready line, once; by default it goes to standard output.
  public var announce: @Sendable (String) -> Void = { StandardStream.output.write($0 + "\n") }

  /// How the catalog is read; tests that start many servers read the project's own once.
  package var loadCatalog: @Sendable (_ folder: String) throws -> Catalog = {
    try Catalog.load(folder: $0, knownBehaviours: CommandEngine.knownBehaviours)
  }

  /// Where tests make a change of stored data fail, or end the process: what `DAYBOOK_FAILPOINT` says.
  package var failpoints = Failpoints.none

  /// The time of events, and by which keys and tokens expire; tests have their own, which is watched for jumps only
  /// where they give an ``uptime`` too.
  var clock: @Sendable () -> Timestamp = { .now } {
    didSet { uptime = { nil } }
  }
  /// Microseconds since the machine's start, whatever the clock is set to; while it is nil no jump is watched for.
  var uptime: @Sendable () -> Int64? = EventLogConfiguration.systemUptime

  /// A configuration with the defaults.
  public init(dataFolder: String, catalogFolder: String, projectionsFolder: String) {
    self.dataFolder = dataFolder
    self.catalogFolder = catalogFolder
    self.projectionsFolder = projectionsFolder
  }
}

/// A PostgreSQL that the operator runs, and how many connections it may be asked for.
public struct PostgresSettings: Sendable, Equatable {
  /// The connection URL (`postgresql://…`).
  public var url: String
  /// Connections for queries that are kept open.
  public var poolSize: Int
  /// Connections for queries beyond that, at busy times.
  public var maximumOverflow: Int
  /// How long a query waits for a connection, in seconds.
  public var poolTimeoutSeconds: Int

  /// A PostgreSQL at that URL.
  public init(url: String, poolSize: Int = 5, maximumOverflow: Int = 10, poolTimeoutSeconds: Int = 30) {
    self.url = url
    self.poolSize = poolSize
    self.maximumOverflow = maximumOverflow
    self.poolTimeoutSeconds = poolTimeoutSeconds
  }

  /// What the environment says: `DATABASE_URL`, `DB_POOL_SIZE`, `DB_MAX_OVERFLOW`, `DB_POOL_TIMEOUT`, as the platforms
  /// know them; nil without a URL. A URL given by `url` comes before the environment's.
  /// - Throws: ``ServerStartError`` for a URL of anything but PostgreSQL, and for numbers that aren't.
  public static func from(
    environment: [String: String], url: String? = nil
  ) throws(ServerStartError) -> PostgresSettings? {
    guard let url = url ?? environment["DATABASE_URL"], !url.isEmpty else { return nil }
    guard url.hasPrefix("postgresql://") || url.hasPrefix("postgres://") else {
      throw ServerStartError("A database URL must begin with postgresql://; other databases are not known here.")
    }
    var settings = PostgresSettings(url: url)
    settings.poolSize = try number("DB_POOL_SIZE", environment, 1...1000) ?? settings.poolSize
    settings.maximumOverflow = try number("DB_MAX_OVERFLOW", environment, 0...1000) ?? settings.maximumOverflow
    settings.poolTimeoutSeconds = try number("DB_POOL_TIMEOUT", environment, 1...3600) ?? settings.poolTimeoutSeconds
    return settings
  }

  /// A connection URL as it may be shown to others.
  package static func withoutPassword(_ url: String) -> String {
    guard let scheme = url.firstRange(of: "://") else { return "" }
    var parts = url[scheme.upperBound...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    if let at = parts[0].lastIndex(of: "@"), let colon = parts[0][..<at].firstIndex(of: ":") {
      parts[0] = parts[0][..<colon] + parts[0][at...]
    }
    if parts.count == 2 {
      let shown = parts[1].split(separator: "&").filter { !$0.lowercased().contains("password=") }
      parts[1] = shown.joined(separator: "&")[...]
    }
    return url[..<scheme.upperBound] + parts.joined(separator: "?")
  }

  /// A connection URL that names nobody, for whoever has a name and a password.
  package static func withoutUser(_ url: String) -> String {
    guard let scheme = url.firstRange(of: "://") else { return "" }
    let rest = url[scheme.upperBound...]
    let host = rest.firstIndex { "/?".contains($0) } ?? rest.endIndex
    guard let at = rest[..<host].lastIndex(of: "@") else { return url }
    return String(url[..<scheme.upperBound] + rest[rest.index(after: at)...])
  }

  /// A URL that ``withoutUser(_:)`` has left, with a name in it.
  package static func url(_ url: String, for user: String) -> String {
    guard let scheme = url.firstRange(of: "://") else { return url }
    return String(url[..<scheme.upperBound] + user + "@" + url[scheme.upperBound...])
  }

  private static func number(
    _ name: String, _ environment: [String: String], _ range: ClosedRange<Int>
  ) throws(ServerStartError) -> Int? {
    guard let text = environment[name], !text.isEmpty else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw ServerStartError("\(name) must be a number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }
}

/// Why a server can't start: a sentence that says what to do.
public struct ServerStartError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The sentence.
  public let message: String

  /// An error told by that sentence.
  public init(_ message: String) {
    self.message = message
  }

  /// The sentence.
  public var description: String { message }
}
