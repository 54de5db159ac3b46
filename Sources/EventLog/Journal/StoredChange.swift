/// One change of what the log stores: a value under a key of a database, or a key of it deleted.
struct StoredChange: Sendable, Equatable {
  /// The database's place in ``Databases/names``.
  let database: UInt8
  let key: [UInt8]
  /// Nil where the key is deleted.
  let value: [UInt8]?
}

/// What a batch changes, database by database in the order of the keys, and the head that it makes.
struct EncodedBatch: Sendable {
  var changes: [StoredChange] = []
  var head = StoredHead()
  /// The position of its first event, or that of the next one where it has none.
  var firstPosition: UInt64 = 0
  /// How many events it has.
  var events = 0
  /// Whether it replaces bodies of events before it. Such a batch goes to LMDB's pages at once and never through the
  /// journal, so that whoever reads records in order finds no older body in the pages than the log has.
  var replacesBodies = false

  /// How many bytes the changes take in a record of the journal.
  var byteCount: Int {
    changes.reduce(0) { $0 + StoredChange.overhead + $1.key.count + ($1.value?.count ?? 0) }
  }
}

extension StoredChange {
  /// The bytes before key and value: the database, with the highest bit where it deletes, and the two lengths.
  static let overhead = 7

  /// Writes changes one behind the other. There must be room for ``EncodedBatch/byteCount`` bytes.
  static func write(_ changes: [StoredChange], to buffer: UnsafeMutableRawBufferPointer) {
    var offset = 0
    func put(_ bytes: [UInt8]) {
      bytes.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress, let target = buffer.baseAddress else { return }
        (target + offset).copyMemory(from: start, byteCount: bytes.count)
      }
      offset += bytes.count
    }
    for change in changes {
      buffer[offset] = change.database | (change.value == nil ? 0x80 : 0)
      buffer.storeBytes(of: UInt16(change.key.count).littleEndian, toByteOffset: offset + 1, as: UInt16.self)
      buffer.storeBytes(of: UInt32(change.value?.count ?? 0).littleEndian, toByteOffset: offset + 3, as: UInt32.self)
      offset += overhead
      put(change.key)
      if let value = change.value { put(value) }
    }
  }

  /// Reads what ``write(_:to:)`` has written; nil where it isn't that.
  static func read(_ bytes: UnsafeRawBufferPointer) -> [StoredChange]? {
    var changes: [StoredChange] = []
    var offset = 0
    while offset < bytes.count {
      guard bytes.count - offset >= overhead else { return nil }
      let first = bytes[offset]
      let database = first & 0x7f
      let isDeleted = first & 0x80 != 0
      let keyLength = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 1, as: UInt16.self)))
      let valueLength = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 3, as: UInt32.self)))
      offset += overhead
      guard database < Databases.names.count, keyLength > 0, !isDeleted || valueLength == 0,
        bytes.count - offset >= keyLength + valueLength
      else { return nil }
      let key = Array(bytes[offset..<(offset + keyLength)])
      offset += keyLength
      let value = isDeleted ? nil : Array(bytes[offset..<(offset + valueLength)])
      offset += valueLength
      changes.append(StoredChange(database: database, key: key, value: value))
    }
    return changes
  }
}
