import Files
import Logging
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// Keeps the signed head in two files beside the log, and in the vault: the latest one that LMDB's pages have, a moment
/// after they got it, off the path of commands.
///
/// A note is written over the one before it in the same file, without a sync: it outlives the process at once. Once a
/// second that file is synced, and only then the other one is written to. So one file is whole on the disk at any
/// moment, a power cut loses at most the notes of the last second, and what is left is older, which a longer log
/// extends: a valid head that the log doesn't reach always means a lost tail. (A new file renamed into place would make
/// every sync of the log beside it wait for the file system's journal: measured.) With each of these syncs the vault
/// gets the note too, in one of two records in turn, so it is never more than a second behind.
///
/// Before the first command all of them hold the head that the log was opened with, also that of a log without events:
/// so there is a statement of every log that has events, however soon the power is cut, and a log of which there is
/// none has lost it otherwise. The first note of a new log is synced at once.
// Invariant behind @unchecked: `hasNews` and `isClosed` are touched under `lock` only; the rest by `start`,
// which runs before the thread, and then by the thread alone.
final class HeadKeeper: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var changed = pthread_cond_t()
  private var hasNews = false
  private var isClosed = false
  private let slots: HeadSlots
  private let vault: VaultHead?
  private let signer: HeadSigner
  private let logger: Logger
  /// What the head is now; asked for when a note is signed.
  private let head: @Sendable () -> LogHead
  /// The slot that is written to, and the vault's record.
  private var current = 0
  private var currentRecord = 0
  /// What was written last.
  private var written: (size: UInt64, note: String)?
  /// Whether the slot holds what is not synced, and whether the vault has not what the slot has.
  private var isDirty = false
  private var isVaultBehind = false
  /// When that is to be mended, on the monotonic clock.
  private var due = timespec()

  /// - Parameter head: What the head is at the moment of the call.
  init(
    file: String, vault: VaultHead?, signer: HeadSigner, logger: Logger, head: @escaping @Sendable () -> LogHead
  ) {
    slots = HeadSlots(file: file)
    self.vault = vault
    self.signer = signer
    self.logger = logger
    self.head = head
    pthread_mutex_init(&lock, nil)
    MonotonicCondition.initialize(&changed)
  }

  deinit {
    pthread_cond_destroy(&changed)
    pthread_mutex_destroy(&lock)
  }

  /// Makes all places whole on the disk, before the first command: from then on a power cut finds one of them whole.
  /// - Parameter found: What they say; a file that holds the newest statement is not the one that is written to first.
  /// - Throws: where nothing was signed of this log, and nothing can be.
  func start(_ found: SignedHeads?) throws {
    let newest = found.flatMap { HeadSlots.newest($0.slots) }
    current = newest.map { 1 - $0 } ?? 0
    currentRecord = found.flatMap { HeadSlots.newest($0.kept) }.map { 1 - $0 } ?? 0
    var isStated = found?.newest != nil
    var failure: (any Error)?
    func attempt(_ step: () throws -> Void) {
      do {
        try step()
        isStated = true
      } catch {
        failure = failure ?? error
        report(error)
      }
    }
    let signed = try note()
    written = (signed.head.position, signed.note)
    attempt {
      let noted = try slots.prepare(with: signed.note)
      for index in slots.files.indices where index != newest && !noted.contains(index) {
        try slots.write(signed.note, to: index, syncing: true)
      }
      current = newest ?? 0
    }
    if vault != nil {
      isVaultBehind = true
      attempt { try keep() }
    }
    // A log with events but without a statement would be refused by the next start.
    if !isStated, let failure { throw failure }
  }

  /// Says that the head is another one now.
  func headHasChanged() {
    pthread_mutex_lock(&lock)
    hasNews = true
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
      while !hasNews, !isClosed {
        guard isDirty || isVaultBehind else {
          pthread_cond_wait(&changed, &lock)
          continue
        }
        if pthread_cond_timedwait(&changed, &lock, &due) == ETIMEDOUT { break }
      }
      let isNews = hasNews
      let ends = isClosed
      hasNews = false
      pthread_mutex_unlock(&lock)
      var isInOrder = true
      func attempt(_ step: () throws -> Void) {
        do {
          try step()
        } catch {
          report(error)
          isInOrder = false
        }
      }
      if isNews { attempt { try write(try note()) } }
      if ends || isDue {
        attempt { try sync() }
        attempt { try keep() }
      }
      if ends {
        // At rest all say the same.
        attempt {
          guard let written else { return }
          try slots.write(written.note, to: current, syncing: true)
        }
        return
      }
      // Not again at once: it is tried with the next head, or a second later.
      if !isInOrder { due = HeadKeeper.inOneSecond() }
      // Under load one signature stands for all commits of some milliseconds.
      usleep(5000)
    }
  }

  private func note() throws -> (head: LogHead, note: String) {
    let head = head()
    return (head, try signer.kept(head))
  }

  private func write(_ signed: (head: LogHead, note: String)) throws {
    try slots.write(signed.note, to: current, syncing: false)
    let before = written?.size ?? 0
    written = (signed.head.position, signed.note)
    if !isDirty { due = before == 0 ? HeadKeeper.now() : HeadKeeper.inOneSecond() }
    isDirty = true
    if signed.head.position != before { isVaultBehind = vault != nil }
  }

  /// Syncs the slot that was written to and goes on with the other one.
  private func sync() throws {
    guard isDirty else { return }
    try FileSystem.sync(slots.files[current])
    current = 1 - current
    isDirty = false
  }

  /// Has the vault say what the slots do.
  private func keep() throws {
    guard isVaultBehind, let vault, let written else { return }
    try vault.write(written.note, currentRecord)
    currentRecord = 1 - currentRecord
    isVaultBehind = false
  }

  private var isDue: Bool {
    guard isDirty || isVaultBehind else { return false }
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
