import BasicTypes
import Dispatch
import Files
import LMDB
import Logging
import MerkleTree
import Metrics
import NIOConcurrencyHelpers

/// The append-only log of events, in an LMDB environment: the one source of truth.
///
/// What callers may rely on: a decision's completion runs after its events are synced to
/// disk; positions are 1, 2, 3 … without a gap; decisions are made one after the other,
/// each seeing all before it; every event is a leaf of the RFC 6962 tree by then.
public final class EventLog: Sendable {
  /// A decision's value, and the head of the log after the commit that made it durable.
  public struct Committed<Value: Sendable>: Sendable {
    /// What the decision returned.
    public let value: Value
    /// The last position of that commit.
    public let position: UInt64
  }

  /// What it was opened with.
  public let configuration: EventLogConfiguration
  private let environment: Environment
  private let databases: Databases
  private let journal: Journal
  private let inbox: Inbox
  private let writer: Writer
  private let waiters: HeadWaiters
  private let headKeeper: HeadKeeper?
  private let headSigner: HeadSigner?
  private let threads: NIOLockedValueBox<[DedicatedThread]>
  private let lock: FolderLock?
  private let readers = DispatchQueue(label: "daybook.log.readers", attributes: .concurrent)
  private let maintenance: Maintenance
  private let defaults = NIOLockedValueBox(StateDefaults())

  /// Opens the log, making it when there is none.
  ///
  /// Throws ``EventLogError`` `locked` where another process has it (by name), `damaged` where a signed head says more
  /// than the log holds or something else, `headMissing` where the log has events and nothing signed says where it
  /// ends, `unusable` where the folder can't be used.
  public static func open(_ configuration: EventLogConfiguration) throws -> EventLog {
    try EventLog(configuration)
  }

