import BasicTypes
import Failpoints
import Files
import LMDB
import Logging
import MerkleTree
import Metrics
import NIOConcurrencyHelpers

/// The one thread that decides and writes.
///
/// The append contract: submissions are decided in the order they were put; all that wait
/// share one record of the journal and one sync; each completion runs after the sync of the batch
/// it was decided in, or after the failure that undid the batch; positions are dense.
// Invariant behind @unchecked: `head` and `fatal` belong to the writer's thread after init; `published` is locked.
final class Writer: @unchecked Sendable {
  private let environment: Environment
  private let databases: Databases
  private let journal: Journal
  private let configuration: EventLogConfiguration
  private let inbox: Inbox
  private var head: StoredHead
  /// The right edge of the tree, in tiles.
  private var tiles: TreeTiles
  private var known = StateCache()
  private var fatal: EventLogError?
  private let published: NIOLockedValueBox<LogHead>
  private let statistics = NIOLockedValueBox(WriterStatistics())
  /// How long commits took, each of a batch.
  let commitTimes = Histogram(bounds: Histogram.diskBounds)
  private let onCommit: @Sendable (LogHead) -> Void
  private let defaults: NIOLockedValueBox<StateDefaults>
  private let watch: NIOLockedValueBox<ClockWatch>

  init(
    environment: Environment, databases: Databases, journal: Journal, configuration: EventLogConfiguration,
    inbox: Inbox,
    head: StoredHead, tiles: TreeTiles, published: NIOLockedValueBox<LogHead>,
    defaults: NIOLockedValueBox<StateDefaults>,
    onCommit: @escaping @Sendable (LogHead) -> Void
  ) {
    self.defaults = defaults
    self.environment = environment
    self.databases = databases
    self.journal = journal
    self.configuration = configuration
    self.inbox = inbox
    self.head = head
    self.tiles = tiles
    self.onCommit = onCommit
    self.published = published
    watch = NIOLockedValueBox(ClockWatch(tolerance: configuration.clockTolerance))
  }

  /// The stored head as others see it.
  static func published(_ head: StoredHead) -> LogHead {
    LogHead(
      position: head.frontier.size, at: head.frontier.size == 0 ? nil : head.at, root: head.frontier.root())
  }

  /// The head after the last commit.
  var currentHead: LogHead { published.withLockedValue { $0 } }

  /// What the clock says, and what the log makes of it. Any thread may ask.
  var currentClock: ClockReading { readClock(last: currentHead.at) }

  private func readClock(last: Timestamp?) -> ClockReading {
    let clock = configuration.clock()
    if let story = configuration.story?.now {
      let at = last.map { max(story, $0) } ?? story
      return ClockReading(clock: clock, at: at, now: at, standing: .told)
    }
    let uptime = configuration.uptime()
    return watch.withLockedValue { $0.read(clock: clock, uptime: uptime, last: last) }
  }

  /// Goes on from what is recorded of the clock; see ``ClockWatch/resume(lastClock:isDoubted:overtaken:)``.
  func resumeClock(lastClock: Timestamp?, isDoubted: Bool, overtaken: Timestamp?) {
    watch.withLockedValue { $0.resume(lastClock: lastClock, isDoubted: isDoubted, overtaken: overtaken) }
  }

  /// What the writer has done since it started.
  var currentStatistics: WriterStatistics { statistics.withLockedValue { $0 } }

  /// Runs until the inbox is closed and drained.
  func run() {
    var last = 0
    while let first = inbox.first(after: last) {
      var batch = [first]
      process(&batch)
      last = batch.count
    }
  }

  /// Decides and writes a batch, which grows by what comes while it is decided.
  private func process(_ batch: inout [Submission]) {
    while true {
      do {
        let committed = try attempt(&batch)
        let position = head.frontier.size
        for submission in batch { submission.complete(position, submission.failure) }
        // Completions come first: a reader that hears of an event finds noted what it changes about who may read.
        if let committed { onCommit(committed) }
        return
      } catch let error as LMDBError where error.isMapFull || error.isMapResized {
        if let failure = LogMap.grow(environment, after: error, configuration.logger) { return fail(batch, failure) }
      } catch let error as LMDBError {
        journal.recover()
        return fail(batch, journal.failed(error))
      } catch {
        return fail(batch, error)
      }
    }
  }

  private func fail(_ batch: [Submission], _ failure: any Error) {
    // Whatever follows a write that failed so might follow one that is there.
    if let failure = failure as? EventLogError, failure.isFinal { fatal = failure }
    configuration.logger.error("a batch could not be written", metadata: ["cause": "\(failure)"])
    for submission in batch { submission.complete(head.frontier.size, failure) }
  }

