import BasicTypes
import Failpoints
import Files
import LMDB
import Logging
import MerkleTree
import Metrics
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// What makes a batch durable at the price of one synced write, and brings it into LMDB's pages later.
///
/// The writer records a batch in the ring, and from then on it is durable and everybody reads it, from memory. A thread
/// of its own writes what has gathered to LMDB's pages, in one sorted transaction with full syncs, and only then its
/// place in the ring is free. LMDB stays the log of record: the journal holds no more than what its pages don't have
/// yet.
// Invariant behind @unchecked: `ring` is the writer's thread's while it runs; what is between `lock`
// and `isClosing` is touched under `lock` only.
final class Journal: @unchecked Sendable {
  private let configuration: EventLogConfiguration
  private let environment: Environment
  private let databases: Databases
  private let unflushed: UnflushedChanges
  private var ring: JournalRing?

  /// The head that LMDB's pages have.
  private let pagesHead: NIOLockedValueBox<StoredHead>
  /// Runs on the flushing thread after each flush.
  private let onFlush: @Sendable () -> Void

  private var lock = pthread_mutex_t()
  private var changed = pthread_cond_t()
  /// How many batches were recorded, and how many of these are in the pages.
  private var recorded: UInt64
  private var flushed: UInt64 = 0
  /// How many are in the generation that was frozen last.
  private var frozen: UInt64 = 0
  /// How often somebody began to wait for a flush, and how many of these the last flush that ended has served.
  private var wishes: UInt64 = 0
  private var served: UInt64 = 0
  /// When the first and the last of those that wait were recorded, and their bytes.
  private var oldest: UInt64 = 0
  private var newest: UInt64 = 0
  private var waitingBytes = 0
  /// Why the last flush failed; nil where it didn't.
  private var failure: EventLogError?
  private var failedAt: UInt64 = 0
  private var lastDuration: UInt64 = 0
  private var counts = JournalStatistics()
  private var isClosing = false
  /// Whether the flushing thread has ended.
  private var isOver = false

  /// After a flush that took so long, in nanoseconds, the next one waits a multiple of that.
  private static let ageFactor: UInt64 = 4
  /// But never longer than this.
  private static let longestAge: UInt64 = 5_000_000_000
  /// How long a flush that failed isn't tried again unless somebody waits for it, in nanoseconds.
  private static let retryPause: UInt64 = 200_000_000
  /// Later than any time of the monotonic clock, in nanoseconds.
  private static let never: UInt64 = 1 << 60

  /// - Parameter opening: What ``open(_:_:_:)`` has found.
  init(
    _ opening: Opening, configuration: EventLogConfiguration, environment: Environment, databases: Databases,
    onFlush: @escaping @Sendable () -> Void
  ) {
    self.configuration = configuration
    self.environment = environment
    self.databases = databases
    self.onFlush = onFlush
    ring = opening.ring
    unflushed = UnflushedChanges(opening.recovered)
    pagesHead = NIOLockedValueBox(opening.inPages)
    recorded = opening.recovered.isEmpty ? 0 : 1
    pthread_mutex_init(&lock, nil)
    MonotonicCondition.initialize(&changed)
  }

  deinit {
    pthread_cond_destroy(&changed)
    pthread_mutex_destroy(&lock)
  }

  // MARK: - Reading

  /// What the log stores now, all that is acknowledged; it must end on this thread.
  func view() throws -> LogView { try unflushed.view(environment, databases) }

  /// The head that LMDB's pages have by themselves.
  var headInPages: StoredHead { pagesHead.withLockedValue { $0 } }

  /// How long records took to be on the disk: the write and the sync, which are one.
  let syncTimes = Histogram(bounds: Histogram.diskBounds)
  /// How long flushes to LMDB's pages took that went through.
  let flushTimes = Histogram(bounds: Histogram.diskBounds)

  /// What it has done since it was opened.
  var statistics: JournalStatistics {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    var counts = counts
    counts.waitingBytes = waitingBytes
    return counts
  }

  // MARK: - The writer's thread

  /// Refuses where what was recorded can't be flushed now: on a full disk nothing is recorded before there is room.
  /// The caller must not hold a view.
  func admit() throws {
    pthread_mutex_lock(&lock)
    let failure = failure
    pthread_mutex_unlock(&lock)
    guard let failure else { return }
    if failure.isFinal { throw failure }
    try flush()
  }