  private init(_ configuration: EventLogConfiguration) throws {
    self.configuration = configuration
    try FileSystem.makeDurableFolder(configuration.folder)
    lock = try configuration.lockFile.map { try FolderLock(path: $0) }
    if lock != nil {
      try EventLogReindexer.removeLeftovers(of: configuration.folder)
      try UnbornLog.clear(configuration)
    }
    var options = Environment.Options()
    options.mapSize = configuration.mapSize
    let environment: Environment
    let databases: Databases
    let opening: Journal.Opening
    do {
      if lock != nil { try UnbornLog.make(configuration, options) }
      environment = try EventLog.openEnvironment(configuration.folder, options)
      try FileSystem.syncFolder(configuration.folder)
      try environment.clearDeadReaders()
      databases = try Databases(environment)
      try EventLog.checkFormat(environment, databases)
      opening = try Journal.open(configuration, environment, databases)
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
    let stored = opening.head
    let news = NIOLockedValueBox<(@Sendable () -> Void)?>(nil)
    let journal = Journal(opening, configuration: configuration, environment: environment, databases: databases) {
      news.withLockedValue { $0 }?()
    }
    let tiles = try LogSnapshot(journal.view(), databases, StateDefaults()).tiles()
    let signed = try HeadCheck(configuration: configuration, stored: stored) { size in
      try LogSnapshot(journal.view(), databases, StateDefaults()).root(size: size)
    }.run()
    self.environment = environment
    self.databases = databases
    self.journal = journal
    let published = NIOLockedValueBox(Writer.published(stored))
    let signer = configuration.signHead.map { HeadSigner(after: signed?.newest?.statement, $0) }
    headSigner = signer
    let keeper = configuration.headFile.flatMap { file in
      signer.map { signer in
        // What is beside the log never says more than LMDB's pages, which others may look at.
        HeadKeeper(file: file, vault: configuration.vaultHead, signer: signer, logger: configuration.logger) {
          Writer.published(journal.headInPages)
        }
      }
    }
    headKeeper = keeper
    try keeper?.start(signed)
    let waiters = HeadWaiters(head: stored.frontier.size)
    self.waiters = waiters
    inbox = Inbox(limit: configuration.inboxLimit, head: stored.frontier.size)
    writer = Writer(
      environment: environment, databases: databases, journal: journal, configuration: configuration, inbox: inbox,
      head: stored, tiles: tiles, published: published, defaults: defaults
    ) { head in
      waiters.advance(to: head.position)
    }
    news.withLockedValue { $0 = { keeper?.headHasChanged() } }
    threads = NIOLockedValueBox([])
    maintenance = Maintenance(file: configuration.folder + "/data.mdb", environment: environment)
    let writer = writer
    var started = [try DedicatedThread { writer.run() }, try DedicatedThread { journal.run() }]
    if let keeper { started.append(try DedicatedThread { keeper.run() }) }
    threads.withLockedValue { $0 = started }
  }

  private static func openEnvironment(_ folder: String, _ options: Environment.Options) throws -> Environment {
    let environment = try Environment(folder: folder, options: options)
    // The map must be larger than what is in it already.
    let needed = try Self.bytes(ofPagesIn: environment)
    var size = options.mapSize
    while size < needed * 2 { size *= 2 }
    if size != options.mapSize { try environment.resize(to: size) }
    return environment
  }

  /// How many bytes the pages take that the file says it has.
  /// - Throws: ``EventLogError`` where no file has so many.
  static func bytes(ofPagesIn environment: Environment) throws -> Int {
    let last = environment.lastPage
    guard last < 1 << 40 else { throw EventLogError.damaged("the file names \(last) as its last page") }
    return (Int(last) + 1) * environment.pageSize
  }

  static func checkFormat(_ environment: Environment, _ databases: Databases) throws {
    let key = Key.meta("format")
    let found = try environment.read { try $0.value(databases.meta, key) }
    if let found {
      let format = LogFormat.read(found)?.format
      guard format == .current else {
        let next =
          format == nil
          ? "It was written by a later program, or the mark is damaged."
          : "A start of the server brings it over (so does daybook reindex); nothing was changed."
        throw EventLogError(
          .unusable,
          "The log is of format \(String(decoding: found.prefix(40), as: UTF8.self)); this program reads "
            + "\(LogFormat.current.rawValue). \(next)")
      }
      return
    }
    let transaction = try environment.beginWrite()
    try transaction.put(databases.meta, key, LogFormat.current.mark(withJournal: false))
    try transaction.commit()
  }

  /// What states have besides what their events have set. Reads and decisions that begin later see what is set here;
  /// set it before any that depends on it.
  public var stateDefaults: StateDefaults {
    get { defaults.withLockedValue { $0 } }
    set { defaults.withLockedValue { $0 = newValue } }
  }

  /// The head after the last commit; cheap.
  public var head: LogHead { writer.currentHead }

  /// The head as it is now, and the note that the log's key has signed for it; nil where the log has no key. See
  /// `HeadSigner` for what it never signs.
  /// - Throws: ``EventLogError`` `damaged` where the key has signed what contradicts it; what signing throws.
  public func signedHead() throws -> (head: LogHead, note: String)? {
    try headSigner?.newest { head }
  }

  /// A note for the head of a copy of this log, which may have grown since; nil where the log has no key.
  /// - Throws: as ``signedHead()``, and where the log can't be read.
  func signature(ofCopyAt head: LogHead) throws -> String? {
    guard let headSigner else { return nil }
    return try headSigner.sign(head, provenBy: try read { try $0.root(size: head.position) })
  }

  /// What the clock says, and what the log makes of it; cheap.
  public var clock: ClockReading { writer.currentClock }

  /// The story that may be told; nil where none may.
  public var story: StoryClock? { configuration.story }

  /// Goes on from what is recorded of the clock; to be called before anything is committed. Without it, an event that
  /// was written while the clock was confirmed but behind it keeps others from being written after a new start.
  /// - Parameters:
  ///   - isDoubted: Whether the clock was ahead when it was last recorded: a stop doesn't explain that away.
  ///   - overtaken: The time of the last event when a clock was confirmed that was behind it.
  public func resumeClock(isDoubted: Bool, overtaken: Timestamp?) throws {
    var lastClock: Timestamp?
    // What a doubted clock said explains nothing.
    if !isDoubted, let record = try read({ try $0.record(at: $0.head.position) }) {
      lastClock = try record.parsedBody().clock
    }
    writer.resumeClock(lastClock: lastClock, isDoubted: isDoubted, overtaken: overtaken)
  }

  /// What the writer has done since it started.
  public var statistics: WriterStatistics { writer.currentStatistics }

  /// What the journal has done since the log was opened.
  public var journalStatistics: JournalStatistics { journal.statistics }

  /// How long commits took since the log was opened, each of a batch of commands.
  public var commitTimes: Histogram.Snapshot { writer.commitTimes.snapshot }
  /// How long the journal's records took to be on the disk since then, which is what commits mostly wait for.
  public var syncTimes: Histogram.Snapshot { journal.syncTimes.snapshot }
  /// How long it took since then to write what the journal holds to LMDB's pages.
  public var flushTimes: Histogram.Snapshot { journal.flushTimes.snapshot }

  /// Bytes of the log's file and of the journal's; nil for one that isn't there yet.
  public var fileSizes: (pages: UInt64?, journal: UInt64?) {
    (
      FileSystem.size(configuration.folder + "/data.mdb"), FileSystem.size(JournalRing.path(configuration.folder))
    )
  }

  /// Waits until LMDB's pages have all that is acknowledged by now: for those who read the log's file themselves. Not
  /// within ``read(_:)``.
  /// - Throws: ``EventLogError`` where they can't be written; the journal keeps what is acknowledged.
  public func flush() throws { try journal.flush() }

  /// Overwrites what the journal's file holds, once LMDB's pages have it: for what must not be kept in two places.
  /// Returns when that is on the disk. Waits for the writer, so not within a decision, a completion or ``read(_:)``.
  /// - Throws: ``EventLogError`` where it can't be written.
  public func wipeJournal() throws { try betweenBatches { try $0.wipe() } }

  /// Writes the log's file anew and overwrites the journal's, so that neither holds what was replaced or removed
  /// before: LMDB keeps that in pages that are free, and between the entries of others. Commands wait meanwhile.
  /// Returns when the new file is on the disk and in use. Not within a decision, a completion or ``read(_:)``.
  /// - Throws: ``EventLogError``: `locked` where another process reads the log, `diskFull`; the old file is in use
  ///   then.
  public func renewFile() throws {
    if let free = FileSystem.freeSpace(in: configuration.folder) {
      let size = try EventLog.bytes(ofPagesIn: environment)
      guard free > UInt64(size) else {
        throw EventLogError(
          .diskFull,
          "The log is written a second time before the old file goes, which takes about \(size) bytes, and the disk of "
            + "\(configuration.folder) has \(free) left. Free space; the server tries again by itself.")
      }
    }
    try EventLogReindexer.removeLeftovers(of: configuration.folder)
    do {
      try betweenBatches { try $0.renewPages() }
    } catch let error as LMDBError where error.isOpenAlready {
      throw EventLogError(
        .locked, "Another process reads the log, maybe daybook verify; the server tries again by itself.",
        underlying: error.code)
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
  }

  /// Does something with the journal on the writer's thread, between two batches: nothing is recorded meanwhile.
  private func betweenBatches(_ work: @escaping @Sendable (Journal) throws -> Void) throws {
    let outcome = NIOLockedValueBox<Result<Void, any Error>>(.success(()))
    let isDone = DispatchSemaphore(value: 0)
    let submission = Submission(
      source: nil, decide: { _ in },
      complete: { [journal] _, failure in
        let result = Result {
          if let failure { throw failure }
          try work(journal)
        }
        outcome.withLockedValue { $0 = result }
        isDone.signal()
      })
    if let refusal = inbox.put(submission) { throw refusal }
    isDone.wait()
    try outcome.withLockedValue { $0 }.get()
  }

  /// How many decisions wait for the writer now.
  public var backlog: Int { inbox.waitingCount }

  /// How many of them wait since their source has recorded more than the read models can take soon.
  public var heldBack: Int { inbox.heldCount }

  /// Tells how far the read models are, so that a source that records faster than they take waits for them while others
  /// record too. Where nobody ever tells, or nothing is told for ten seconds, nobody waits.
  /// - Parameter position: All of them have every event up to here.
  public func readModelsReached(_ position: UInt64) { inbox.posted(through: position) }

  /// Hands a decision to the writer, behind all that were handed in before.
  ///
  /// The decision runs on the writer's thread, maybe more than once (when the map must grow), so it must have no
  /// effects but through its transaction. The completion runs on the writer's thread after the sync: keep it short. A
  /// full inbox completes at once with ``EventLogError`` `overloaded`, on the caller's thread.
  ///
  /// - Parameter source: On whose behalf, where several share the log: each has a queue of its own, and they take turns
  ///   by the time that their decisions take. Decisions of one source are made in the order of the calls.
  public func submit<Value: Sendable>(
    for source: Identifier? = nil, _ decision: @escaping @Sendable (LogTransaction) throws -> Value,
    completion: @escaping @Sendable (Result<Committed<Value>, any Error>) -> Void
  ) {
    let box = ValueBox<Value>()
    let submission = Submission(
      source: source, decide: { transaction in box.value = try decision(transaction) },
      complete: { head, failure in
        if let failure {
          completion(.failure(failure is LMDBError ? EventLog.translate(failure) : failure))
        } else if let value = box.value {
          completion(.success(Committed(value: value, position: head)))
        } else {
          completion(.failure(EventLogError(.closed, "The decision was not made.")))
        }
      })
    if let refusal = inbox.put(submission) { completion(.failure(refusal)) }
  }

  private static func translate(_ failure: any Error) -> any Error {
    (failure as? LMDBError).map(EventLogError.storage) ?? failure
  }

  /// Tells the operator of an event that could not be recorded and that nobody waits for.
  /// - Parameter code: The kind of refusal or failure, which quotes no value.
  public func noteUnrecorded(_ event: String, _ code: String) {
    configuration.logger.error("an event could not be recorded", metadata: ["event": "\(event)", "cause": "\(code)"])
  }

  /// Tells the operator what was recorded of the clock, and how it is now.
  public func noteClock(_ event: String) {
    let reading = clock
    configuration.logger.warning(
      "the clock was recorded: \(event)",
      metadata: ["clock": "\(reading.clock)", "problem": "\(reading.problem ?? "none: it is right again")"])
  }

  /// Hands a decision to the writer and waits for its fate.
  public func commit<Value: Sendable>(
    for source: Identifier? = nil, _ decision: @escaping @Sendable (LogTransaction) throws -> Value
  ) async throws -> Committed<Value> {
    try await withCheckedThrowingContinuation { continuation in
      submit(for: source, decision) { continuation.resume(with: $0) }
    }
  }

  /// Lends a fixed state of the log to a closure, on the calling thread; keep it short, and never wait inside.
  public func read<Value>(_ body: (borrowing LogSnapshot) throws -> Value) throws -> Value {
    do {
      let snapshot = try LogSnapshot(journal.view(), databases, stateDefaults)
      return try body(snapshot)
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
  }

  /// Lends a fixed state of the log to a closure on a reader thread; for use from async code.
  public func background<Value: Sendable>(
    _ body: @escaping @Sendable (borrowing LogSnapshot) throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      readers.async { continuation.resume(with: Result { try self.read(body) }) }
    }
  }

  /// Records from a position on, at most so many and, after the first, at most so many bytes; empty beyond the head.
  public func records(from position: UInt64, limit: Int, maximumBytes: Int) async throws -> [LogRecord] {
    try await background { try $0.records(from: position, limit: limit, maximumBytes: maximumBytes) }
  }

  /// Waits until the head is beyond a position, and answers it. Throws when the task is cancelled or the log closes.
  public func waitForEvents(after position: UInt64) async throws -> UInt64 {
    try await waiters.wait(after: position)
  }

  /// Frees the reader slots of processes that died, so that they don't pin old pages.
  public func clearDeadReaders() throws {
    do { try environment.clearDeadReaders() } catch { throw EventLogError.storage(error) }
  }

  /// Copies the log as it is now into an empty folder while writes go on. Keys are not part of it.
  func copyEnvironment(to folder: String) throws {
    try journal.flush()
    do {
      try environment.copy(to: folder)
      try Journal.takeLeave(in: folder)
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
  }

  /// Decides what is handed in already, answers it, keeps the head, and ends. Later submissions are refused as closed.
  public func close() {
    inbox.close()
    waiters.close()
    let running = threads.withLockedValue { threads in
      defer { threads = [] }
      return threads
    }
    guard running.count >= 2 else { return }
    running[0].join()
    journal.close()
    running[1].join()
    headKeeper?.headHasChanged()
    headKeeper?.close()
    for thread in running.dropFirst(2) { thread.join() }
    maintenance.stop()
    readers.sync(flags: .barrier) {}
    environment.close()
    lock?.release()
  }
}

/// Carries a decision's value from the decision to its completion.
// Invariant behind @unchecked: both run on the writer's thread, one after the other.
private final class ValueBox<Value>: @unchecked Sendable {
  var value: Value?
}
