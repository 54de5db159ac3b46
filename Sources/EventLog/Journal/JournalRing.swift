import Files
import LMDB
import Logging
import MerkleTree
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// The file of the journal: a block that says which life of the ring it holds, then records one behind the other, which
/// go on behind that block again where the file ends.
///
/// The file has its full length and is written through once before it is used, so that a record costs one write of its
/// own blocks and one flush of the disk, and never the file system's own journal. A record's place is free again once
/// LMDB's pages have its changes.
// Invariant behind @unchecked: `descriptor`, `buffer`, `place`, `lastSync` and `isDirect` are the writer's thread's
// after init; `live` is locked.
final class JournalRing: @unchecked Sendable {
  let path: String
  /// Bytes of the file.
  let size: Int
  private var descriptor: Int32
  private var isDirect: Bool
  private var buffer: UnsafeMutableRawBufferPointer
  /// How long the last record took to be on the disk, in nanoseconds.
  private(set) var lastSync: UInt64 = 0
  /// Where the next record goes, unless there is no room before the file's end.
  private(set) var place: JournalPlace
  private let live: NIOLockedValueBox<[Live]>

  private struct Live: Sendable {
    let sequence: UInt64
    let offset: Int
    let length: Int
  }

  /// Where the first record is: behind the block that names the life.
  static let first = JournalRecord.block
  /// The smallest file, in bytes.
  static let smallest = 1 << 16
  /// What the buffer keeps between two records, in bytes.
  private static let kept = 1 << 20

  static func path(_ folder: String) -> String { folder + "/journal" }

