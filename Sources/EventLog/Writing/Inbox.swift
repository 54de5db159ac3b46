#if canImport(Glibc)
  import Glibc
#endif

/// A decision that waits for the writer, with what to call when its fate is known.
final class Submission: @unchecked Sendable {
  // Invariant behind @unchecked: the writer's thread alone touches `failure` and
  // runs the closures, one after the other.
  let decide: (LogTransaction) throws -> Void
  let complete: (_ head: UInt64, _ failure: (any Error)?) -> Void
  var failure: (any Error)?

  init(
    decide: @escaping (LogTransaction) throws -> Void,
    complete: @escaping (_ head: UInt64, _ failure: (any Error)?) -> Void
  ) {
    self.decide = decide
    self.complete = complete
  }
}

/// The bounded queue between those who submit and the one writer.
// Invariant behind @unchecked: every member is touched under `lock` only.
final class Inbox: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var filled = pthread_cond_t()
  private var waiting: [Submission] = []
  private var taken = 0
  private var isClosed = false
  private let limit: Int
  /// How many the last batch had (0 before the first), and for how many the writer waits now (1 where any one will do).
  private var lastBatch = 0
  private var wanted = 1

  /// The longest that the writer gathers, in nanoseconds: well under the time of one sync.
  private static let gathering = 150_000

  /// The longest that it looks for more before it sleeps, in nanoseconds.
  private static let lingering = 200_000

  init(limit: Int) {
    self.limit = limit
    pthread_mutex_init(&lock, nil)
    pthread_cond_init(&filled, nil)
  }

  deinit {
    pthread_cond_destroy(&filled)
    pthread_mutex_destroy(&lock)
  }

  /// Adds a submission at the end; answers why not where it can't.
  func put(_ submission: Submission) -> EventLogError? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    if isClosed { return EventLogError(.closed, "The log is closed: the server is stopping.") }
    if waiting.count - taken >= limit {
      return EventLogError(.overloaded, "\(limit) commands wait for the disk already. Try again in a moment.")
    }
    waiting.append(submission)
    if waiting.count - taken >= wanted { pthread_cond_signal(&filled) }
    return nil
  }

  /// Waits until something is there and takes up to so many; an empty answer means that it is closed and drained.
  func take(_ maximum: Int) -> [Submission] {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    linger()
    while taken == waiting.count && !isClosed { pthread_cond_wait(&filled, &lock) }
    gather()
    let end = min(waiting.count, taken + maximum)
    let batch = Array(waiting[taken..<end])
    lastBatch = batch.count
    taken = end
    if taken == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      taken = 0
    }
    return batch
  }

  /// Looks for a moment whether whoever was answered just now comes back, before the thread goes to sleep: to be woken
  /// takes a good part of the time of a sync where a processor has gone idle. It gives way to every thread that can
  /// run. The caller holds the lock.
  private func linger() {
    guard lastBatch > 0 else { return }
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let end = now.tv_sec * 1_000_000_000 + now.tv_nsec + Inbox.lingering
    while taken == waiting.count, !isClosed, now.tv_sec * 1_000_000_000 + now.tv_nsec < end {
      pthread_mutex_unlock(&lock)
      sched_yield()
      clock_gettime(CLOCK_MONOTONIC, &now)
      pthread_mutex_lock(&lock)
    }
  }

  /// Gives those who were answered just now a moment to come back, where there were several: without it, clients that
  /// send one command at a time fall into two groups that wait for each other's sync. One client alone never waits
  /// here. The caller holds the lock.
  private func gather() {
    guard !isClosed, lastBatch > 1, lastBatch <= 128, waiting.count - taken < lastBatch else { return }
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_nsec += Inbox.gathering
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_nsec -= 1_000_000_000
      deadline.tv_sec += 1
    }
    wanted = lastBatch
    while !isClosed, waiting.count - taken < wanted, pthread_cond_timedwait(&filled, &lock, &deadline) == 0 {}
    wanted = 1
  }

  func close() {
    pthread_mutex_lock(&lock)
    isClosed = true
    pthread_cond_broadcast(&filled)
    pthread_mutex_unlock(&lock)
  }

  var count: Int {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    return waiting.count - taken
  }
}
