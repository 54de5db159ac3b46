import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

/// A fixed state of the environment. What it returns points into the map and is valid until the transaction ends.
public struct ReadTransaction {
  let pointer: OpaquePointer

  /// The value under a key.
  public func get(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> UnsafeRawBufferPointer? {
    try LMDB.get(pointer, database, key)
  }

  /// How many entries and pages a database has.
  public func statistics(_ database: Database) throws(LMDBError) -> DatabaseStatistics {
    try LMDB.statistics(pointer, database.handle)
  }

  /// The pages of the tree of databases, and the pages that are free: with all databases' pages and the two of the
  /// environment itself, they must add up to the pages in use.
  public func housekeepingPages() throws(LMDBError) -> (directory: UInt64, freeList: UInt64, free: UInt64) {
    let free = try LMDB.statistics(pointer, 0)
    let directory = try LMDB.statistics(pointer, 1)
    let cursor = try Cursor(pointer, 0, name: "free list")
    var pages: UInt64 = 0
    var next = try cursor.first()
    while let (_, value) = next {
      if value.count >= 8 { pages += UInt64(value.loadUnaligned(as: UInt.self)) }
      next = try cursor.next()
    }
    return (directory.pages, free.pages, pages)
  }

  /// A cursor over a database.
  public func cursor(_ database: Database) throws(LMDBError) -> Cursor {
    try Cursor(pointer, database.handle, name: database.name)
  }
}

// Used by one thread only, which is why it is not Sendable.
/// The one transaction that may write. Nothing is visible to others before ``commit()``, which returns after the disk has it.
public final class WriteTransaction {
  private let pointer: OpaquePointer
  private let environment: Environment
  private var isOver = false

  init(pointer: OpaquePointer, environment: Environment) {
    self.pointer = pointer
    self.environment = environment
  }

  deinit { abort() }

  /// The value under a key; valid until the next write in this transaction.
  public func get(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> UnsafeRawBufferPointer? {
    try LMDB.get(pointer, database, key)
  }

  /// Puts a value under a key, over what was there.
  public func put(_ database: Database, _ key: [UInt8], _ value: [UInt8]) throws(LMDBError) {
    try put(database, key, value, flags: 0)
  }

  /// Puts a value under a key greater than every other: fast, and refused where it isn't so.
  public func append(_ database: Database, _ key: [UInt8], _ value: [UInt8]) throws(LMDBError) {
    try put(database, key, value, flags: UInt32(MDB_APPEND))
  }

  private func put(_ database: Database, _ key: [UInt8], _ value: [UInt8], flags: UInt32) throws(LMDBError) {
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

  /// Removes a key; answers whether it was there.
  @discardableResult
  public func delete(_ database: Database, _ key: [UInt8]) throws(LMDBError) -> Bool {
    let code = key.withUnsafeBytes { keyBytes in
      var keyValue = MDB_val(mv_size: keyBytes.count, mv_data: UnsafeMutableRawPointer(mutating: keyBytes.baseAddress))
      return mdb_del(pointer, database.handle, &keyValue, nil)
    }
    if code == MDB_NOTFOUND { return false }
    try check(code, "delete from \(database.name)")
    return true
  }

  /// A cursor over a database; it must not outlive the transaction, nor be used after a write.
  public func cursor(_ database: Database) throws(LMDBError) -> Cursor {
    try Cursor(pointer, database.handle, name: database.name)
  }

  /// How many entries and pages a database has.
  public func statistics(_ database: Database) throws(LMDBError) -> DatabaseStatistics {
    try LMDB.statistics(pointer, database.handle)
  }

  /// Makes all of it durable, or throws and leaves nothing of it.
  public func commit() throws(LMDBError) {
    guard !isOver else { throw LMDBError(MDB_BAD_TXN, "commit") }
    isOver = true
    let code = mdb_txn_commit(pointer)
    environment.writeEnded()
    try check(code, "commit")
  }

  /// Drops all of it. Harmless after a commit.
  public func abort() {
    guard !isOver else { return }
    isOver = true
    mdb_txn_abort(pointer)
    environment.writeEnded()
  }
}

/// A position in the sorted entries of a database. What it returns is valid until its transaction ends or writes.
public final class Cursor {
  private let pointer: OpaquePointer
  private let name: String

  init(_ transaction: OpaquePointer, _ handle: MDB_dbi, name: String) throws(LMDBError) {
    var cursor: OpaquePointer?
    try check(mdb_cursor_open(transaction, handle, &cursor), "open cursor on \(name)")
    guard let cursor else { throw LMDBError(ENOMEM, "open cursor on \(name)") }
    pointer = cursor
    self.name = name
  }

  deinit { mdb_cursor_close(pointer) }

  /// An entry of the database.
  public typealias Entry = (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)

  /// The first entry.
  public func first() throws(LMDBError) -> Entry? { try move(MDB_FIRST) }
  /// The last entry.
  public func last() throws(LMDBError) -> Entry? { try move(MDB_LAST) }
  /// The entry after this one.
  public func next() throws(LMDBError) -> Entry? { try move(MDB_NEXT) }
  /// The entry before this one.
  public func previous() throws(LMDBError) -> Entry? { try move(MDB_PREV) }

  /// The entry of the least key that is not less than the given one.
  public func seek(_ key: [UInt8]) throws(LMDBError) -> Entry? {
    var keyValue = MDB_val()
    var dataValue = MDB_val()
    let code = key.withUnsafeBytes { bytes in
      keyValue = MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
      return mdb_cursor_get(pointer, &keyValue, &dataValue, MDB_SET_RANGE)
    }
    return try entry(code, keyValue, dataValue)
  }

  private func move(_ operation: MDB_cursor_op) throws(LMDBError) -> Entry? {
    var keyValue = MDB_val()
    var dataValue = MDB_val()
    return try entry(mdb_cursor_get(pointer, &keyValue, &dataValue, operation), keyValue, dataValue)
  }

  private func entry(_ code: Int32, _ key: MDB_val, _ value: MDB_val) throws(LMDBError) -> Entry? {
    if code == MDB_NOTFOUND { return nil }
    try check(code, "read \(name)")
    return (
      UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size),
      UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
    )
  }
}

private func get(
  _ transaction: OpaquePointer, _ database: Database, _ key: [UInt8]
) throws(LMDBError) -> UnsafeRawBufferPointer? {
  var dataValue = MDB_val()
  let code = key.withUnsafeBytes { bytes in
    var keyValue = MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    return mdb_get(transaction, database.handle, &keyValue, &dataValue)
  }
  if code == MDB_NOTFOUND { return nil }
  try check(code, "get from \(database.name)")
  return UnsafeRawBufferPointer(start: dataValue.mv_data, count: dataValue.mv_size)
}

private func statistics(_ transaction: OpaquePointer, _ handle: MDB_dbi) throws(LMDBError) -> DatabaseStatistics {
  var statistics = MDB_stat()
  try check(mdb_stat(transaction, handle, &statistics), "statistics")
  let pages = statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages
  return DatabaseStatistics(entries: UInt64(statistics.ms_entries), pages: UInt64(pages))
}
