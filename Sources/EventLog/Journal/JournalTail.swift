import Files
import LMDB
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// What the journal of a log has behind LMDB's pages, for those who look at the log without opening it.
struct JournalTail {
  /// Its batches, in order.
  private(set) var batches: [EncodedBatch] = []
  /// The head behind them.
  private(set) var head: StoredHead

  /// How many answers to command ids they have.
  var answers: UInt64 {
    // Programs of before 2026-11-30 renamed some.
    let changes = batches.lazy.flatMap(\.changes).filter { $0.database == Databases.commands }
    return UInt64(max(0, changes.reduce(0) { $0 + ($1.value == nil ? -1 : 1) }))
  }

  /// Reads what is behind the pages' head. Where these can't tell where that is, it is what continues their tree.
  /// - Parameter place: Where the pages say that the journal goes on, nil where they say that nothing is in a journal;
  ///   throws where that can't be read.
  /// - Throws: ``EventLogError`` `damaged` where the journal is missing, or isn't whole.
  static func read(
    _ folder: String, behind head: StoredHead, _ place: () throws -> JournalPlace?
  ) throws -> JournalTail {
    var tail = JournalTail(head: head)
    let start: JournalPlace
    do {
      guard let place = try place() else { return tail }
      start = place
    } catch {
      guard let found = try JournalRing.find(folder, continuing: head) else { return tail }
      start = found
    }
    var replay = JournalReplay(head)
    try JournalRing.scan(folder, from: start) { record, _, _ in
      let batch = try replay.next(record)
      tail.batches.append(batch)
      tail.head = batch.head
    }
    return tail
  }

  /// Whether a server has the log, and so its journal, open: what is in that changes all the time, and the server has
  /// looked at it.
  static func isInUse(_ folder: String) -> Bool {
    let descriptor = open(JournalRing.path(folder), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return JournalLock.isHeld(descriptor)
  }
}

/// The lock by which the process that has a log open says so on its journal.
enum JournalLock {
  // Locks of an open file, which another descriptor of the process doesn't end: Linux's own numbers, which headers show
  // only with _GNU_SOURCE.
  private static let query: CInt = 36
  private static let set: CInt = 37

  private static var wholeFile: Glibc.flock {
    var region = Glibc.flock()
    region.l_type = Int16(F_WRLCK)
    region.l_whence = Int16(SEEK_SET)
    return region
  }

  /// Takes the lock; false where another process has it. A file system without locks has none to take.
  static func take(_ descriptor: Int32) -> Bool {
    var region = wholeFile
    return fcntl(descriptor, set, &region) == 0 || (errno != EAGAIN && errno != EACCES)
  }

  /// Whether somebody has it.
  static func isHeld(_ descriptor: Int32) -> Bool {
    var region = wholeFile
    return fcntl(descriptor, query, &region) == 0 && region.l_type != Int16(F_UNLCK)
  }
}
