import MerkleTree

/// A place in the journal between two records: where it goes on, and what is before it.
///
/// `meta` keeps the place behind the last record whose changes LMDB's pages have, in the same commit as these.
struct JournalPlace: Sendable, Equatable {
  /// Which life of the ring it is in: 16 random bytes. What an earlier life has left in the file counts for nothing.
  var ring: [UInt8]
  /// The number of the next record.
  var sequence: UInt64 = 0
  /// Where in the file the next record is, unless it is at ``JournalRing/first``.
  var offset = UInt64(JournalRing.first)
  /// The hash of the record before it; zeros before the first.
  var previous = Digest.zero

  /// The beginning of a new life.
  init(ring: [UInt8]) { self.ring = ring }

  var encoded: [UInt8] { ring + Key.position(sequence) + Key.position(offset) + previous.bytes }

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == 64, let previous = Digest(bytes: UnsafeRawBufferPointer(rebasing: bytes[32...])) else {
      return nil
    }
    ring = Array(bytes[..<16])
    sequence = Key.readPosition(UnsafeRawBufferPointer(rebasing: bytes[16..<24]))
    offset = Key.readPosition(UnsafeRawBufferPointer(rebasing: bytes[24..<32]))
    self.previous = previous
  }
}
