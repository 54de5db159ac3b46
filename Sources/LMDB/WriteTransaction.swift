import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

// Used by one thread only, which is why it is not Sendable.
/// The one transaction that may write. Nothing is visible to others before
/// ``commit()``, which returns after the disk has it.
///
/// Used after its end, it throws. Values are lent as `RawSpan`s, which the compiler keeps inside the closure; what it
/// does not check is that the closure must not write, since a write may move them.
package final class WriteTransaction {
  private let pointer: OpaquePointer
  private let environment: Environment
  private var isOver = false

  init(pointer: OpaquePointer, environment: Environment) {
    self.pointer = pointer
    self.environment = environment
  }

  deinit { abort() }

  /// Lends the value under a key to a closure, in place. Returns what the closure
  /// returns, or nil where there is no such key.
  @inlinable
  package func withValue<R>(_ database: Database, _ key: [UInt8], _ body: (RawSpan) throws -> R) throws -> R? {
    guard let value = try find(database, key) else { return nil }
    return try body(value.bytes)
  }

  /// A copy of the value under a key; nil where there is no such key.
  package func value(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> [UInt8]? {
    try find(database, key).map { [UInt8]($0) }
  }

  /// Whether there is a value under a key.
  package func contains(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> Bool {
    try find(database, key) != nil
  }

  @usableFromInline
  func find(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> UnsafeRawBufferPointer? {
    try requireOpen()
    return try Calls.get(pointer, database, key)
  }

  /// What a call after the end gets: LMDB has freed the transaction by then.
  private func requireOpen() throws(LMDBError) {
    if isOver { throw LMDBError(MDB_BAD_TXN, "use of a transaction that has ended") }
  }

  /// Puts a value under a key, over what was there.
  package func put(_ database: Database, _ key: [UInt8], _ value: [UInt8]) throws(LMDBError) {
    try put(database, key, value, flags: 0)
  }

  /// Puts a value under a key greater than every other: fast, and refused where it isn't so.
  package func append(_ database: Database, _ key: [UInt8], _ value: [UInt8]) throws(LMDBError) {
    try put(database, key, value, flags: UInt32(MDB_APPEND))
  }

  private func put(_ database: Database, _ key: [UInt8], _ value: [UInt8], flags: UInt32) throws(LMDBError) {
    try requireOpen()
    let code = key.withUnsafeBytes { keyBytes in
      value.withUnsafeBytes { valueBytes in
        var keyValue = MDB_val(
          mv_size: keyBytes.count, mv_data: UnsafeMutableRawPointer(mutating: keyBytes.baseAddress))
        var dataValue = MDB_val(
          mv_size: valueBytes.count, mv_data: UnsafeMutableRawPointer(mutating: valueBytes.baseAddress))
        return mdb_put(pointer, database.handle, &keyValue, &dataValue, flags)
      }
    }
    try check(code, "put in \(database.name)")
  }

  /// Removes a key. Returns whether it was there.
  @discardableResult
  package func delete(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> Bool {
    try requireOpen()
    let code = key.withUnsafeBytes { keyBytes in
      var keyValue = MDB_val(mv_size: keyBytes.count, mv_data: UnsafeMutableRawPointer(mutating: keyBytes.baseAddress))
      return mdb_del(pointer, database.handle, &keyValue, nil)
    }
    if code == MDB_NOTFOUND { return false }
    try check(code, "delete from \(database.name)")
    return true
  }

  /// Lends a cursor over a database to a closure, and closes it when the closure returns. The closure must not write.
  @inlinable
  package func withCursor<R>(_ database: Database, _ body: (inout Cursor) throws -> R) throws -> R {
    var cursor = try cursor(on: database)
    return try body(&cursor)
  }

  @usableFromInline
  func cursor(on database: Database) throws(LMDBError) -> Cursor {
    try requireOpen()
    return try Cursor(pointer, database.handle, name: database.name)
  }

  /// How many entries and pages a database has.
  package func statistics(_ database: Database) throws(LMDBError) -> DatabaseStatistics {
    try requireOpen()
    return try Calls.statistics(pointer, database.handle)
  }

  /// Makes all of it durable, or throws and leaves nothing of it.
  package func commit() throws(LMDBError) {
    try requireOpen()
    isOver = true
    let code = mdb_txn_commit(pointer)
    environment.writeEnded()
    try check(code, "commit")
  }

  /// Drops all of it. Harmless after a commit.
  package func abort() {
    guard !isOver else { return }
    isOver = true
    mdb_txn_abort(pointer)
    environment.writeEnded()
  }
}