  /// Decides one submission of a batch; what it is refused with is kept with it. Answers what it has recorded, as
  /// ``PostingDebt`` counts.
  /// - Throws: `LMDBError`, which undoes the whole batch.
  private func decide(_ submission: Submission, in transaction: LogTransaction) throws(LMDBError) -> Int {
    transaction.beginDecision()
    configuration.beforeDecision()
    do {
      try submission.decide(transaction)
      try configuration.failpoints.reached(.logDecided)
      submission.failure = nil
      let events = transaction.keepDecision()
      guard events > 0 else {
        configuration.afterNothing()
        return 0
      }
      return events + transaction.work.recordedBytes / PostingDebt.bytesPerEvent
    } catch let error as LMDBError {
      throw error
    } catch {
      submission.failure = error
      transaction.dropDecision()
      configuration.afterNothing()
      return 0
    }
  }

  /// Decides a batch, which grows meanwhile. Answers what it has staged. What it reads is let go by then.
  private func decideAll(_ batch: inout [Submission], _ clock: ClockReading) throws -> Staging {
    let transaction = LogTransaction(
      store: try journal.view(), databases: databases, head: head, clock: clock,
      tolerance: configuration.clockTolerance,
      defaults: defaults.withLockedValue { $0 }, known: known)
    // Where a decision throws what undoes the batch, nothing that was read is kept.
    known = StateCache()
    let start = Inbox.now
    var time = start
    var index = 0
    while index < batch.count {
      let submission = batch[index]
      let recorded = try decide(submission, in: transaction)
      index += 1
      let decided = Inbox.now
      let isLast =
        index == batch.count && index < configuration.batchLimit && decided - start < configuration.decidingLimit
      let cost = Inbox.Cost(
        nanoseconds: decided - time, recorded: recorded, position: transaction.headPosition)
      if let next = inbox.next(after: submission, cost: cost, at: decided, more: isLast) { batch.append(next) }
      time = decided
    }
    let staged = transaction.stagedBatch
    known = transaction.known
    // A batch that fails later has changed nothing, so forgetting is right in any case.
    known.forget(staged.states.keys)
    return staged
  }

  /// Writes a batch. Returns the new head, or nil where there was nothing to write.
  private func attempt(_ batch: inout [Submission]) throws -> LogHead? {
    // Where that failed before, it may go by now.
    if environment.isUnusable { journal.recover() }
    if let fatal { throw fatal }
    try journal.admit()
    let clock = readClock(last: head.frontier.size > 0 ? head.at : nil)
    let staged = try decideAll(&batch, clock)
    guard staged.hasChanges else { return nil }
    var tiles = tiles
    let encoded = try BatchEncoder.encode(staged, onto: head, &tiles, configuration.failpoints)
    let latest = Writer.published(encoded.head)
    try configuration.failpoints.reached(.logPut)
    try configuration.beforeCommit()
    try configuration.failpoints.reached(.logKeysDurable)
    let began = Inbox.now
    try journal.record(encoded, root: latest.root)
    let ended = Inbox.now
    commitTimes.record(nanoseconds: ended - began)
    head = encoded.head
    self.tiles = tiles
    published.withLockedValue { $0 = latest }
    if staged.confirmsClock {
      let uptime = configuration.uptime()
      watch.withLockedValue { $0.confirm(clock: clock.clock, uptime: uptime, last: encoded.head.at) }
    }
    if case .some(let stretch) = staged.stretch { configuration.story?.tell(stretch) }
    statistics.withLockedValue {
      $0.count(batch: batch.count, events: encoded.events, commitMicroseconds: Int64((ended - began) / 1000))
    }
    return latest
  }
}

/// Counts of what the writer has done, for `server.metrics`.
public struct WriterStatistics: Sendable {
  /// Commits that were synced to disk.
  public private(set) var commits: UInt64 = 0
  /// Decisions they held, refused ones too.
  public private(set) var decisions: UInt64 = 0
  /// Events they held.
  public private(set) var events: UInt64 = 0
  /// Microseconds that commits took, summed.
  public private(set) var commitMicroseconds: Int64 = 0
  /// The longest commit, in microseconds.
  public private(set) var longestCommitMicroseconds: Int64 = 0
  /// The largest number of decisions that shared a commit.
  public private(set) var largestBatch = 0

  mutating func count(batch: Int, events count: Int, commitMicroseconds micros: Int64) {
    commits += 1
    decisions += UInt64(batch)
    events += UInt64(count)
    commitMicroseconds += micros
    longestCommitMicroseconds = max(longestCommitMicroseconds, micros)
    largestBatch = max(largestBatch, batch)
  }
}
