import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

/// The calls that both kinds of transaction make.
enum Calls {
  static func get(
    _ transaction: OpaquePointer, _ database: Database, _ key: [UInt8]
  ) throws(LMDBError) -> UnsafeRawBufferPointer? {
    var value = MDB_val()
    let code = key.withUnsafeBytes { bytes in
      var key = MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
      return mdb_get(transaction, database.handle, &key, &value)
    }
    if code == MDB_NOTFOUND { return nil }
    try check(code, "get from \(database.name)")
    return UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
  }

  static func statistics(_ transaction: OpaquePointer, _ handle: MDB_dbi) throws(LMDBError) -> DatabaseStatistics {
    var statistics = MDB_stat()
    try check(mdb_stat(transaction, handle, &statistics), "statistics")
    let pages = statistics.ms_branch_pages + statistics.ms_leaf_pages + statistics.ms_overflow_pages
    return DatabaseStatistics(entries: UInt64(statistics.ms_entries), pages: UInt64(pages))
  }
}
