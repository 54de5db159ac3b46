import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

/// A fixed state of all databases of an environment, for as long as it is owned.
///
/// The compiler guarantees that it has one owner (it can't be copied), that it ends when that owner lets it go, and
/// that no value or cursor of it is used after that: values are lent to closures as `RawSpan`s, which can't leave the
/// closure, and a cursor only exists while the transaction that it belongs to is borrowed. What the compiler doesn't
/// check: it must end on the thread that began it.
package struct ReadTransaction: ~Copyable {
  let pointer: OpaquePointer
  private let environment: Environment

  init(pointer: OpaquePointer, environment: Environment) {
    self.pointer = pointer
    self.environment = environment
  }

  deinit { environment.endRead(pointer) }

  /// Lends the value under a key to a closure, in place. Returns what the closure
  /// returns, or nil where there is no such key.
  @inlinable
  package borrowing func withValue<R>(
    _ database: Database, _ key: [UInt8], _ body: (RawSpan) throws -> R
  ) throws -> R? {
    guard let value = try find(database, key) else { return nil }
    return try body(value.bytes)
  }

  /// A copy of the value under a key; nil where there is no such key.
  package borrowing func value(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> [UInt8]? {
    try find(database, key).map { [UInt8]($0) }
  }

  /// Where the value under a key lies in the map. It stays there until the transaction ends, which the compiler does
  /// not check: only for readers that keep the bytes of many entries side by side and own the transaction for longer.
  package borrowing func unsafeValue(
    _ database: Database, _ key: [UInt8]
  ) throws(LMDBError) -> UnsafeRawBufferPointer? {
    try find(database, key)
  }

  @usableFromInline
  borrowing func find(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> UnsafeRawBufferPointer? {
    try Calls.get(pointer, database, key)
  }

  /// The number of the commit whose state it sees.
  package var number: UInt64 { UInt64(mdb_txn_id(pointer)) }

  /// How many entries and pages a database has.
  package borrowing func statistics(_ database: Database) throws(LMDBError) -> DatabaseStatistics {
    try Calls.statistics(pointer, database.handle)
  }

  /// The pages of the tree of databases, and the pages that are free: with all databases' pages and the two of the
  /// environment itself, they must add up to the pages in use.
  package borrowing func housekeepingPages() throws -> (directory: UInt64, freeList: UInt64, free: UInt64) {
    let free = try Calls.statistics(pointer, 0)
    let directory = try Calls.statistics(pointer, 1)
    var cursor = try Cursor(pointer, 0, name: "free list")
    var pages: UInt64 = 0
    try cursor.scan { _, value in
      if value.byteCount >= 8 { pages += UInt64(value.unsafeLoadUnaligned(as: UInt.self)) }
      return true
    }
    return (directory.pages, free.pages, pages)
  }

  /// How many of the pages from a number on are free.
  package borrowing func freePages(from first: UInt64) throws -> UInt64 {
    var cursor = try Cursor(pointer, 0, name: "free list")
    var count: UInt64 = 0
    try cursor.scan { _, value in
      // A list begins with its length.
      let words = value.byteCount / MemoryLayout<UInt>.size
      for word in 1..<max(1, words)
      where UInt64(value.unsafeLoadUnaligned(fromByteOffset: word * MemoryLayout<UInt>.size, as: UInt.self)) >= first {
        count += 1
      }
      return true
    }
    return count
  }

  /// Lends a cursor over a database to a closure, and closes it when the closure returns.
  @inlinable
  package borrowing func withCursor<R>(_ database: Database, _ body: (inout Cursor) throws -> R) throws -> R {
    var cursor = try cursor(on: database)
    return try body(&cursor)
  }

  /// A cursor that its owner must let go before the transaction ends, which the compiler does not check: only for
  /// readers that need a number of cursors that isn't known before.
  package borrowing func unsafeCursor(_ database: Database) throws(LMDBError) -> Cursor { try cursor(on: database) }

  @usableFromInline
  borrowing func cursor(on database: Database) throws(LMDBError) -> Cursor {
    try Cursor(pointer, database.handle, name: database.name)
  }
}
