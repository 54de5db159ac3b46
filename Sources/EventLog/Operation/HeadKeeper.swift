import Files
import Logging
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// Keeps the signed head in two files beside the log: the latest one, a moment
/// after its commit, off the path of commands.
///
/// A note is written over the one before it in the same file, without a sync: it outlives the process at once. Once a
/// second that file is synced, and only then the other one is written to. So one file is whole on the disk at any
/// moment, a power cut loses at most the notes of the last second, and what is left is older, which a longer log
/// extends: a valid head that the log doesn't reach always means a lost tail. (A new file renamed into place would make
/// every sync of the log beside it wait for the file system's journal: measured.)
// Invariant behind @unchecked: `latest` and `isClosed` are touched under `lock` only; the rest by `start`,
// which runs before the thread, and then by the thread alone.
final class HeadKeeper: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var changed = pthread_cond_t()
  private var latest: LogHead?
  private var isClosed = false
  private let slots: HeadSlots
  private let sign: @Sendable (UInt64, Digest) throws -> String
  private let logger: Logger
  /// The slot that is written to.
  private var current = 0
  /// The head that was written last.
  private var written: LogHead?
  /// Whether the slot holds what is not synced.
  private var isDirty = false
  /// When it is to be synced, on the monotonic clock.
  private var due = timespec()

  init(file: String, sign: @escaping @Sendable (UInt64, Digest) throws -> String, logger: Logger) {
    slots = HeadSlots(file: file)
    self.sign = sign
    self.logger = logger
    pthread_mutex_init(&lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // A wall clock that is set meanwhile must not hold a sync up.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(&changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(&changed)
    pthread_mutex_destroy(&lock)
  }

  /// Makes both files whole on the disk, before the first command: from then on a power cut finds one of them whole.
  /// - Parameter newest: The slot that holds the newest statement; the other one is written to first.
  func start(newest: Int?, head: LogHead) {
    current = newest.map { 1 - $0 } ?? 0
    do {
      try slots.prepare()
      guard head.position > 0 else { return }
      for _ in 0..<(newest == nil ? 2 : 1) {
        try slots.write(try sign(head.position, head.root), to: current, syncing: true)
        current = 1 - current
      }
    } catch {
      report(error)
    }
  }

  func set(_ head: LogHead) {
    pthread_mutex_lock(&lock)
    latest = head
    pthread_cond_signal(&changed)
    pthread_mutex_unlock(&lock)
  }

  func close() {
    pthread_mutex_lock(&lock)
    isClosed = true
    pthread_cond_signal(&changed)
    pthread_mutex_unlock(&lock)
  }

  func run() {
    while true {
      pthread_mutex_lock(&lock)
      while latest == nil, !isClosed {
        guard isDirty else {
          pthread_cond_wait(&changed, &lock)
          continue
        }
        if pthread_cond_timedwait(&changed, &lock, &due) == ETIMEDOUT { break }
      }
      let head = latest
      let ends = isClosed
      latest = nil
      pthread_mutex_unlock(&lock)
      do {
        if let head { try write(head) }
        if isDirty, ends || isDue { try sync() }
        if ends, let written {
          // At rest both say the same.
          try write(written)
          if isDirty { try sync() }
        }
      } catch {
        report(error)
        // Not again at once: it is tried with the next head, or a second later.
        due = HeadKeeper.inOneSecond()
      }
      if ends { return }
      // Under load one signature stands for all commits of some milliseconds.
      usleep(5000)
    }
  }

  private func write(_ head: LogHead) throws {
    guard head.position > 0 else { return }
    try slots.write(try sign(head.position, head.root), to: current, syncing: false)
    written = head
    guard !isDirty else { return }
    isDirty = true
    due = HeadKeeper.inOneSecond()
  }

  /// Syncs the slot that was written to and goes on with the other one.
  private func sync() throws {
    try FileSystem.sync(slots.files[current])
    current = 1 - current
    isDirty = false
  }

  private var isDue: Bool {
    let now = HeadKeeper.now()
    return now.tv_sec > due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec >= due.tv_nsec)
  }

  private static func now() -> timespec {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now
  }

  private static func inOneSecond() -> timespec {
    var time = now()
    time.tv_sec += 1
    return time
  }

  private func report(_ error: any Error) {
    logger.error(
      "the signed head could not be written", metadata: ["file": "\(slots.files[current])", "cause": "\(error)"])
  }
}
