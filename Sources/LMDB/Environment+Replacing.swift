#if canImport(Glibc)
  import Glibc
#endif

extension Environment {
  /// Puts the file of another folder's environment in the place of this one's, by one rename; what the other folder's
  /// file held must be durable. The table of readers goes: it is of the old file. Nothing is synced.
  /// - Throws: ``LMDBError``, with ``LMDBError/isOpenAlready`` where any process has the environment open.
  package static func replaceFile(in folder: String, byThatIn other: String) throws(LMDBError) {
    let entered = try OpenFolders.enter(folder)
    defer { OpenFolders.leave(entered) }
    try exchangeFile(in: folder, byThatIn: other)
  }

  /// The same, where this process has the folder but no environment on it.
  static func exchangeFile(in folder: String, byThatIn other: String) throws(LMDBError) {
    let table = folder + "/lock.mdb"
    let descriptor = open(table, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 || errno == ENOENT else { throw LMDBError(errno, "open \(table)") }
    defer { if descriptor >= 0 { Glibc.close(descriptor) } }
    if descriptor >= 0 {
      // Whoever has the environment open holds a shared lock on the first byte.
      var region = Glibc.flock()
      region.l_type = Int16(F_WRLCK)
      region.l_whence = Int16(SEEK_SET)
      region.l_len = 1
      guard fcntl(descriptor, F_SETLK, &region) == 0 else {
        throw LMDBError(
          errno == EAGAIN || errno == EACCES ? EBUSY : errno, "replace \(folder), which a process has open")
      }
    }
    guard rename(other + "/data.mdb", folder + "/data.mdb") == 0 else {
      throw LMDBError(errno, "replace \(folder)/data.mdb")
    }
    guard unlink(table) == 0 || errno == ENOENT else { throw LMDBError(errno, "remove \(table)") }
  }

  /// Puts every entry into a new file, in the order of the keys, and that file in the place of this one's. The new file
  /// was never written to otherwise, so it holds no byte of what was replaced or removed; a compacting copy would,
  /// since pages keep stale bytes between their entries.
  ///
  /// Nobody may write meanwhile. Reads go on but for the exchange, which waits for those under way.
  /// - Parameters:
  ///   - work: A folder that isn't there, beside or inside this one's on the same disk; it is removed afterwards.
  ///   - reached: Told false once the new file is whole and durable, true once it has its place.
  /// - Throws: ``LMDBError``, with ``LMDBError/isOpenAlready`` where another process has the environment open; what
  ///   `reached` throws. Either file is in use then.
  package func renew(by work: String, _ reached: (Bool) throws -> Void) throws {
    guard mkdir(work, 0o700) == 0 else { throw LMDBError(errno, "make \(work)") }
    defer {
      for name in ["data.mdb", "lock.mdb"] { unlink("\(work)/\(name)") }
      rmdir(work)
    }
    try copyEntries(to: work)
    try reached(false)
    try exchange(byThatIn: work)
    try Environment.sync(folder: path)
    try reached(true)
  }

  /// How many bytes one transaction of the copy takes.
  private static let pieceBytes = 16 << 20

  private func copyEntries(to work: String) throws {
    var options = Options()
    options.mapSize = max(mapSize, options.mapSize)
    options.isDurable = false
    let new = try Environment(folder: work, options: options)
    defer { new.close() }
    let known = databasesInUse
    let others = try new.databases(known.map(\.name))
    try read { store in
      for (database, other) in zip(known, others) {
        var piece: [(key: [UInt8], value: [UInt8])] = []
        var bytes = 0
        func put() throws {
          let target = try new.beginWrite()
          for entry in piece { try target.append(other, entry.key, entry.value) }
          try target.commit()
          piece = []
          bytes = 0
        }
        try store.withCursor(database) { cursor in
          try cursor.scan { key, value in
            piece.append((key.copy, value.copy))
            bytes += key.byteCount + value.byteCount
            if bytes > Environment.pieceBytes { try put() }
            return true
          }
        }
        try put()
        let made = try new.read { try $0.statistics(other).entries }
        guard try made == store.statistics(database).entries else {
          throw LMDBError(EIO, "copy \(database.name): entries are missing")
        }
      }
    }
    try new.sync()
    try Environment.sync(folder: work)
  }

  private static func sync(folder: String) throws(LMDBError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LMDBError(errno, "open \(folder)") }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw LMDBError(errno, "sync \(folder)") }
  }
}