  /// Makes a batch durable and visible. The caller must not hold a view, since it may wait for a flush.
  /// - Throws: ``EventLogError``; `LMDBError` where LMDB refuses a batch that is too large for the ring.
  func record(_ batch: EncodedBatch, root: Digest) throws {
    let bytes = batch.byteCount
    let ring = try begun()
    guard bytes <= ring.largest, !batch.replacesBodies else { return try recordInPages(batch, ring) }
    try waitForRoom(bytes, in: ring)
    try configuration.failpoints.reached(.journalReady)
    let end = try ring.write(batch, bytes: bytes, root: root)
    syncTimes.record(nanoseconds: ring.lastSync)
    configuration.failpoints.passed(.logCommitted)
    let waiting = unflushed.apply(batch, through: end)
    let now = Inbox.now
    pthread_mutex_lock(&lock)
    let isFirst = recorded == flushed
    let wasSmall = waitingBytes < configuration.flushBytes
    recorded += 1
    if waitingBytes == 0 { oldest = now }
    newest = now
    waitingBytes = waiting
    if isFirst || (wasSmall && waiting >= configuration.flushBytes) { pthread_cond_broadcast(&changed) }
    pthread_mutex_unlock(&lock)
  }

  /// The ring, whose life begins with the first batch: from then on only a program that knows the journal opens the
  /// log, until it is closed.
  private func begun() throws -> JournalRing {
    if let ring { return ring }
    let new = try JournalRing.begin(
      configuration.folder, size: configuration.journalSize, ring: SaltSource.one())
    let store = try environment.beginWrite()
    do {
      try Journal.put(new.place, to: store, databases)
      try store.commit()
    } catch {
      store.abort()
      throw error
    }
    ring = new
    return new
  }

  private func waitForRoom(_ bytes: Int, in ring: JournalRing) throws {
    guard !ring.hasRoom(for: bytes) else { return }
    pthread_mutex_lock(&lock)
    counts.waitsForRoom += 1
    pthread_mutex_unlock(&lock)
    while !ring.hasRoom(for: bytes) { try awaitFlush(all: false) }
  }

  /// Commits a batch to LMDB's pages that is too large for the ring, or replaces what the pages have, behind all that
  /// the ring has.
  private func recordInPages(_ batch: EncodedBatch, _ ring: JournalRing) throws {
    try flush()
    var generation = Generation()
    generation.apply(batch, through: ring.place)
    do {
      try commit(generation)
    } catch let error as LMDBError where error.isMapFull || error.isMapResized {
      throw error
    } catch let error as LMDBError {
      let failure = failed(error)
      recover()
      // LMDB may have got it in before it gave up: then it is there for everybody, and nobody may see it go again.
      guard isInPages(batch.head) else { throw failure }
      try environment.sync()
    }
    configuration.failpoints.passed(.logCommitted)
    pagesHead.withLockedValue { $0 = batch.head }
    onFlush()
  }

  /// Whether a head is what LMDB's pages have, after a commit that failed; not so where they can't be read either.
  private func isInPages(_ head: StoredHead) -> Bool {
    do {
      return try environment.read { try LogSnapshot.storedHead($0, databases) } == head
    } catch {
      configuration.logger.error(
        "after a failed write the log's pages can't be read", metadata: ["cause": "\(error)"])
      return false
    }
  }

  // MARK: - Flushing

  /// Waits until everything that is recorded by now is in LMDB's pages. The caller must not hold a view.
  /// - Throws: ``EventLogError`` where a flush fails; nothing is lost by that, and it is tried again.
  func flush() throws { try awaitFlush(all: true) }

  /// - Parameter all: Whether to wait for everything; otherwise for the end of one flush.
  private func awaitFlush(all: Bool) throws {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    let target = recorded
    guard flushed < target else { return }
    let before = counts.flushes
    wishes += 1
    let wish = wishes
    pthread_cond_broadcast(&changed)
    while flushed < target {
      if let failure, served >= wish || failure.isFinal { throw failure }
      if isOver { throw EventLogError(.closed, "The log is closed: the server is stopping.") }
      if !all, counts.flushes > before { return }
      pthread_cond_wait(&changed, &lock)
    }
  }

  /// Flushes until it is closed; for a thread of its own.
  func run() {
    while let serving = awaitWork() { flushOnce(serving) }
    finish()
  }

  /// Waits until there is something to flush and it is time, and answers whose wishes that serves; nil where the
  /// journal closes.
  private func awaitWork() -> UInt64? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    while !isClosing {
      guard recorded > flushed else {
        pthread_cond_wait(&changed, &lock)
        continue
      }
      let due = dueTime
      if due <= Inbox.now { return wishes }
      var deadline = timespec(tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
      pthread_cond_timedwait(&changed, &lock, &deadline)
    }
    return nil
  }

