import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Dispatch
import Domain
import EventLog
import FoundationEssentials
import Logging
import NIOConcurrencyHelpers
import Projections
import Protocol
import Queries
import Refusals
import Vault
import Waiting

/// What every connection works with.
final class Services: Sendable {
  let configuration: ServerConfiguration
  let catalog: Catalog
  let log: EventLog
  let vault: Vault
  let engine: CommandEngine
  let queries: QueryEngine
  let projections: ProjectionService
  /// Who checks the tokens that people sign in with; nil where none are taken.
  let tokens: TokenVerifier?
  let methods: MethodTable
  let logger: Logger
  /// Where the log goes; nil in tests that have their own.
  let logOutput: LogOutput?
  let metrics: ServerMetrics
  /// How what is done by the clock comes along.
  let timers = TimerBoard()
  /// How backups went.
  let backupBoard = BackupBoard()
  /// The token that monitors read metrics by; nil for none.
  let scrapeToken: ScrapeToken?
  /// What an operator is told of clients.
  let notices: ClientNotices
  let signInGuard = SignInGuard()
  /// What was read and refused since the last record; nil where that isn't recorded.
  let accesses: AccessLedger?
  /// Who has it recorded.
  let recorder: AccessRecorder
  let lineWorkers = LineWorkers()
  /// Where queries run, and what a command needs beforehand: by tenants' turns.
  let queryWorkers = FairWorkers(
    label: "daybook.queries", processors: ProcessInfo.processInfo.activeProcessorCount)
  let connections: ConnectionRegistry
  let answers: AnswerMemory
  /// The memory of long lines and bodies.
  let bodies: BodyMemory
  /// Who makes backups by the clock; nil where nobody does.
  var backups: ScheduledBackups? { scheduledBackups.withLockedValue { $0 } }
  private let scheduledBackups = NIOLockedValueBox<ScheduledBackups?>(nil)
  /// Where clients reach the server, once it listens.
  let addresses = NIOLockedValueBox<[String]>([])
  let startedAt = Timestamp.now
  let startedNanoseconds = DispatchTime.now().uptimeNanoseconds
  private let document = NIOLockedValueBox<[UInt8]?>(nil)

  /// - Parameters:
  ///   - places: How many connections there may be; nil for as many as are configured.
  ///   - scrapeToken: The token that monitors read metrics by.
  init(
    configuration: ServerConfiguration, catalog: Catalog, log: EventLog, vault: Vault, engine: CommandEngine,
    queries: QueryEngine, projections: ProjectionService, tokens: TokenVerifier? = nil,
    scrapeToken: ScrapeToken? = nil, places: Int? = nil, logger: Logger, logOutput: LogOutput? = nil
  ) {
    self.logOutput = logOutput
    notices = ClientNotices(logger: logger)
    self.configuration = configuration
    self.catalog = catalog
    self.log = log
    self.vault = vault
    self.engine = engine
    self.queries = queries
    self.projections = projections
    self.tokens = tokens
    self.scrapeToken = scrapeToken
    self.logger = logger
    let ledger = AccessLedger(limits: configuration.accessLimits, clock: configuration.clock)
    accesses = configuration.recordsAccess ? ledger : nil
    recorder = AccessRecorder(engine: engine, vault: vault, ledger: ledger, logger: logger)
    answers = AnswerMemory(limits: configuration.answerMemory)
    bodies = BodyMemory(limit: configuration.bodyMemory)
    connections = ConnectionRegistry(limit: places ?? configuration.maximumConnections)
    defer {
      if let schedule = configuration.backups {
        let backups = ScheduledBackups(schedule, services: self)
        scheduledBackups.withLockedValue { $0 = backups }
      }
    }
    methods = MethodTable(commands: engine.methods, queries: queries.methods, server: ServerMethod.all)
    metrics = ServerMetrics(methods: methods.count)
  }

  /// The document of `rpc.discover`, written once.
  func discovery() -> [UInt8] {
    document.withLockedValue { document in
      if let document { return document }
      let discovery = Discovery(catalog: catalog, methods: methods.signatures)
      let bytes = JSON.object(discovery.document).canonicalBytes
      document = bytes
      return bytes
    }
  }

  /// What a client is told of an error: the one place where errors become answers.
  ///
  /// What nobody foresaw is told as `internal`, and our own log gets its kind, but
  /// none of its words, which may hold values.
  ///
  /// Where files lie on this host is nobody's business but the operator's: the log names them, an answer doesn't.
  func describe(_ error: any Error, method: String) -> Refusal {
    let refusal = refusal(error, method: method)
    return refusal.code == .unavailable
      ? Refusal(refusal.code, Self.withoutPaths(refusal.message), refusal.data) : refusal
  }

  /// A sentence in which a few words stand for every absolute path.
  static func withoutPaths(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "/")) else { return text }
    var shown: [Substring] = []
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
      let start = word.firstIndex { !"\"'`(".contains($0) }
      guard let start, word[start] == "/", word[start...].dropFirst().contains(where: \.isLetter) else {
        shown.append(word)
        continue
      }
      let end = word[start...].lastIndex { !"\"'`),.:;".contains($0) } ?? start
      shown.append(word[..<start] + "(a file of the server)" + word[word.index(after: end)...])
    }
    return shown.joined(separator: " ")
  }

  private func refusal(_ error: any Error, method: String) -> Refusal {
    switch error {
    case let error as Refusal:
      if error.code == .internal { logInternal(error.message, method) }
      return error
    case let error as EventLogError where error.code == .overloaded:
      return .overloaded(retryAfterMilliseconds: 100)
    case let error as EventLogError where error.code == .unusable:
      return .invalidParams([(path: "", problem: error.message)])
    case let error as EventLogError:
      if error.code != .closed { logger.error("the log refused", metadata: ["error": "\(error.message)"]) }
      return .unavailable(component: "log", error.message)
    case let error as VaultError:
      logger.error("the vault refused", metadata: ["error": "\(error.message)"])
      return .unavailable(component: "vault", error.message)
    case let error as ProjectionError:
      return Refusal(error)
    case is CancellationError:
      return .unavailable(component: "server", "The connection or the server is closing.")
    default:
      logInternal(String(describing: type(of: error)), method)
      return .internalError("Something went wrong inside the server; its log says more.")
    }
  }

  private func logInternal(_ what: String, _ method: String) {
    logger.error("a call failed inside the server", metadata: ["method": "\(method)", "error": "\(what)"])
  }
}
