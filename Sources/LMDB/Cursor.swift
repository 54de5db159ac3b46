import CLMDB

/// A position in the sorted entries of a database.
///
/// It can't be copied, and transactions only lend it. Where it stands on an entry, ``withEntry(_:)`` lends the entry's
/// bytes in place; the compiler refuses to move the cursor meanwhile, and to let the bytes leave the closure.
package struct Cursor: ~Copyable {
  private let pointer: OpaquePointer
  private let name: String
  private var key = MDB_val()
  private var value = MDB_val()
  /// Whether it stands on an entry; otherwise it is before the first move or beyond an end.
  package private(set) var isOnEntry = false

  init(_ transaction: OpaquePointer, _ handle: MDB_dbi, name: String) throws(LMDBError) {
    var cursor: OpaquePointer?
    let code = mdb_cursor_open(transaction, handle, &cursor)
    guard code == 0, let cursor else { throw LMDBError(code, "open cursor on \(name)") }
    pointer = cursor
    self.name = name
  }

  deinit { mdb_cursor_close(pointer) }

  /// Moves to the first entry. Returns whether there is one.
  @discardableResult
  package mutating func first() throws(LMDBError) -> Bool { try move(MDB_FIRST) }

  /// Moves to the last entry. Returns whether there is one.
  @discardableResult
  package mutating func last() throws(LMDBError) -> Bool { try move(MDB_LAST) }

  /// Moves to the entry after this one. Returns whether there is one.
  @discardableResult
  package mutating func next() throws(LMDBError) -> Bool { try move(MDB_NEXT) }

  /// Moves to the entry before this one. Returns whether there is one.
  @discardableResult
  package mutating func previous() throws(LMDBError) -> Bool { try move(MDB_PREV) }

  /// Moves to the entry of the least key that is not less than the given one. Returns whether there is one.
  @discardableResult
  package mutating func seek(_ wanted: [UInt8]) throws(LMDBError) -> Bool {
    let code = wanted.withUnsafeBytes { bytes in
      key = MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
      return mdb_cursor_get(pointer, &key, &value, MDB_SET_RANGE)
    }
    return try arrived(code)
  }

  /// Lends the key and the value of the entry to a closure. Returns what it returns,
  /// or nil where the cursor stands on no entry.
  @inlinable
  package borrowing func withEntry<R>(_ body: (_ key: RawSpan, _ value: RawSpan) throws -> R) rethrows -> R? {
    guard isOnEntry else { return nil }
    return try body(unsafeKey.bytes, unsafeValue.bytes)
  }

  /// Goes through the entries in the order of their keys, from the least key that is not less than the given one (or
  /// from the first), until the visitor returns false.
  package mutating func scan(
    from wanted: [UInt8]? = nil, _ visit: (_ key: RawSpan, _ value: RawSpan) throws -> Bool
  ) throws {
    if let wanted { try seek(wanted) } else { try first() }
    while try withEntry(visit) ?? false { try next() }
  }

  /// Where the key lies in the map. It stays there until a read transaction ends, or a write transaction writes; the
  /// compiler does not check it: only for readers that keep the bytes of many entries side by side.
  package var unsafeKey: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size) }

  /// Where the value lies in the map; see ``unsafeKey``.
  package var unsafeValue: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size) }

  private mutating func move(_ operation: MDB_cursor_op) throws(LMDBError) -> Bool {
    try arrived(mdb_cursor_get(pointer, &key, &value, operation))
  }

  private mutating func arrived(_ code: Int32) throws(LMDBError) -> Bool {
    isOnEntry = code == 0
    if code == MDB_NOTFOUND { return false }
    try check(code, "read \(name)")
    return true
  }
}
