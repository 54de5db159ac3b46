import CPostgres
import Glibc
import Logging

/// One connection to PostgreSQL, used synchronously on its own thread: what
/// ``PostgresConnection/withSession(timeout:_:)`` lends. Every call blocks until the server has answered, the call is
/// cancelled, or its deadline has passed.
public final class PostgresSession {
  /// What the owner may know of a session without being on its thread.
  struct Status: Sendable {
    var isOpen = false
    var isInTransaction = false
  }

  private var connection: OpaquePointer?
  private var cancelHandle: OpaquePointer?
  private let interruption: Interruption
  private let notices: NoticeLog?
  private let report: @Sendable (Status) -> Void
  /// The instant, in nanoseconds of the monotonic clock, at which the call under way must be over.
  private var deadline: UInt64?
  /// The instant at which a server that was asked to cancel must have answered.
  private var givesUpAt: UInt64?
  /// While true, neither cancellation nor the caller's deadline is looked at: a rollback must go through.
  private var isShielded = false
  /// Why the server was asked to cancel the statement under way.
  private(set) var interruptionReason: PostgresError.Code?
  var statements = StatementCache(capacity: 256)

  /// How long a server may take to answer a cancellation or a rollback before the connection is given up.
  private static let grace: UInt64 = 10_000_000_000

  /// Connects; blocks until that succeeds or fails.
  init(
    conninfo: String, applicationName: String, timeoutSeconds: Int, interruption: Interruption, logger: Logger?,
    report: @escaping @Sendable (Status) -> Void
  ) throws(PostgresError) {
    self.interruption = interruption
    self.report = report
    notices = logger.map { NoticeLog($0) }
    let opened = try Self.open(conninfo, applicationName, timeoutSeconds)
    connection = opened
    cancelHandle = PQgetCancel(opened)
    // Without a receiver of our own, libpq writes notices to standard error.
    PQsetNoticeReceiver(
      opened,
      { argument, result in
        guard let argument, let result else { return }
        Unmanaged<NoticeLog>.fromOpaque(argument).takeUnretainedValue().log(result)
      }, notices.map { Unmanaged.passUnretained($0).toOpaque() })
    report(Status(isOpen: true))
    // The forms in which values are read and written here must not depend on a server's or role's own settings.
    try execute("SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET standard_conforming_strings = on")
  }

  deinit { close() }

  /// Whether the connection stands, as far as is known.
  public var isOpen: Bool { connection != nil }

  /// Whether a transaction is open, failed or not.
  public var isInTransaction: Bool { transactionStatus != PQTRANS_IDLE && isOpen }

  var transactionStatus: PGTransactionStatusType { PQtransactionStatus(connection) }

  /// The server's version, such as 150018 for 15.18; 0 when closed.
  public var serverVersion: Int { Int(PQserverVersion(connection)) }

  /// Ends the connection; harmless when it is closed already.
  func close() {
    if let cancelHandle { PQfreeCancel(cancelHandle) }
    if let connection { PQfinish(connection) }
    cancelHandle = nil
    connection = nil
    report(Status())
  }

  /// Whether an idle connection still has a server at its other end: looks at what has come in, sends nothing.
  func isAlive() -> Bool {
    guard let connection else { return false }
    var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
    // First what the server said, such as why it ends the connection; then, if it did, the end itself.
    while poll(&descriptor, 1, 0) > 0 {
      guard PQconsumeInput(connection) == 1, PQisBusy(connection) == 0, PQstatus(connection) == CONNECTION_OK else {
        close()
        return false
      }
    }
    return true
  }

  // MARK: For the calls in the extensions

  /// Runs a body whose calls end when the deadline passes.
  func withDeadline<R>(_ timeout: Duration?, _ body: () throws -> R) rethrows -> R {
    deadline = timeout.map {
      Self.now() &+ UInt64(clamping: $0.components.seconds) &* 1_000_000_000
        &+ UInt64(clamping: $0.components.attoseconds / 1_000_000_000)
    }
    defer {
      deadline = nil
      interruptionReason = nil
      report(Status(isOpen: isOpen, isInTransaction: isInTransaction))
    }
    return try body()
  }

