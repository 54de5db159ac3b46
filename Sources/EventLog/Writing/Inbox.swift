import BasicTypes
import NIOCore

#if canImport(Glibc)
  import Glibc
#endif

/// A decision that waits for the writer, with what to call when its fate is known.
final class Submission: @unchecked Sendable {
  // Invariant behind @unchecked: the writer's thread alone touches `failure` and
  // runs the closures, one after the other.
  let source: Identifier?
  let decide: (LogTransaction) throws -> Void
  let complete: (_ head: UInt64, _ failure: (any Error)?) -> Void
  var failure: (any Error)?

  init(
    source: Identifier?, decide: @escaping (LogTransaction) throws -> Void,
    complete: @escaping (_ head: UInt64, _ failure: (any Error)?) -> Void
  ) {
    self.source = source
    self.decide = decide
    self.complete = complete
  }
}

/// The bounded queues between those who submit and the one writer: one queue a source.
///
/// A source's submissions are taken in the order they were put. Among sources it is the turn of the one that the writer
/// has given the least time, counted from when it began to wait, so that one that submits much, or what takes long,
/// delays the others by what is under way and no more. A source whose submission took long rests afterwards while
/// others are there, so that they don't find one of its submissions under way each time. A source that has recorded
/// more than the read models can take soon waits for them (``PostingDebt``).
// Invariant behind @unchecked: every member is touched under `lock` only.
final class Inbox: @unchecked Sendable {
  private struct Lane {
    let source: Identifier?
    var waiting = CircularBuffer<Submission>()
    /// The writer's time that it was given, in nanoseconds, beginning with what the others had when it came.
    var used: UInt64
    /// When its turn may come again, by the monotonic clock in nanoseconds; 0 where at once.
    var restsUntil: UInt64 = 0
  }

  private var lock = pthread_mutex_t()
  private var filled = pthread_cond_t()
  /// Those that have something waiting, or rest.
  private var lanes: [Lane] = []
  private var debt: PostingDebt
  private var count = 0
  private var isClosed = false
  private let limit: Int
  /// The least time that a lane in turn had: what a lane that comes anew begins with.
  private var floor: UInt64 = 0
  private var lastServed: Identifier??
  /// When the turn last went from one source to another.
  private var lastChange: UInt64 = 0
  /// How many the last batch had (0 before the first), and for how many the writer waits now (1 where any one will do).
  private var lastBatch = 0
  private var wanted = 1

  /// The longest that the writer gathers, in nanoseconds: well under the time of one sync.
  private static let gathering = 150_000
  /// The longest that it looks for more before it sleeps, in nanoseconds.
  private static let lingering: UInt64 = 200_000
  /// What takes longer than this, in nanoseconds, is followed by a rest of so many times its time, at most so long;
  /// for that others must have had their turn within the last second.
  private static let restsBeyond: UInt64 = 20_000_000
  private static let restFactor: UInt64 = 3
  private static let longestRest: UInt64 = 2_000_000_000
  private static let company: UInt64 = 1_000_000_000
  /// How often it looks again whether who waits for the read models may go on, in nanoseconds.
  private static let heldLook: UInt64 = 50_000_000

  /// - Parameter limit: How many submissions of one source may wait. Those of all together may be twice as many, and
  ///   where there are several a source may have no more than there is room left.
  /// - Parameter head: The position of the log's last event.
  init(limit: Int, head: UInt64) {
    self.limit = limit
    debt = PostingDebt(head: head)
    pthread_mutex_init(&lock, nil)
    MonotonicCondition.initialize(&filled)
  }

  deinit {
    pthread_cond_destroy(&filled)
    pthread_mutex_destroy(&lock)
  }

  /// Nanoseconds of the monotonic clock.
  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// How many wait.
  var waitingCount: Int {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    return count
  }

