import LMDB

extension LogSnapshot {
  /// Headers from a position on, as they are hashed, at most so many and, after the first, at most so many bytes;
  /// no body is read.
  public func headers(from position: UInt64, limit: Int, maximumBytes: Int) throws -> [[UInt8]] {
    var result: [[UInt8]] = []
    let first = max(1, position)
    guard first <= head.position, limit > 0 else { return result }
    var expected = first
    var bytes = 0
    var isCut = false
    try store.scan(databases.headers, from: Key.position(first)) { key, header in
      guard expected <= head.position else { return false }
      guard key.byteCount == 8, Key.readPosition(key) == expected else {
        throw EventLogError.damaged("position \(expected) is missing")
      }
      bytes += header.byteCount
      isCut = !result.isEmpty && bytes > maximumBytes
      if isCut { return false }
      result.append(header.copy)
      expected += 1
      isCut = result.count == limit
      return !isCut
    }
    guard isCut || expected > head.position else { throw EventLogError.damaged("position \(expected) is missing") }
    return result
  }
}
