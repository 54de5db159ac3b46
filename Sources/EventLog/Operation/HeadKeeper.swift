import Logging
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// Keeps the signed head in a file beside the log: the latest one, a moment after its commit, off the path of commands.
///
/// The note is written over the old one in a single write, without a sync: it outlives the process at once, and a power cut can only
/// make it older, which a longer log extends. So a head that the log doesn't reach always means a lost tail. (A new file renamed into
/// place would make every sync of the log beside it wait for the file system's journal: measured.)
// Invariant behind @unchecked: `latest`, `written` and `isClosed` are touched under `lock` only.
final class HeadKeeper: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var changed = pthread_cond_t()
  private var latest: LogHead?
  private var isClosed = false
  private let file: String
  private let sign: @Sendable (UInt64, Digest) throws -> String
  private let logger: Logger

  init(file: String, sign: @escaping @Sendable (UInt64, Digest) throws -> String, logger: Logger) {
    self.file = file
    self.sign = sign
    self.logger = logger
    pthread_mutex_init(&lock, nil)
    pthread_cond_init(&changed, nil)
  }

  deinit {
    pthread_cond_destroy(&changed)
    pthread_mutex_destroy(&lock)
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
      while latest == nil && !isClosed { pthread_cond_wait(&changed, &lock) }
      let head = latest
      let ends = isClosed
      latest = nil
      pthread_mutex_unlock(&lock)
      if let head {
        do {
          try write(head, syncing: ends)
        } catch {
          logger.error("the signed head could not be written", metadata: ["file": "\(file)", "cause": "\(error)"])
        }
      }
      if ends { return }
      // Under load one signature stands for all commits of some milliseconds.
      usleep(5000)
    }
  }

  func write(_ head: LogHead, syncing: Bool) throws {
    guard head.position > 0 else { return }
    try FileWriting.overwrite(file, with: Array(try sign(head.position, head.root).utf8), syncing: syncing)
  }
}