  /// When to flush what waits, on the monotonic clock; the caller holds the lock.
  private var dueTime: UInt64 {
    if let failure {
      if failure.isFinal { return Journal.never }
      return wishes > served ? 0 : failedAt + Journal.retryPause
    }
    if wishes > served || waitingBytes >= configuration.flushBytes { return 0 }
    let age = max(configuration.flushAge, min(lastDuration * Journal.ageFactor, Journal.longestAge))
    return min(oldest + age, newest + configuration.flushIdle)
  }

  /// Writes one generation to LMDB's pages, and notes how that went.
  private func flushOnce(_ serving: UInt64) {
    pthread_mutex_lock(&lock)
    // Whatever was recorded by now is in a generation that is frozen after this.
    let covered = recorded
    pthread_mutex_unlock(&lock)
    let found = unflushed.freeze()
    if found?.isNew ?? true {
      pthread_mutex_lock(&lock)
      frozen = covered
      waitingBytes = 0
      oldest = newest
      pthread_mutex_unlock(&lock)
    }
    let began = Inbox.now
    var outcome: EventLogError?
    if let generation = found?.generation {
      outcome = write(generation)
      if outcome == nil {
        pagesHead.withLockedValue { $0 = generation.head ?? $0 }
        if let end = generation.end { ring?.release(before: end.sequence) }
        unflushed.drop()
      }
    }
    let ended = Inbox.now
    pthread_mutex_lock(&lock)
    let isNews = failure?.code != outcome?.code
    failure = outcome
    served = serving
    if outcome == nil {
      flushed = frozen
      // Who began to wait meanwhile has what they waited for, where nothing is left.
      if flushed == recorded { served = wishes }
      lastDuration = ended - began
      if let generation = found?.generation {
        counts.count(bytes: generation.bytes, microseconds: Int64((ended - began) / 1000))
        flushTimes.record(nanoseconds: ended - began)
      }
    } else {
      failedAt = ended
      counts.failures += 1
    }
    pthread_cond_broadcast(&changed)
    pthread_mutex_unlock(&lock)
    if let outcome {
      if isNews {
        configuration.logger.error(
          "what the journal holds could not be written to the log's pages", metadata: ["cause": "\(outcome)"])
      }
    } else {
      onFlush()
    }
  }

  /// Writes a generation to LMDB's pages; answers why that failed.
  private func write(_ generation: Generation, atRest: Bool = false) -> EventLogError? {
    while true {
      do {
        try commit(generation, atRest: atRest)
        return nil
      } catch let error as LMDBError where error.isMapFull || error.isMapResized {
        if let failure = LogMap.grow(environment, after: error, configuration.logger) { return failure }
      } catch let error as LMDBError {
        let failure = failed(error)
        recover()
        return failure
      } catch let error as EventLogError {
        return error
      } catch {
        return EventLogError(.storage, "What the journal holds could not be written to the log's pages: \(error).")
      }
    }
  }

  /// What an error of a commit means for those who wait for it.
  func failed(_ error: LMDBError) -> EventLogError {
    let isFull = error.isInputOutput && (FileSystem.freeSpace(in: configuration.folder) ?? .max) < 16 << 20
    return isFull ? EventLogError.diskFull(error.code) : EventLogError.storage(error)
  }

  /// Opens the file anew where LMDB has given up on it, so that reads go on.
  func recover() {
    do {
      guard try environment.reopenIfNeeded() else { return }
      configuration.logger.warning("the log's file was opened anew after a failed write")
    } catch {
      configuration.logger.error(
        "after a failed write the log's file could not be opened anew", metadata: ["cause": "\(error)"])
    }
  }

  /// One transaction that brings LMDB's pages from before a generation to behind it, durable when it returns. Done a
  /// second time it changes nothing.
  private func commit(_ generation: Generation, atRest: Bool = false) throws {
    try configuration.failpoints.reached(.flushBegun)
    let store = try environment.beginWrite()
    do {
      try put(generation, to: store)
      if atRest {
        try Journal.put(nil, to: store, databases)
      } else if let end = generation.end {
        try Journal.put(end, to: store, databases)
      }
      try configuration.failpoints.reached(.flushPut)
      try store.commit()
    } catch {
      store.abort()
      throw error
    }
    configuration.failpoints.passed(.flushCommitted)
  }

