import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

/// A refusal by LMDB or by the system call below it.
package struct LMDBError: Error, Sendable, Equatable, CustomStringConvertible {
  /// LMDB's own code (negative), or an errno (positive).
  package let code: Int32
  /// What was being done, such as `commit`.
  package let operation: String

  init(_ code: Int32, _ operation: String) {
    self.code = code
    self.operation = operation
  }

  /// Whether the environment was closed before.
  package var isClosed: Bool { code == EBADF }
  /// Whether this process has the folder open already.
  package var isOpenAlready: Bool { code == EBUSY }
  /// Whether the map is full: growing it and trying again helps.
  package var isMapFull: Bool { code == MDB_MAP_FULL }
  /// Whether another process has grown the map: adopting its size and trying again helps.
  package var isMapResized: Bool { code == MDB_MAP_RESIZED }
  /// Whether there is no such database.
  package var isNotFound: Bool { code == MDB_NOTFOUND }
  /// Whether the disk, a quota or a file-size limit is exhausted: trying later may help.
  package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }
  /// Whether a write was cut short or refused by the device: LMDB says so too where
  /// the disk became full in the middle of a write.
  package var isInputOutput: Bool { code == EIO }
  /// Whether LMDB has given up on the environment after a failed write: the file isn't damaged, and opening it anew
  /// helps.
  package var isPanic: Bool { code == MDB_PANIC }
  /// Whether the file is not a healthy LMDB file.
  package var isDamage: Bool {
    [MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_VERSION_MISMATCH, MDB_CURSOR_FULL].contains(code)
  }

  /// One sentence with the operation and LMDB's own words.
  package var description: String {
    "LMDB \(operation): \(String(cString: mdb_strerror(code))) (\(code))"
  }
}

@inline(__always)
func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(LMDBError) {
  if code != 0 { throw LMDBError(code, operation()) }
}