  /// Runs a body whose calls go through although the caller is cancelled or late, but not for longer than the grace.
  func shielded<R>(_ body: () throws -> R) rethrows -> R {
    let (outerShield, outerDeadline) = (isShielded, deadline)
    (isShielded, deadline) = (true, Self.now() &+ Self.grace)
    defer { (isShielded, deadline) = (outerShield, outerDeadline) }
    return try body()
  }

  /// The handle, if the connection stands and the caller may still begin something.
  func handle() throws(PostgresError) -> OpaquePointer {
    guard let connection else { throw .closed }
    if let reason = reasonToInterrupt() {
      throw PostgresError(
        reason, message: "\(reason == .timeout ? "timed out" : "cancelled") before the statement was sent")
    }
    interruptionReason = nil
    givesUpAt = nil
    return connection
  }

  /// The handle, if the connection stands, for ending what is under way.
  func handleUnchecked() throws(PostgresError) -> OpaquePointer {
    guard let connection else { throw .closed }
    return connection
  }

  /// The next result of what was sent, nil after the last.
  func nextResult() throws(PostgresError) -> OpaquePointer? {
    guard let connection else { throw .closed }
    while PQisBusy(connection) != 0 { try waitForInput(connection) }
    return PQgetResult(connection)
  }

  /// What to throw for a result that reports an error; frees it.
  func failure(_ result: OpaquePointer) -> PostgresError {
    defer { PQclear(result) }
    guard PQresultErrorField(result, CInt(UInt8(ascii: "C"))) != nil else { return localFailure() }
    let report = ServerReport(result)
    // After a report of these severities the server closes the connection.
    let lost = PQstatus(connection) == CONNECTION_BAD || report.severity == "FATAL" || report.severity == "PANIC"
    if lost { close() }
    return PostgresError(report, lost: lost, interruption: interruptionReason)
  }

  /// What to throw when libpq itself refused or failed, with no report from the server.
  func localFailure() -> PostgresError {
    guard let connection else { return .closed }
    let text = Self.message(of: connection)
    guard PQstatus(connection) == CONNECTION_BAD else { return PostgresError(.protocolViolation, message: text) }
    close()
    return PostgresError(.connectionLost, message: text)
  }

  /// Why the call under way should end now.
  func reasonToInterrupt() -> PostgresError.Code? {
    if !isShielded, interruption.isRequested { return .cancelled }
    if let deadline, Self.now() >= deadline { return .timeout }
    return nil
  }

  /// SQL as libpq takes it: a C string, which U+0000 would cut short.
  func checkText(_ sql: String) throws(PostgresError) {
    if sql.utf8.contains(0) { throw PostgresError(.protocolViolation, message: "the SQL text holds U+0000") }
  }

