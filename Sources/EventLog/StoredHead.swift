import BasicTypes
import MerkleTree

/// What `meta` keeps under `head`: the right edge of the tree and the time of the last event.
package struct StoredHead: Sendable, Equatable {
  package var frontier = TreeFrontier()
  package var at = Timestamp(microseconds: 0)

  package var encoded: [UInt8] {
    var out = Key.position(frontier.size) + Key.position(UInt64(bitPattern: at.microseconds))
    for hash in frontier.hashes { out.append(contentsOf: hash.bytes) }
    return out
  }

  package init() {}

  /// The head that `meta` holds, with its checksum.
  /// - Throws: ``EventLogError`` `damaged` where the checksum is not its own.
  init(stored: RawSpan) throws {
    let key = Key.meta("head")
    guard let value = Checksummed.value(key.span.bytes, stored), let head = value.withUnsafeBytes({ StoredHead($0) })
    else { throw EventLogError.damaged("the stored head of the log is damaged") }
    self = head
  }

  package init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 16, (bytes.count - 16) % 32 == 0 else { return nil }
    let size = Key.readPosition(bytes)
    let micros = Int64(bitPattern: Key.readPosition(UnsafeRawBufferPointer(rebasing: bytes[8..<16])))
    var hashes: [Digest] = []
    for start in stride(from: 16, to: bytes.count, by: 32) {
      guard let hash = Digest(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + 32)])) else { return nil }
      hashes.append(hash)
    }
    guard let frontier = TreeFrontier(size: size, hashes: hashes) else { return nil }
    self.frontier = frontier
    at = Timestamp(microseconds: micros)
  }
}