  /// Adds a submission at the end of its source's; answers why not where it can't.
  func put(_ submission: Submission) -> EventLogError? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    if isClosed { return EventLogError(.closed, "The log is closed: the server is stopping.") }
    let index: Int
    if let found = lanes.firstIndex(where: { $0.source == submission.source }) {
      index = found
    } else {
      index = lanes.count
      lanes.append(Lane(source: submission.source, used: floor))
    }
    let mine = lanes[index].waiting.count
    guard mine < min(limit, 2 * limit - count) else {
      return EventLogError(.overloaded, "\(mine) of your commands wait for the disk already. Try again in a moment.")
    }
    if mine == 0 { lanes[index].used = max(lanes[index].used, floor) }
    lanes[index].waiting.append(submission)
    count += 1
    if count >= wanted { pthread_cond_signal(&filled) }
    return nil
  }

  /// Waits until there is a first submission for a batch; nil means that the inbox is closed and drained.
  /// - Parameter last: How many the last batch had.
  func first(after last: Int) -> Submission? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    lastBatch = last
    linger()
    while count == 0, !isClosed { pthread_cond_wait(&filled, &lock) }
    gather()
    while count > 0 {
      let now = Inbox.now
      if let next = pop(at: now) { return next }
      // All that wait have to rest, or for the read models; a stop doesn't wait for that.
      let rested = lanes.lazy.filter { !$0.waiting.isEmpty && $0.restsUntil > now }.map(\.restsUntil).min()
      let until = min(rested ?? .max, now + Inbox.heldLook)
      var deadline = timespec(tv_sec: Int(until / 1_000_000_000), tv_nsec: Int(until % 1_000_000_000))
      pthread_cond_timedwait(&filled, &lock, &deadline)
    }
    return nil
  }

  /// What a submission has cost.
  struct Cost {
    /// The writer's time, in nanoseconds.
    let nanoseconds: UInt64
    /// What it has recorded, as ``PostingDebt`` counts; 0 where nothing.
    let recorded: Int
    /// The position of its last event.
    let position: UInt64
  }

  /// Notes what a submission cost, and takes the next one for the same batch, where there is one.
  func next(after submission: Submission, cost: Cost, at now: UInt64, more: Bool) -> Submission? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    charge(submission.source, cost.nanoseconds, at: now)
    debt.record(cost.recorded, by: submission.source, through: cost.position, at: now)
    return more && count > 0 ? pop(at: now) : nil
  }

  private func charge(_ source: Identifier?, _ nanoseconds: UInt64, at now: UInt64) {
    if lastServed != .some(source) {
      if lastServed != nil { lastChange = now }
      lastServed = .some(source)
    }
    // The service's own submissions, and its administrators', give way to nobody.
    let rests =
      source != nil && nanoseconds > Inbox.restsBeyond && lastChange > 0
      && now - lastChange < Inbox.company + nanoseconds
    guard let index = lanes.firstIndex(where: { $0.source == source }) else {
      guard rests else { return }
      var lane = Lane(source: source, used: floor + nanoseconds)
      lane.restsUntil = now + min(Inbox.longestRest, nanoseconds * Inbox.restFactor)
      lanes.append(lane)
      return
    }
    lanes[index].used += nanoseconds
    if rests { lanes[index].restsUntil = now + min(Inbox.longestRest, nanoseconds * Inbox.restFactor) }
  }

  /// Takes the first submission of the source whose turn it is; nil where all have to rest.
  private func pop(at now: UInt64) -> Submission? {
    var chosen: Int?
    var index = 0
    while index < lanes.count {
      let isResting = lanes[index].restsUntil > now && !isClosed
      if lanes[index].waiting.isEmpty {
        if isResting {
          index += 1
        } else {
          lanes.swapAt(index, lanes.count - 1)
          lanes.removeLast()
        }
        continue
      }
      if !isResting, chosen.map({ lanes[index].used < lanes[$0].used }) ?? true,
        isClosed || !debt.holds(lanes[index].source, at: now)
      {
        chosen = index
      }
      index += 1
    }
    guard let chosen else { return nil }
    floor = max(floor, lanes[chosen].used)
    count -= 1
    return lanes[chosen].waiting.removeFirst()
  }

  /// Looks for a moment whether whoever was answered just now comes back, before the thread goes to sleep: to be woken
  /// takes a good part of the time of a sync where a processor has gone idle. It gives way to every thread that can
  /// run. The caller holds the lock.
  private func linger() {
    guard lastBatch > 0, count == 0 else { return }
    var now = Inbox.now
    let end = now + Inbox.lingering
    while count == 0, !isClosed, now < end {
      pthread_mutex_unlock(&lock)
      sched_yield()
      now = Inbox.now
      pthread_mutex_lock(&lock)
    }
  }

  /// Gives those who were answered just now a moment to come back, where there were several: without it, clients that
  /// send one command at a time fall into two groups that wait for each other's sync. One client alone never waits
  /// here. The caller holds the lock.
  private func gather() {
    guard !isClosed, lastBatch > 1, lastBatch <= 128, count < lastBatch else { return }
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    deadline.tv_nsec += Inbox.gathering
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_nsec -= 1_000_000_000
      deadline.tv_sec += 1
    }
    wanted = lastBatch
    while !isClosed, count < wanted, pthread_cond_timedwait(&filled, &lock, &deadline) == 0 {}
    wanted = 1
  }

  /// Notes that the read models have all up to a position.
  func posted(through position: UInt64) {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    debt.post(through: position, at: Inbox.now)
    if count > 0 { pthread_cond_signal(&filled) }
  }

  /// How many submissions wait for the read models.
  var heldCount: Int {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    let now = Inbox.now
    return lanes.lazy.filter { self.debt.holds($0.source, at: now) }.reduce(0) { $0 + $1.waiting.count }
  }

  func close() {
    pthread_mutex_lock(&lock)
    isClosed = true
    pthread_cond_broadcast(&filled)
    pthread_mutex_unlock(&lock)
  }
}
