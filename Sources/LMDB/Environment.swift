import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

// Invariant behind @unchecked: LMDB's environment calls are thread-safe; a write transaction is used by the thread that
// began it only; `resizing` keeps transactions apart from a change of the map or the environment and from the end, and
// guards `environment`, `isLost` and `isClosed`; `spare` and `opened` are guarded by `spareLock`, `copies` and
// `changes` by `copying`.
/// An LMDB environment: one memory-mapped file, one writer at a time, any number of readers that see a fixed state.
///
/// Reads take a shared lock and growing the map takes it alone, since LMDB must
/// not be resized under a running transaction. A process has a folder open once: a
/// second environment on it is refused with `EBUSY`, unless it ignores locks.
package final class Environment: @unchecked Sendable {
  /// What an environment is opened with.
  package struct Options: Sendable {
    /// Bytes of address space to begin with; the file is only as large as what is in it.
    package var mapSize: Int = 1 << 30
    /// How many named databases there can be.
    package var maximumDatabases: UInt32 = 32
    /// How many reads can be under way at once, over all processes.
    package var maximumReaders: UInt32 = 510
    /// Whether nothing will be written.
    package var isReadOnly = false
    /// Whether commits are durable when they return. Where they aren't, a crash of the machine may leave anything:
    /// only for an environment that nobody relies on before ``sync()``.
    package var isDurable = true
    /// Whether to leave the lock file alone; only for a folder that nobody writes to.
    package var ignoresLocks = false
    /// File mode of a new file.
    package var mode: mode_t = 0o600

    /// The defaults.
    package init() {}
  }

  private(set) var environment: OpaquePointer
  let isReadOnly: Bool
  let path: String
  private let options: Options
  private var resizing = pthread_rwlock_t()
  private var spareLock = pthread_mutex_t()
  private var spare: [OpaquePointer] = []
  private var copying = pthread_mutex_t()
  private var changed = pthread_cond_t()
  /// The copies under way, and how many changes of the map wait for them to give way.
  private var copies: [CopyRelay] = []
  private var changes = 0
  private var isClosed = false
  /// Whether there is no environment, since opening it anew has failed.
  private var isLost = false
  private var folder: OpenFolders.Identity?
  /// The databases in the order in which they were opened.
  private var opened: [Database] = []

  /// Opens or makes `data.mdb` in an existing folder.
  ///
  /// - Throws: ``LMDBError``, with ``LMDBError/isOpenAlready`` where this process has the folder open.
  package init(folder: String, options: Options = Options()) throws(LMDBError) {
    let entered = options.ignoresLocks ? nil : try OpenFolders.enter(folder)
    do throws(LMDBError) {
      environment = try Environment.make(folder, options)
    } catch {
      if let entered { OpenFolders.leave(entered) }
      throw error
    }
    path = folder
    self.options = options
    self.folder = entered
    isReadOnly = options.isReadOnly
    // Readers' locks must be preferred by nobody: the default (readers first) suits, since growing is rare and waits.
    pthread_rwlock_init(&resizing, nil)
    pthread_mutex_init(&spareLock, nil)
    pthread_mutex_init(&copying, nil)
    pthread_cond_init(&changed, nil)
  }

  private static func make(_ folder: String, _ options: Options) throws(LMDBError) -> OpaquePointer {
    var pointer: OpaquePointer?
    try check(mdb_env_create(&pointer), "create environment")
    guard let environment = pointer else { throw LMDBError(ENOMEM, "create environment") }
    do throws(LMDBError) {
      try check(mdb_env_set_mapsize(environment, options.mapSize), "set map size")
      try check(mdb_env_set_maxdbs(environment, options.maximumDatabases), "set maximum of databases")
      try check(mdb_env_set_maxreaders(environment, options.maximumReaders), "set maximum of readers")
      // MDB_NOTLS: a read belongs to its transaction, not to a thread. Never MDB_NOMEMINIT: it would let stray memory,
      // which may be personal, into the file.
      var flags = UInt32(MDB_NOTLS)
      if options.isReadOnly { flags |= UInt32(MDB_RDONLY) }
      if options.ignoresLocks { flags |= UInt32(MDB_NOLOCK) }
      if !options.isDurable { flags |= UInt32(MDB_NOSYNC) }
      try check(mdb_env_open(environment, folder, flags, options.mode), "open \(folder)")
    } catch {
      mdb_env_close(environment)
      throw error
    }
    return environment
  }

  deinit {
    close()
    pthread_rwlock_destroy(&resizing)
    pthread_mutex_destroy(&spareLock)
    pthread_mutex_destroy(&copying)
    pthread_cond_destroy(&changed)
  }

  /// Ends it, once the transactions under way have ended; later ones are refused. Calling it twice is harmless.
  package func close() {
    interruptCopies()
    defer { letCopiesGoOn() }
    pthread_rwlock_wrlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    guard !isClosed else { return }
    end()
  }

  /// Frees what is LMDB's; nobody else uses the environment by then.
  private func end() {
    isClosed = true
    free()
    if let folder { OpenFolders.leave(folder) }
    folder = nil
  }

  /// Closes the environment; the caller holds `resizing` alone.
  private func free() {
    for transaction in spare { mdb_txn_abort(transaction) }
    spare = []
    if !isLost { mdb_env_close(environment) }
    isLost = true
  }

  /// What a call on a closed environment gets; the caller holds `resizing`.
  private func requireOpen() throws(LMDBError) {
    if isClosed { throw LMDBError(EBADF, "use of a closed environment") }
    if isLost { throw LMDBError(MDB_PANIC, "use of a file that could not be opened again") }
  }

  /// Opens the file anew where LMDB has given up on it: after a write to the pages at its front that failed, LMDB
  /// refuses reads too. Waits for the reads under way. What was committed is there again; the transaction that failed
  /// may be there or not.
  /// - Returns: Whether it had to be opened anew.
  /// - Throws: ``LMDBError`` where it can't be opened; every use is refused then, and this may be tried again.
  package func reopenIfNeeded() throws(LMDBError) -> Bool {
    pthread_rwlock_rdlock(&resizing)
    let isNeeded = !isClosed && (isLost || hasPanicked())
    pthread_rwlock_unlock(&resizing)
    guard isNeeded else { return false }
    interruptCopies()
    defer { letCopiesGoOn() }
    pthread_rwlock_wrlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    if isClosed { throw LMDBError(EBADF, "use of a closed environment") }
    try reopen(mapSize: isLost ? options.mapSize : mapSize)
    return true
  }

  /// Whether every use is refused, since opening the file anew has failed.
  package var isUnusable: Bool {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    return isLost && !isClosed
  }

  /// Whether LMDB refuses every transaction.
  private func hasPanicked() -> Bool {
    var pointer: OpaquePointer?
    let code = mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &pointer)
    if code == 0 { mdb_txn_abort(pointer) }
    return code == MDB_PANIC
  }

  /// Puts another folder's file in the place of this one's and opens it, once the reads under way have ended.
  /// - Throws: ``LMDBError`` where the file stays as it was and is open again, or where it can't be opened.
  func exchange(byThatIn other: String) throws(LMDBError) {
    interruptCopies()
    defer { letCopiesGoOn() }
    pthread_rwlock_wrlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    let size = mapSize
    free()
    var failure: LMDBError?
    do throws(LMDBError) {
      try Environment.exchangeFile(in: path, byThatIn: other)
    } catch {
      failure = error
    }
    try reopen(mapSize: size)
    if let failure { throw failure }
  }

  /// The databases that were opened, in that order.
  var databasesInUse: [Database] {
    pthread_mutex_lock(&spareLock)
    defer { pthread_mutex_unlock(&spareLock) }
    return opened
  }

  /// Closes the environment and opens it with the same databases; the caller holds `resizing` alone.
  private func reopen(mapSize: Int) throws(LMDBError) {
    free()
    var options = options
    options.mapSize = mapSize
    environment = try Environment.make(path, options)
    isLost = false
    do throws(LMDBError) {
      // LMDB numbers them in the order of opening, so those that others hold stay right.
      let known = opened
      guard try handles(known.map(\.name)) == known else { throw LMDBError(MDB_BAD_DBI, "open the databases anew") }
    } catch {
      free()
      throw error
    }
  }

  /// Opens databases, making those that are missing unless the environment is read-only.
  package func databases(_ names: [String]) throws(LMDBError) -> [Database] {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    let result = try handles(names)
    pthread_mutex_lock(&spareLock)
    defer { pthread_mutex_unlock(&spareLock) }
    for database in result where !opened.contains(database) { opened.append(database) }
    return result
  }

  private func handles(_ names: [String]) throws(LMDBError) -> [Database] {
    var transaction: OpaquePointer?
    try check(mdb_txn_begin(environment, nil, isReadOnly ? UInt32(MDB_RDONLY) : 0, &transaction), "begin")
    var result: [Database] = []
    for name in names {
      var handle: MDB_dbi = 0
      let code = mdb_dbi_open(transaction, name, isReadOnly ? 0 : UInt32(MDB_CREATE), &handle)
      if code != 0 {
        mdb_txn_abort(transaction)
        throw LMDBError(code, "open database \(name)")
      }
      result.append(Database(name: name, handle: handle))
    }
    try check(mdb_txn_commit(transaction), "commit")
    return result
  }

  /// Begins a read: a fixed state of all databases. It ends when its owner lets it go, on the thread that began it.
  ///
  /// Keep it short: pages that it can see can't be reused, and the map can't grow meanwhile.
  ///
  /// A read-only environment follows a map that another process has grown; there a read may wait for those under way,
  /// so that a thread has one at a time.
  package func beginRead() throws(LMDBError) -> ReadTransaction {
    while true {
      pthread_rwlock_rdlock(&resizing)
      do throws(LMDBError) {
        try requireOpen()
        return ReadTransaction(pointer: try spareOrNewRead(), environment: self)
      } catch {
        pthread_rwlock_unlock(&resizing)
        guard isReadOnly, error.isMapResized else { throw error }
      }
      try resize(to: 0)
    }
  }

  /// Lends a read to a closure, and ends it when the closure returns.
  ///
  /// The compiler guarantees that neither the transaction nor bytes in the map outlive the closure: the transaction
  /// can't be copied or kept, and values are lent as `RawSpan`s, which can't be returned or stored.
  @inlinable
  package func read<R>(_ body: (borrowing ReadTransaction) throws -> R) throws -> R {
    let transaction = try beginRead()
    return try body(transaction)
  }

  private func spareOrNewRead() throws(LMDBError) -> OpaquePointer {
    pthread_mutex_lock(&spareLock)
    let reused = spare.popLast()
    pthread_mutex_unlock(&spareLock)
    if let reused {
      let code = mdb_txn_renew(reused)
      if code == 0 { return reused }
      mdb_txn_abort(reused)
      if code != MDB_MAP_RESIZED { throw LMDBError(code, "renew read") }
    }
    var pointer: OpaquePointer?
    try check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &pointer), "begin read")
    guard let pointer else { throw LMDBError(ENOMEM, "begin read") }
    return pointer
  }

  /// Takes a read back; for ``ReadTransaction``.
  func endRead(_ pointer: OpaquePointer) {
    defer { pthread_rwlock_unlock(&resizing) }
    mdb_txn_reset(pointer)
    pthread_mutex_lock(&spareLock)
    if spare.count < 64 {
      spare.append(pointer)
      pthread_mutex_unlock(&spareLock)
    } else {
      pthread_mutex_unlock(&spareLock)
      mdb_txn_abort(pointer)
    }
  }

  /// Begins the one write transaction; the calling thread owns it until it commits or aborts.
  package func beginWrite() throws(LMDBError) -> WriteTransaction {
    pthread_rwlock_rdlock(&resizing)
    var pointer: OpaquePointer?
    do throws(LMDBError) {
      try requireOpen()
      try check(mdb_txn_begin(environment, nil, 0, &pointer), "begin write")
    } catch {
      pthread_rwlock_unlock(&resizing)
      throw error
    }
    guard let pointer else {
      pthread_rwlock_unlock(&resizing)
      throw LMDBError(ENOMEM, "begin write")
    }
    return WriteTransaction(pointer: pointer, environment: self)
  }

  func writeEnded() { pthread_rwlock_unlock(&resizing) }

  /// Sets the map's size, once all reads under way have ended; 0 adopts what another process has set. Copies don't keep
  /// it waiting: they give way and begin again.
  /// - Throws: ``LMDBError`` where there is no room for a map of that size; the map stays as it is.
  package func resize(to bytes: Int) throws(LMDBError) {
    interruptCopies()
    defer { letCopiesGoOn() }
    pthread_rwlock_wrlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    let before = mapSize
    // LMDB gives the old map up before it makes the new one, and has none where that fails.
    if bytes > 0 { try requireRoom(for: bytes) }
    do throws(LMDBError) {
      try check(mdb_env_set_mapsize(environment, bytes), "resize map")
    } catch {
      try reopen(mapSize: before)
      throw error
    }
  }

  /// Makes a second map of that size for a moment.
  /// - Throws: ``LMDBError`` where that can't be.
  private func requireRoom(for bytes: Int) throws(LMDBError) {
    var file: mdb_filehandle_t = -1
    try check(mdb_env_get_fd(environment, &file), "resize map")
    let trial = mmap(nil, bytes, PROT_READ, MAP_SHARED, file, 0)
    guard let trial, trial != MAP_FAILED else { throw LMDBError(errno, "resize map") }
    munmap(trial, bytes)
  }

  /// The size of the map, in bytes.
  package var mapSize: Int { information.me_mapsize }

  /// The last page in use; pages are numbered from 0.
  package var lastPage: UInt64 { UInt64(information.me_last_pgno) }

  /// How many pages of the file were in use at the commit whose state a read sees; nil where the file tells of another
  /// commit by now. While a commit is being synced, new reads don't see it yet and the file already tells of it.
  package func pagesInUse(seenBy transaction: borrowing ReadTransaction) -> UInt64? {
    let first = information
    let second = information
    guard first.me_last_txnid == second.me_last_txnid, first.me_last_pgno == second.me_last_pgno,
      UInt64(first.me_last_txnid) == transaction.number
    else { return nil }
    return UInt64(first.me_last_pgno) + 1
  }

  /// The size of a page, in bytes.
  package var pageSize: Int {
    var statistics = MDB_stat()
    mdb_env_stat(environment, &statistics)
    return Int(statistics.ms_psize)
  }

  private var information: MDB_envinfo {
    var information = MDB_envinfo()
    if !isLost { mdb_env_info(environment, &information) }
    return information
  }

  /// Makes everything durable that was committed.
  package func sync() throws(LMDBError) {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    try check(mdb_env_sync(environment, 1), "sync")
  }

  /// Frees the slots of readers whose process has died. Returns how many there were.
  @discardableResult
  package func clearDeadReaders() throws(LMDBError) -> Int {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    var dead: Int32 = 0
    try check(mdb_reader_check(environment, &dead), "check readers")
    return Int(dead)
  }

  /// Copies a consistent state into `data.mdb` in an existing empty folder while writes go on; free pages are left out.
  ///
  /// Where the map must grow meanwhile, the copy begins again, with the state of then: nobody waits for it.
  /// - Parameter watch: For tests: called before each piece is written, on a thread of its own.
  package func copy(to folder: String, watch: (@Sendable () -> Void)? = nil) throws(LMDBError) {
    let path = folder + "/data.mdb"
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw LMDBError(errno, "copy to \(path)") }
    defer { Glibc.close(file) }
    while true {
      guard ftruncate(file, 0) == 0 else { throw LMDBError(errno, "copy to \(path)") }
      let relay = try CopyRelay(to: file, watch: watch)
      try relay.start()
      let (code, isInterrupted) = copy(through: relay)
      // What was on its way is written by now, too late or not.
      let failure = relay.join()
      if isInterrupted { continue }
      try check(failure == 0 ? code : failure, "copy to \(path)")
      guard fsync(file) == 0 else { throw LMDBError(errno, "copy to \(path)") }
      return
    }
  }

  /// One attempt, which holds the map as it is; whether it had to give way.
  private func copy(through relay: CopyRelay) -> (code: CInt, isInterrupted: Bool) {
    pthread_mutex_lock(&copying)
    while changes > 0 { pthread_cond_wait(&changed, &copying) }
    copies.append(relay)
    pthread_mutex_unlock(&copying)
    var code: CInt = EBADF
    pthread_rwlock_rdlock(&resizing)
    if !isClosed { code = mdb_env_copyfd2(environment, relay.source, UInt32(MDB_CP_COMPACT)) }
    pthread_rwlock_unlock(&resizing)
    pthread_mutex_lock(&copying)
    defer { pthread_mutex_unlock(&copying) }
    copies.removeAll { $0 === relay }
    // Even where LMDB has written everything by then: what was in the pipe when it was interrupted is lost.
    return (code, code != EBADF && relay.isInterrupted)
  }

  /// Ends the attempts to copy that are under way, and keeps others from beginning until ``letCopiesGoOn()``.
  private func interruptCopies() {
    pthread_mutex_lock(&copying)
    changes += 1
    for relay in copies { relay.interrupt() }
    pthread_mutex_unlock(&copying)
  }

  private func letCopiesGoOn() {
    pthread_mutex_lock(&copying)
    changes -= 1
    pthread_cond_broadcast(&changed)
    pthread_mutex_unlock(&copying)
  }
}