  /// Blocks until something has come in. When the caller is cancelled or late, asks the server once to cancel, and
  /// gives the connection up if even that isn't answered.
  private func waitForInput(_ connection: OpaquePointer) throws(PostgresError) {
    if interruptionReason == nil, let reason = reasonToInterrupt() {
      interruptionReason = reason
      cancelOnServer()
      givesUpAt = Self.now() &+ Self.grace
    } else if let givesUpAt, Self.now() >= givesUpAt {
      close()
      throw PostgresError(
        .connectionLost, message: "the server didn't answer a cancellation; the connection was given up")
    }
    var descriptors = [
      pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0),
      pollfd(fd: interruption.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    let watched: nfds_t = interruptionReason == nil && !isShielded ? 2 : 1
    // One millisecond more than is left, since the wait is rounded down.
    let now = Self.now()
    let wait = (givesUpAt ?? deadline).map { CInt(clamping: ($0 > now ? ($0 - now) / 1_000_000 : 0) + 1) } ?? -1
    guard poll(&descriptors, watched, wait) >= 0 || errno == EINTR else {
      close()
      throw PostgresError(.connectionLost, message: "poll failed: \(String(cString: strerror(errno)))")
    }
    if descriptors[0].revents != 0, PQconsumeInput(connection) == 0 {
      // What the server said last, such as that it is shutting down, may still be among the results.
      if PQisBusy(connection) != 0 { throw localFailure() }
    }
  }

  private func cancelOnServer() {
    guard let cancelHandle else { return }
    var message = [CChar](repeating: 0, count: 256)
    // If the request can't be delivered, the server doesn't answer within the grace and the connection is given up.
    _ = PQcancel(cancelHandle, &message, CInt(message.count))
  }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  // MARK: Connecting

  private static func open(
    _ conninfo: String, _ applicationName: String, _ timeoutSeconds: Int
  ) throws(PostgresError) -> OpaquePointer {
    try checkConninfo(conninfo)
    // What stands after dbname overrides what the connection string says.
    let settings: [(String, String)] = [
      ("dbname", conninfo), ("application_name", applicationName), ("client_encoding", "UTF8"),
      ("connect_timeout", String(max(2, timeoutSeconds))),
    ]
    var keywords = settings.map { UnsafePointer(strdup($0.0)) } + [nil]
    var values = settings.map { UnsafePointer(strdup($0.1)) } + [nil]
    defer { for text in keywords + values { free(UnsafeMutablePointer(mutating: text)) } }
    let begin = now()
    guard let connection = PQconnectdbParams(&keywords, &values, 1) else {
      throw PostgresError(.connectionFailed, message: "out of memory")
    }
    guard PQstatus(connection) == CONNECTION_OK else {
      defer { PQfinish(connection) }
      let needsPassword = PQconnectionNeedsPassword(connection) != 0
      // libpq tells no SQLSTATE of a connection that failed, but by asking once more. Who kept silent isn't asked.
      let isRefused = now() &- begin < 1_000_000_000 && PQpingParams(&keywords, &values, 1) == PQPING_REJECT
      throw PostgresError(
        .connectionFailed, sqlState: isRefused ? PostgresError.cannotConnectNow : nil, message: message(of: connection),
        isRetryable: !needsPassword)
    }
    return connection
  }

  /// Refuses what libpq would complain about by quoting it: a password that isn't
  /// percent-encoded ends up in the host or port.
  private static func checkConninfo(_ conninfo: String) throws(PostgresError) {
    let problem = PostgresError(
      .connectionFailed,
      message:
        "the connection string can't be read (is the password percent-encoded?); it isn't quoted here, since it may "
        + "hold a password", isRetryable: false)
    guard !conninfo.utf8.contains(0), let options = PQconninfoParse(conninfo, nil) else { throw problem }
    defer { PQconninfoFree(options) }
    var option = options
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val.map({ String(cString: $0) }) {
        let name = String(cString: keyword)
        if name == "port", !value.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2C }) { throw problem }
        if name == "host", value.contains("@"), !value.hasPrefix("/"), !value.hasPrefix("@") { throw problem }
      }
      option += 1
    }
  }

  /// libpq's last error message on one line.
  private static func message(of connection: OpaquePointer) -> String {
    guard let text = PQerrorMessage(connection) else { return "unknown failure" }
    let lines = String(cString: text).split(whereSeparator: \.isNewline).map { $0.drop { $0 == "\t" || $0 == " " } }
    return lines.isEmpty ? "the connection was lost" : lines.joined(separator: "; ")
  }
}

/// Writes what the server notes besides its answers to a log, at debug level, without values.
final class NoticeLog {
  private let logger: Logger

  init(_ logger: Logger) { self.logger = logger }

  func log(_ result: OpaquePointer) {
    logger.debug("PostgreSQL: \(ServerReport(result).sentence)")
  }
}
