import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

/// A named database inside an environment; valid as long as the environment is open.
public struct Database: Sendable, Hashable {
  /// Its name.
  public let name: String
  let handle: MDB_dbi
}

/// What LMDB says of a database's pages.
public struct DatabaseStatistics: Sendable, Equatable {
  /// How many entries it has.
  public let entries: UInt64
  /// How many pages of any kind it occupies.
  public let pages: UInt64
}

// Invariant behind @unchecked: `environment` is set once; LMDB's environment calls are thread-safe; a write transaction is used by
// the thread that began it only; `resizing` keeps transactions apart from a change of the map and from
// the end, and guards `isClosed`; `spare` is guarded by `spareLock`.
/// An LMDB environment: one memory-mapped file, one writer at a time, any number of readers that see a fixed state.
///
/// Reads take a shared lock and growing the map takes it alone, since LMDB must not be resized under a running transaction.
public final class Environment: @unchecked Sendable {
  /// What an environment is opened with.
  public struct Options: Sendable {
    /// Bytes of address space to begin with; the file is only as large as what is in it.
    public var mapSize: Int = 1 << 30
    /// How many named databases there can be.
    public var maximumDatabases: UInt32 = 32
    /// How many reads can be under way at once, over all processes.
    public var maximumReaders: UInt32 = 510
    /// Whether nothing will be written.
    public var isReadOnly = false
    /// Whether to leave the lock file alone; only for a folder that nobody writes to.
    public var ignoresLocks = false
    /// File mode of a new file.
    public var mode: mode_t = 0o600

    /// The defaults.
    public init() {}
  }

  let environment: OpaquePointer
  let isReadOnly: Bool
  private var resizing = pthread_rwlock_t()
  private var spareLock = pthread_mutex_t()
  private var spare: [OpaquePointer] = []
  private var isClosed = false

  /// Opens or makes `data.mdb` in an existing folder.
  public init(folder: String, options: Options = Options()) throws(LMDBError) {
    var pointer: OpaquePointer?
    try check(mdb_env_create(&pointer), "create environment")
    guard let pointer else { throw LMDBError(ENOMEM, "create environment") }
    environment = pointer
    isReadOnly = options.isReadOnly
    // Readers' locks must be preferred by nobody: the default (readers first) suits, since growing is rare and waits.
    pthread_rwlock_init(&resizing, nil)
    pthread_mutex_init(&spareLock, nil)
    do throws(LMDBError) {
      try check(mdb_env_set_mapsize(environment, options.mapSize), "set map size")
      try check(mdb_env_set_maxdbs(environment, options.maximumDatabases), "set maximum of databases")
      try check(mdb_env_set_maxreaders(environment, options.maximumReaders), "set maximum of readers")
      // MDB_NOTLS: a read belongs to its transaction, not to a thread. Never MDB_NOMEMINIT: it would let stray memory,
      // which may be personal, into the file.
      var flags = UInt32(MDB_NOTLS)
      if options.isReadOnly { flags |= UInt32(MDB_RDONLY) }
      if options.ignoresLocks { flags |= UInt32(MDB_NOLOCK) }
      try check(mdb_env_open(environment, folder, flags, options.mode), "open \(folder)")
    } catch {
      mdb_env_close(environment)
      isClosed = true
      throw error
    }
  }

  deinit {
    close()
    pthread_rwlock_destroy(&resizing)
    pthread_mutex_destroy(&spareLock)
  }

  /// Ends it, once the transactions under way have ended; later ones are refused. Calling it twice is harmless.
  public func close() {
    pthread_rwlock_wrlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    guard !isClosed else { return }
    isClosed = true
    for transaction in spare { mdb_txn_abort(transaction) }
    spare = []
    mdb_env_close(environment)
  }

  /// What a call on a closed environment gets; the caller holds `resizing`.
  private func requireOpen() throws(LMDBError) {
    if isClosed { throw LMDBError(EBADF, "use of a closed environment") }
  }

  /// Opens databases, making those that are missing unless the environment is read-only.
  public func databases(_ names: [String]) throws(LMDBError) -> [Database] {
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

  /// Runs a read: a fixed state of all databases, until the closure ends. Keep it short: pages it can see can't be reused.
  public func read<R>(_ body: (ReadTransaction) throws -> R) throws -> R {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    let pointer = try beginRead()
    defer { endRead(pointer) }
    return try body(ReadTransaction(pointer: pointer))
  }

  private func beginRead() throws(LMDBError) -> OpaquePointer {
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

  private func endRead(_ pointer: OpaquePointer) {
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
  public func beginWrite() throws(LMDBError) -> WriteTransaction {
    pthread_rwlock_rdlock(&resizing)
    var pointer: OpaquePointer?
    let code = isClosed ? EBADF : mdb_txn_begin(environment, nil, 0, &pointer)
    guard code == 0, let pointer else {
      pthread_rwlock_unlock(&resizing)
      throw LMDBError(code, "begin write")
    }
    return WriteTransaction(pointer: pointer, environment: self)
  }

  func writeEnded() { pthread_rwlock_unlock(&resizing) }

  /// Sets the map's size, once all reads under way have ended; 0 adopts what another process has set.
  public func resize(to bytes: Int) throws(LMDBError) {
    pthread_rwlock_wrlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    try check(mdb_env_set_mapsize(environment, bytes), "resize map")
  }

  /// The size of the map, in bytes.
  public var mapSize: Int { information.me_mapsize }

  /// The number of the last committed transaction.
  public var lastTransaction: UInt64 { UInt64(information.me_last_txnid) }

  /// The last page in use; pages are numbered from 0.
  public var lastPage: UInt64 { UInt64(information.me_last_pgno) }

  /// The size of a page, in bytes.
  public var pageSize: Int {
    var statistics = MDB_stat()
    mdb_env_stat(environment, &statistics)
    return Int(statistics.ms_psize)
  }

  private var information: MDB_envinfo {
    var information = MDB_envinfo()
    mdb_env_info(environment, &information)
    return information
  }

  /// Frees the slots of readers whose process has died; answers how many there were.
  @discardableResult
  public func clearDeadReaders() throws(LMDBError) -> Int {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    var dead: Int32 = 0
    try check(mdb_reader_check(environment, &dead), "check readers")
    return Int(dead)
  }

  /// Copies a consistent state into an existing empty folder while writes go on; `compacting` leaves free pages out.
  public func copy(to folder: String, compacting: Bool) throws(LMDBError) {
    pthread_rwlock_rdlock(&resizing)
    defer { pthread_rwlock_unlock(&resizing) }
    try requireOpen()
    try check(mdb_env_copy2(environment, folder, compacting ? UInt32(MDB_CP_COMPACT) : 0), "copy to \(folder)")
  }
}