  /// Opens the journal's file, which must be there.
  private init(_ folder: String, _ place: JournalPlace) throws(EventLogError) {
    path = JournalRing.path(folder)
    self.place = place
    let opened = try JournalRing.open(path, isDirect: true)
    descriptor = opened.descriptor
    isDirect = opened.isDirect
    buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: JournalRecord.block)
    live = NIOLockedValueBox([])
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let failure = FileSystem.failure("examine", path)
      Glibc.close(descriptor)
      throw failure
    }
    size = Int(status.st_size)
    // Whoever looks at the log from outside so knows whether a server has it.
    guard JournalLock.take(descriptor) else {
      let failure = FileSystem.failure("lock", path)
      Glibc.close(descriptor)
      throw failure
    }
  }

  deinit {
    buffer.deallocate()
    close()
  }

  /// Ends it: nothing is written any more, and another process may have it.
  func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  private static func open(
    _ path: String, isDirect: Bool
  ) throws(EventLogError) -> (descriptor: Int32, isDirect: Bool) {
    let flags = O_RDWR | O_CLOEXEC | O_DSYNC
    if isDirect {
      // Past the page cache: the blocks are written once and, as a rule, never read.
      let descriptor = Glibc.open(path, flags | __O_DIRECT)
      if descriptor >= 0 { return (descriptor, true) }
      guard errno == EINVAL else { throw FileSystem.failure("open", path) }
    }
    let descriptor = Glibc.open(path, flags)
    guard descriptor >= 0 else { throw FileSystem.failure("open", path) }
    return (descriptor, false)
  }

  // MARK: - Opening

  /// Makes the file for a log whose pages have everything, where it is missing or has another size.
  static func prepare(_ folder: String, size: Int) throws(EventLogError) {
    let path = path(folder)
    var status = stat()
    if stat(path, &status) == 0, Int(status.st_size) == size { return }
    let new = path + ".new"
    try FileSystem.remove(new)
    let descriptor = Glibc.open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileSystem.failure("make", new) }
    defer { Glibc.close(descriptor) }
    do throws(EventLogError) {
      let zeros = [UInt8](repeating: 0, count: min(size, 1 << 20))
      var done = 0
      while done < size {
        let count = min(zeros.count, size - done)
        try FileSystem.write(
          count == zeros.count ? zeros : Array(zeros[..<count]), to: descriptor, at: Int64(done), new)
        done += count
      }
      guard fsync(descriptor) == 0 else { throw FileSystem.failure("sync", new) }
      try FileSystem.rename(new, to: path)
    } catch {
      // What can't be removed goes with the next attempt.
      _ = try? FileSystem.remove(new)
      throw error
    }
    try FileSystem.syncFolder(folder)
  }

  /// Begins a new life of the ring.
  static func begin(_ folder: String, size: Int, ring: [UInt8]) throws(EventLogError) -> JournalRing {
    try prepare(folder, size: size)
    let new = try JournalRing(folder, JournalPlace(ring: ring))
    let title = UnsafeMutableRawBufferPointer.allocate(byteCount: first, alignment: JournalRecord.block)
    defer { title.deallocate() }
    title.copyBytes(from: JournalRing.title(ring))
    try new.write(UnsafeRawBufferPointer(title), at: 0)
    return new
  }

  /// The block that names a life: a mark, the 16 bytes, SHA-256 of both, zeros.
  private static func title(_ ring: [UInt8]) -> [UInt8] {
    let named = Array("DAYBRING".utf8) + ring
    let hash = named.withUnsafeBytes { RFC6962.sha256($0) }.bytes
    return named + hash + [UInt8](repeating: 0, count: first - named.count - hash.count)
  }

  /// Goes on with a ring whose life hasn't ended, and lends every record that LMDB's pages don't have to a closure.
  ///
  /// What is found is synced first: what a process has written that was killed may be in the disk's memory alone.
  /// - Throws: ``EventLogError`` `damaged` where the file is missing, or a record isn't whole though a later one is.
  static func resume(
    _ folder: String, from place: JournalPlace, _ visit: (JournalRecord, JournalPlace) throws -> Void
  ) throws -> JournalRing {
    guard FileSystem.exists(path(folder)) else { throw JournalRing.missing(folder) }
    let ring = try JournalRing(folder, place)
    guard fdatasync(ring.descriptor) == 0 else { throw FileSystem.failure("sync", ring.path) }
    try scan(folder, from: place) { record, offset, next in
      ring.live.withLockedValue {
        $0.append(Live(sequence: record.sequence, offset: offset, length: record.length))
      }
      ring.place = next
      try visit(record, next)
    }
    return ring
  }

  static func missing(_ folder: String) -> EventLogError {
    .damaged(
      "The journal \(path(folder)) is missing, and the log in \(folder) was not closed: its last events may be in the "
        + "journal alone. Nothing was changed. Put the file back that belongs to this log; if it is lost for good, keep a "
        + "copy of the folder and restore the last good backup.")
  }

  /// Reads the records behind a place, in order, with the offset of each and the place behind it.
  /// - Throws: as ``resume(_:from:_:)``.
  static func scan(
    _ folder: String, from start: JournalPlace, _ visit: (JournalRecord, Int, JournalPlace) throws -> Void
  ) throws {
    let path = path(folder)
    guard let bytes = try FileSystem.read(path) else { throw missing(folder) }
    guard bytes.prefix(first).elementsEqual(title(start.ring)) else {
      throw EventLogError.damaged(
        "The journal \(path) is damaged, or another log's, and the log was not closed: its last events may be in the "
          + "journal alone. Nothing was changed. Put the file back that belongs to this log; if it is lost for good, keep "
          + "a copy of the folder and restore the last good backup.")
    }
    try bytes.withUnsafeBytes { bytes in
      func record(at offset: Int) -> JournalRecord? {
        guard offset % JournalRecord.block == 0, offset >= first, offset < bytes.count else { return nil }
        return JournalRecord(UnsafeRawBufferPointer(rebasing: bytes[offset...]), ring: start.ring)
      }
      var place = start
      func next() -> (record: JournalRecord, offset: Int)? {
        let offset = Int(clamping: place.offset)
        for candidate in offset == first ? [first] : [offset, first] {
          guard let found = record(at: candidate), found.sequence == place.sequence, found.previous == place.previous
          else { continue }
          return (found, candidate)
        }
        return nil
      }
      while let (record, offset) = next() {
        place.sequence += 1
        place.offset = UInt64(offset + record.length)
        place.previous = record.hash
        try visit(record, offset, place)
      }
      // A record is written once the one before it is on the disk: only the last can be torn.
      for offset in stride(from: first, to: bytes.count, by: JournalRecord.block) {
        guard let later = record(at: offset), later.sequence >= place.sequence else { continue }
        throw EventLogError.damaged(
          "The journal \(path) is damaged: record \(place.sequence) isn't whole, but record \(later.sequence) is, with "
            + "the events from position \(later.firstPosition) on. What is missing before it was acknowledged. Nothing "
            + "was changed. Put the file back that belongs to this log; if it is lost for good, keep a copy of the "
            + "folder and restore the last good backup.")
      }
    }
  }

  /// Finds the record that continues a tree, whatever life of the ring it is of: for pages that can't tell any more
  /// where the journal goes on. Answers the place before it; nil where there is none.
  static func find(_ folder: String, continuing head: StoredHead) throws -> JournalPlace? {
    guard let bytes = try FileSystem.read(path(folder)) else { return nil }
    return bytes.withUnsafeBytes { bytes in
      for offset in stride(from: first, to: bytes.count, by: JournalRecord.block) {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        guard let ring = JournalRecord.ring(of: rest), let record = JournalRecord(rest, ring: ring) else { continue }
        // Only what belongs there has the root that comes with it.
        guard record.events > 0, JournalReplay(head).isContinued(by: record) else { continue }
        var place = JournalPlace(ring: ring)
        place.sequence = record.sequence
        place.offset = UInt64(offset)
        place.previous = record.previous
        return place
      }
      return nil
    }
  }

  // MARK: - Writing

  /// The most bytes of changes that one record takes.
  var largest: Int { size / 4 - JournalRecord.headerLength }

  /// Where a record of that length would go; nil where there is no room before LMDB's pages have older ones.
  private func room(for length: Int) -> Int? {
    let offset = Int(place.offset)
    return live.withLockedValue { live in
      guard let first = live.first else { return offset + length <= size ? offset : JournalRing.first }
      // What is in use reaches from the oldest record to here, over the file's end where that comes first.
      if offset <= first.offset { return offset + length <= first.offset ? offset : nil }
      if offset + length <= size { return offset }
      return JournalRing.first + length <= first.offset ? JournalRing.first : nil
    }
  }

  /// Whether there is room for a record of so many bytes of changes.
  func hasRoom(for bytes: Int) -> Bool { room(for: JournalRecord.length(ofChanges: bytes)) != nil }

  /// Writes a batch and syncs it; there must be room. Answers the place behind it.
  /// - Throws: ``EventLogError``: `diskFull`, or `diskFailed`, after which nothing more may be written: whether the
  ///   record is there isn't known.
  func write(_ batch: EncodedBatch, bytes: Int, root: Digest) throws(EventLogError) -> JournalPlace {
    let length = JournalRecord.length(ofChanges: bytes)
    guard let offset = room(for: length) else {
      throw EventLogError(.storage, "The journal has no room for \(length) bytes.")
    }
    if buffer.count < length {
      buffer.deallocate()
      buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(length, 1 << 14), alignment: JournalRecord.block)
    }
    defer {
      if buffer.count > JournalRing.kept {
        buffer.deallocate()
        buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: JournalRecord.block)
      }
    }
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
    let hash = JournalRecord.write(batch, bytes: bytes, root: root, at: place, to: target)
    let began = Inbox.now
    try write(UnsafeRawBufferPointer(target), at: offset)
    lastSync = Inbox.now - began
    live.withLockedValue { $0.append(Live(sequence: place.sequence, offset: offset, length: length)) }
    place.sequence += 1
    place.offset = UInt64(offset + length)
    place.previous = hash
    return place
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(EventLogError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset + done))
      if count > 0 {
        done += count
        continue
      }
      let code = count == 0 ? EIO : errno
      if code == EINTR { continue }
      if code == EINVAL, isDirect {
        // Some file systems refuse only when it comes to writing.
        try reopenThroughCache()
        continue
      }
      if code == ENOSPC || code == EDQUOT { throw EventLogError.diskFull(code) }
      throw EventLogError.journalFailed(FileError("write", path, code: code))
    }
  }

  private func reopenThroughCache() throws(EventLogError) {
    let opened = try JournalRing.open(path, isDirect: false)
    Glibc.close(descriptor)
    descriptor = opened.descriptor
    isDirect = false
    guard JournalLock.take(descriptor) else { throw FileSystem.failure("lock", path) }
  }

  /// Frees the records before a number, whose changes LMDB's pages have.
  func release(before sequence: UInt64) {
    live.withLockedValue { live in
      let kept = live.firstIndex { $0.sequence >= sequence } ?? live.count
      live.removeSubrange(..<kept)
    }
  }

  /// Overwrites every record that is free, and syncs that: what was in it is in LMDB's pages or nowhere. Nothing may be
  /// written meanwhile.
  func wipe() throws(EventLogError) {
    let inUse = live.withLockedValue { live in live.map { $0.offset..<($0.offset + $0.length) } }
    let piece = min(size, 1 << 18)
    let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: JournalRecord.block)
    defer { zeros.deallocate() }
    zeros.initializeMemory(as: UInt8.self, repeating: 0)
    var offset = JournalRing.first
    while offset < size {
      var count = min(piece, size - offset)
      if let used = inUse.first(where: { $0.contains(offset) }) {
        offset = used.upperBound
        continue
      }
      for used in inUse where used.lowerBound > offset { count = min(count, used.lowerBound - offset) }
      try write(UnsafeRawBufferPointer(rebasing: zeros[..<count]), at: offset)
      offset += count
    }
  }
}

extension EventLogError {
  static func journalFailed(_ error: FileError) -> EventLogError {
    EventLogError(
      .diskFailed,
      "The disk failed a write of the journal. \(error.description) Nothing that was acknowledged is lost, and reads go "
        + "on; a command that was answered with this may be in the log or not. Writes are refused until the server is "
        + "started again. If it comes again, replace the disk.", underlying: error.code)
  }
}