  private func put(_ generation: Generation, to store: WriteTransaction) throws {
    let inPages = try Journal.storedHead(store, databases).frontier.size
    let isNew = inPages < generation.firstPosition
    for (place, database) in databases.all.enumerated() {
      // Records come behind all others, but for bodies that are replaced.
      let appends = isNew && place < 2
      let first = Key.position(generation.firstPosition)
      var cursor = generation.tree(place).cursor()
      while cursor.isOnEntry {
        if let value = cursor.value {
          if appends, !Key.precedes(cursor.key, first) {
            try store.append(database, cursor.key, value)
          } else {
            try store.put(database, cursor.key, value)
          }
        } else {
          try store.delete(database, cursor.key)
        }
        cursor.next()
      }
    }
    guard !generation.isEmpty else { return }
    let size = try Journal.storedHead(store, databases).frontier.size
    if size > inPages { try StoredTile.putLastLeaves(of: store, databases, size: size) }
    // How many entries each index has, so that `verify` misses a lost one.
    for database in databases.counted {
      let key = Key.meta("entries/\(database.name)")
      try store.put(
        databases.meta, key, Checksummed.wrap(key, Key.position(try store.statistics(database).entries)))
    }
  }

  // MARK: - The end

  /// Ends the thread, once everything is in LMDB's pages and these say that there is no journal to look at; where that
  /// fails, the next start goes on with it. Nothing may be recorded any more.
  func close() {
    pthread_mutex_lock(&lock)
    isClosing = true
    pthread_cond_broadcast(&changed)
    pthread_mutex_unlock(&lock)
  }

  private func finish() {
    pthread_mutex_lock(&lock)
    let hasFailed = failure?.isFinal ?? false
    pthread_mutex_unlock(&lock)
    defer {
      ring?.close()
      pthread_mutex_lock(&lock)
      isOver = true
      pthread_cond_broadcast(&changed)
      pthread_mutex_unlock(&lock)
    }
    guard ring != nil, !hasFailed else { return }
    var outcome: EventLogError?
    var last = unflushed.freeze()
    // What was frozen before, and failed, comes first; nothing is at rest before all that came after it is written too.
    if let earlier = last, !earlier.isNew {
      outcome = write(earlier.generation)
      if outcome == nil {
        pagesHead.withLockedValue { $0 = earlier.generation.head ?? $0 }
        unflushed.drop()
        last = unflushed.freeze()
      }
    }
    if outcome == nil { outcome = write(last?.generation ?? Generation(), atRest: true) }
    pthread_mutex_lock(&lock)
    failure = outcome
    if outcome == nil { flushed = recorded }
    pthread_mutex_unlock(&lock)
    if let outcome {
      configuration.logger.error(
        "the journal could not be emptied, which the next start does", metadata: ["cause": "\(outcome)"])
      return
    }
    if let head = last?.generation.head { pagesHead.withLockedValue { $0 = head } }
    unflushed.drop()
    onFlush()
  }

  /// Writes LMDB's pages into a new file, which takes the place of the old one, and overwrites the journal's: nothing
  /// that was replaced or removed before is in either then. On the writer's thread, which must not hold a view.
  func renewPages() throws {
    try flush()
    try environment.renew(by: EventLogReindexer.workFolder(configuration.folder)) {
      try configuration.failpoints.reached($0 ? .redactionFileRenamed : .redactionFileWritten)
    }
    try ring?.wipe()
  }

  /// Overwrites in the journal's file whatever LMDB's pages have by now, which they get first: for what must not be
  /// kept in two places. On the writer's thread, which must not hold a view.
  func wipe() throws {
    try flush()
    try ring?.wipe()
  }
}

/// Counts of what the journal has done, for `server.metrics`.
public struct JournalStatistics: Sendable {
  /// How often what it held was written to LMDB's pages.
  public private(set) var flushes: UInt64 = 0
  /// How often that failed; it is tried again.
  public internal(set) var failures: UInt64 = 0
  /// Bytes of keys and values that were flushed.
  public private(set) var flushedBytes: UInt64 = 0
  /// Microseconds that flushes took, summed.
  public private(set) var flushMicroseconds: Int64 = 0
  /// The longest flush, in microseconds.
  public private(set) var longestFlushMicroseconds: Int64 = 0
  /// How often a batch had to wait since the ring was full.
  public internal(set) var waitsForRoom: UInt64 = 0
  /// Bytes of keys and values that wait for the next flush.
  public internal(set) var waitingBytes = 0

  mutating func count(bytes: Int, microseconds: Int64) {
    flushes += 1
    flushedBytes += UInt64(bytes)
    flushMicroseconds += microseconds
    longestFlushMicroseconds = max(longestFlushMicroseconds, microseconds)
  }
}
