import Files
import Glibc
import Logging
import Postgres
import Waiting

/// A private PostgreSQL, run from the installed programs, on a Unix socket: what Daybook uses when no other is given.
///
/// On the socket, the operating system users that Daybook and PostgreSQL run as, and root, are the role `daybook`
/// (superuser of this server, owner of the database `daybook`) or `daybook_reader` (reads all rows, writes nothing);
/// members of the role `daybook_sql` come in by password, by TCP too where there is a listener; nobody else does.
/// The server outlives this process unless it is stopped, and the next ``start()`` on the same folder adopts it. Two
/// processes must not use one data folder at a time: the event log's lock sees to that.
public actor EmbeddedPostgres {
  private let dataFolder: String
  private let wantedSocketFolder: String?
  private let elsewhere: String
  private let owner: String?
  private let isDurable: Bool
  private let listener: PostgresListener?
  private let logger: Logger
  /// Starting and stopping take turns.
  private let turn = FairSemaphore(permits: 1)
  private var place: ClusterPlace?
  private var configuration: ClusterConfiguration?
  /// The server process that this process started last.
  private var child: pid_t?

  /// Describes a server; ``start()`` makes it.
  /// - Parameters:
  ///   - dataFolder: The folder for its files, made if need be; its log is written beside it (`dataFolder` and `.log`).
  ///   - socketFolder: A folder for the socket, of at most 93 bytes; by default one under /tmp.
  ///   - owner: Whose cluster it is: one that was made for another owner is removed, and made anew. Nil doesn't ask.
  ///   - logger: Where starts, stops and what is found are told.
  ///   - isDurable: False for tests only: nothing is synced to disk, and 200 instead of 40 connections are allowed.
  ///   - listener: Where SQL roles come in by TCP; nil where it listens on its socket alone.
  public init(
    dataFolder: String, socketFolder: String? = nil, owner: String? = nil, logger: Logger, isDurable: Bool = true,
    listener: PostgresListener? = nil
  ) {
    self.init(
      dataFolder: dataFolder, socketFolder: socketFolder, elsewhere: Self.elsewhere, owner: owner, logger: logger,
      isDurable: isDurable, listener: listener)
  }

  /// The role that reads the rows of all organizations and writes nothing.
  public static let readerRole = ClusterConfiguration.reader
  /// Where the clusters of data folders lie that PostgreSQL's user can't enter.
  package static let elsewhere = "/var/lib/daybook"

  /// As the public initializer, with another folder to keep clusters in that can't lie in their data folder.
  package init(
    dataFolder: String, socketFolder: String?, elsewhere: String, owner: String? = nil, logger: Logger, isDurable: Bool,
    listener: PostgresListener? = nil
  ) {
    self.listener = listener
    self.dataFolder = dataFolder
    self.owner = owner
    wantedSocketFolder = socketFolder
    self.elsewhere = elsewhere
    self.isDurable = isDurable
    self.logger = logger
  }

  /// What is there of the private server whose files belong to a data folder, whether that is there still or not: the
  /// folder that holds its cluster where that lies elsewhere, and its process where it runs.
  /// - Parameter dataFolder: As for the initializer, without links.
  public static func remains(of dataFolder: String) -> (elsewhere: String?, processID: Int32?) {
    remains(of: dataFolder, elsewhere: elsewhere)
  }

  /// The same, with another folder where such clusters lie.
  package static func remains(of dataFolder: String, elsewhere: String) -> (elsewhere: String?, processID: Int32?) {
    let away = elsewhere + "/" + ClusterPlace.shortName(of: dataFolder)
    let isAway = FileSystem.exists(away)
    let process = [dataFolder, away].lazy.compactMap { PostmasterProcess.running(in: $0 + "/cluster") }.first
    return (isAway ? away : nil, process?.pid)
  }

  /// Whether the server process lives.
  public var isRunning: Bool { process != nil }

  /// The server's process id while it lives.
  public var processID: Int32? { process?.pid }

  /// PostgreSQL's own data directory, known after a start.
  public var clusterFolder: String? { place?.cluster }

  /// The server's log, known after a start; it holds no values.
  public var logFile: String? { place?.log }

  /// The folder of the socket, known after a start.
  public var socketFolder: String? { configuration?.socketFolder }

  /// Starts the server, making it the first time, or adopts the one that an earlier process left running; returns once
  /// it answers, with a URL for libpq and psql. Does nothing else if it runs already.
  /// - Throws: ``EmbeddedPostgresError`` with the remedy, or `PostgresError`.
  @discardableResult
  public func start() async throws -> String {
    try await turn.acquire()
    defer { turn.release() }
    return try await startNow()
  }

  /// Starts the server again if it has died, its socket is gone, or its database was dropped; returns the URL.
  /// - Throws: As ``start()``.
  @discardableResult
  public func ensureRunning() async throws -> String { try await start() }

  /// Stops the server and waits for its end: open transactions are rolled back, what
  /// was committed is kept. Goes through even in a cancelled task. A server that
  /// doesn't end in time is made to, and recovers at its next start.
  /// - Parameter patience: How long it may take to end by itself.
  public func stop(within patience: Duration = .seconds(30)) async {
    await Task {
      do {
        try await turn.acquire()
        defer { turn.release() }
        if let place, let process { try await end(process, in: place, within: patience) }
        // Refused while something is in it, as it should be.
        if wantedSocketFolder == nil, let socketFolder { rmdir(socketFolder) }
      } catch {
        logger.error("the private PostgreSQL couldn't be stopped: \(error)")
      }
    }.value
  }

  /// The URL for another database of this server, known after a start.
  public func conninfo(database: String) -> String? { configuration?.conninfo(database: database) }

  /// The URL by which the server's own users read the rows of all organizations and write nothing, known after a start.
  public var readerURL: String? {
    configuration?.conninfo(database: Self.database, role: ClusterConfiguration.reader)
  }

  /// The URL for SQL roles, without their name and password, known after a start.
  public var sqlRolesURL: String? { configuration?.sqlRolesURL }

  /// Reads the listener's certificate and key anew, for connections that come from now on; those that are there stay.
  /// - Throws: ``EmbeddedPostgresError``; then the server goes on with what it had.
  public func reloadCertificate() async throws {
    try await turn.acquire()
    defer { turn.release() }
    guard let place, let old = configuration, let process,
      let identity = try ClusterConfiguration.identity(of: listener)
    else { return }
    let new = ClusterConfiguration(
      socketFolder: old.socketFolder, clusterName: old.clusterName, account: old.account, isDurable: old.isDurable,
      listener: listener, certificate: identity.certificate, key: identity.key)
    guard new != old else { return }
    try write(new.identityFiles, in: place, new.account)
    guard kill(process.pid, SIGHUP) == 0 else {
      throw EmbeddedPostgresError(
        .startFailed, "PostgreSQL, process \(process.pid), can't be told: \(String(cString: strerror(errno)))")
    }
    configuration = new
  }

  private var process: PostmasterProcess? { place.flatMap { PostmasterProcess.running(in: $0.cluster) } }

  private func startNow() async throws -> String {
    let account = try ServerAccount.find()
    let place = try await ClusterPlace.prepare(dataFolder: dataFolder, account: account, elsewhere: elsewhere)
    self.place = place
    if let owner, place.isOf(other: owner) { try await remove(place, account) }
    let identity = try ClusterConfiguration.identity(of: listener)
    let configuration = ClusterConfiguration(
      socketFolder: try place.prepareSocketFolder(wantedSocketFolder, account: account), clusterName: place.clusterName,
      account: account, isDurable: isDurable, listener: listener, certificate: identity?.certificate,
      key: identity?.key)
    self.configuration = configuration
    if let process = PostmasterProcess.running(in: place.cluster) {
      if try await adopt(process, in: place, configuration) {
        try claim(place, account)
        return configuration.conninfo(database: Self.database)
      }
      try await end(process, in: place)
    }
    let binaries = try await PostgresBinaries.find(needed: try clusterVersion(place), account: account)
    if try clusterVersion(place) == nil { try await initialize(place, binaries, account) }
    try claim(place, account)
    try write(configuration.files, in: place, account)
    try await clearRemains(in: place, socketFolder: configuration.socketFolder)
    let pid = try await launch(place, configuration, binaries)
    try await awaitDatabase(pid, configuration)
    return configuration.conninfo(database: Self.database)
  }

  private static let database = ClusterConfiguration.database

  /// The major version that made the cluster, nil if there is none yet.
  private func clusterVersion(_ place: ClusterPlace) throws(EmbeddedPostgresError) -> Int? {
    guard FileSystem.exists(place.cluster) else { return nil }
    guard let text = FileSystem.text(place.cluster + "/PG_VERSION"), let version = Int(text.prefix { $0.isNumber })
    else {
      throw EmbeddedPostgresError(
        .folderUnusable,
        "\(place.cluster) isn't a cluster of PostgreSQL; delete it, and the read models are posted again")
    }
    return version
  }

  /// Removes a cluster that another log has left, with its rows and roles; its server is stopped first.
  private func remove(_ place: ClusterPlace, _ account: ServerAccount) async throws {
    logger.notice("the cluster in \(place.home) is another log's; it is removed, and the read models are filled anew")
    if let process = PostmasterProcess.running(in: place.cluster) { try await end(process, in: place) }
    if try await ChildProcess.run(["/bin/rm", "-rf", "--", place.cluster, place.ownerFile], as: account) != 0 {
      throw EmbeddedPostgresError(
        .folderUnusable, "can't remove \(place.cluster), which belongs to another log; delete it and start again")
    }
  }

  private func write(
    _ files: [(name: String, text: String)], in place: ClusterPlace, _ account: ServerAccount
  ) throws {
    for (name, text) in files where FileSystem.text("\(place.cluster)/\(name)") != text {
      try FileSystem.replace(
        "\(place.cluster)/\(name)", with: Array(text.utf8), syncing: true,
        owner: account.isOther ? (uid: account.uid, gid: account.gid) : nil)
    }
  }

  /// Writes down whose the cluster is, where that isn't said yet.
  private func claim(_ place: ClusterPlace, _ account: ServerAccount) throws {
    guard let owner, FileSystem.text(place.ownerFile) == nil else { return }
    try FileSystem.replace(
      place.ownerFile, with: Array((owner + "\n").utf8), syncing: true,
      owner: account.isOther ? (uid: account.uid, gid: account.gid) : nil)
  }

  /// Makes the cluster beside its place, so that an initdb cut short leaves nothing that looks like one.
  private func initialize(_ place: ClusterPlace, _ binaries: PostgresBinaries, _ account: ServerAccount) async throws {
    logger.info("making a private database of PostgreSQL \(binaries.version) in \(place.cluster)")
    let draft = place.cluster + ".new"
    if FileSystem.exists(draft), try await ChildProcess.run(["/bin/rm", "-rf", "--", draft], as: account) != 0 {
      throw EmbeddedPostgresError(
        .folderUnusable, "can't remove \(draft), what is left of an earlier initdb; delete it")
    }
    let log = try place.openLog()
    defer { close(log) }
    let before = place.logSize
    let status = try await ChildProcess.run(
      [
        binaries.initdb, "--pgdata=\(draft)", "--username=\(ClusterConfiguration.role)", "--encoding=UTF8",
        "--locale=C",
        "--data-checksums", "--auth-local=peer", "--auth-host=reject", "--no-instructions", "--no-sync",
      ], as: account, output: log)
    guard status == 0 else {
      throw EmbeddedPostgresError(.initializationFailed, "initdb failed: \(place.logTail(from: before))")
    }
    // One sync of the file system, which is faster than initdb's own of a thousand files one by one.
    if isDurable, try await ChildProcess.run(["/bin/sync", "-f", draft], as: account) != 0 {
      throw EmbeddedPostgresError(.folderUnusable, "can't sync \(draft) to disk")
    }
    guard rename(draft, place.cluster) == 0 else { throw FileSystem.failure("name", place.cluster) }
  }

  /// Takes over a server that runs already, if it runs as this one would have been started and answers.
  private func adopt(
    _ process: PostmasterProcess, in place: ClusterPlace, _ configuration: ClusterConfiguration
  ) async throws -> Bool {
    let isSame = configuration.files.allSatisfy { FileSystem.text("\(place.cluster)/\($0.name)") == $0.text }
    guard isSame else {
      logger.info("the private PostgreSQL (process \(process.pid)) runs with other settings; starting it anew")
      return false
    }
    do {
      try await waitUntilReady(process.pid, place, within: Self.recoveryTime)
      try await awaitDatabase(process.pid, configuration)
      return true
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      logger.warning("the private PostgreSQL (process \(process.pid)) doesn't answer; starting it anew: \(error)")
      return false
    }
  }

  /// Removes what a killed server left: its backends, and lock files whose number may be another process's by now. Only
  /// a server of this cluster uses that socket folder, and none runs.
  private func clearRemains(in place: ClusterPlace, socketFolder: String) async throws {
    let clock = ContinuousClock()
    let begin = clock.now
    while true {
      let orphans = PostmasterProcess.orphans(clusterName: place.clusterName)
      if orphans.isEmpty { break }
      guard clock.now < begin + .seconds(15) else {
        throw EmbeddedPostgresError(
          .stopFailed, "processes of a dead server don't end: \(orphans); end them and start again")
      }
      // They see by themselves that their server is gone, unless they are busy.
      if clock.now > begin + .seconds(1) {
        for orphan in orphans { kill(orphan, clock.now > begin + .seconds(5) ? SIGKILL : SIGQUIT) }
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    // The port is part of the lock's name, and may have been another one.
    let locks = FileSystem.presentNames(in: socketFolder).filter { $0.hasPrefix(".s.PGSQL.") && $0.hasSuffix(".lock") }
    for file in [place.cluster + "/postmaster.pid"] + locks.map({ "\(socketFolder)/\($0)" })
    where FileSystem.exists(file) && unlink(file) != 0 {
      throw FileSystem.failure("remove", file)
    }
  }

  private func launch(
    _ place: ClusterPlace, _ configuration: ClusterConfiguration, _ binaries: PostgresBinaries
  ) async throws -> pid_t {
    // One that is dying is nobody's server any more, but this process's child: nobody else would take its exit status.
    if let child, try await !ChildProcess.waitForEnd(child, within: .seconds(15)) {
      throw EmbeddedPostgresError(.stopFailed, "PostgreSQL, process \(child), doesn't end; end it and start again")
    }
    let log = try place.openLog()
    defer { close(log) }
    let pid = try ChildProcess.spawn(
      [binaries.postgres, "-D", place.cluster] + ClusterConfiguration.privacyArguments, as: configuration.account,
      output: log)
    child = pid
    try await waitUntilReady(pid, place, within: Self.recoveryTime)
    logger.info("the private PostgreSQL \(binaries.version) runs as \(configuration.account.name), process \(pid)")
    return pid
  }

  /// Waits until a server says that it accepts connections; recovery after a crash can take a while.
  private func waitUntilReady(_ pid: pid_t, _ place: ClusterPlace, within limit: Duration) async throws {
    let before = place.logSize
    let clock = ContinuousClock()
    let end = clock.now + limit
    while true {
      if let process = PostmasterProcess.recorded(in: place.cluster), process.pid == pid, process.isReady { return }
      guard PostmasterProcess.isAlive(pid) else {
        throw EmbeddedPostgresError(.startFailed, "PostgreSQL ended at once: \(place.logTail(from: before))")
      }
      guard clock.now < end else {
        throw EmbeddedPostgresError(
          .startFailed, "PostgreSQL isn't ready after \(limit): \(place.logTail(from: before))")
      }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// How long a server may take to recover from a crash; ending it meanwhile would only make it begin again.
  private static let recoveryTime = Duration.seconds(300)
  /// How long a server that is ready may fail to answer.
  private static let silenceTime = Duration.seconds(60)
  /// How often a server may take connections and then not keep them.
  private static let lostConnections = 20

  /// Makes the database and the roles where they are missing, once the server takes connections. One that starts,
  /// recovers from a crash of a backend, or ends, takes none for a while: that is waited for.
  private func awaitDatabase(_ pid: pid_t, _ configuration: ClusterConfiguration) async throws {
    let clock = ContinuousClock()
    let begin = clock.now
    var lastWord = begin
    var lost = 0
    while true {
      do {
        return try await prepareDatabase(configuration)
      } catch let error as PostgresError where error.isRetryable {
        guard PostmasterProcess.isAlive(pid) else {
          throw EmbeddedPostgresError(.startFailed, "PostgreSQL, process \(pid), has ended: \(error.message)")
        }
        if error.sqlState == PostgresError.cannotConnectNow {
          if lastWord == begin { logger.notice("the private PostgreSQL takes no connections yet: \(error.message)") }
          (lastWord, lost) = (clock.now, 0)
        } else if error.sqlState == nil, error.code == .connectionFailed {
          lost += 1
        }
        guard lost < Self.lostConnections, clock.now - lastWord < Self.silenceTime,
          clock.now - begin < Self.recoveryTime
        else { throw error }
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// Makes the database, the group role and the reader where they are missing.
  private func prepareDatabase(_ configuration: ClusterConfiguration) async throws {
    let connection = try await PostgresConnection.connect(configuration.conninfo(database: "postgres"))
    do {
      let database = PostgresIdentifier.quote(Self.database)
      if try await connection.query("SELECT FROM pg_database WHERE datname = $1", [.text(Self.database)]).rowCount == 0
      {
        try await connection.execute("CREATE DATABASE \(database) TEMPLATE template0")
      }
      let group = ClusterConfiguration.sqlRoles
      if try await connection.query("SELECT FROM pg_roles WHERE rolname = $1", [.text(group)]).rowCount == 0 {
        try await connection.execute("CREATE ROLE \(PostgresIdentifier.quote(group)) NOLOGIN")
      }
      let reader = PostgresIdentifier.quote(ClusterConfiguration.reader)
      if try await connection.query(
        "SELECT FROM pg_roles WHERE rolname = $1", [.text(ClusterConfiguration.reader)]
      ).rowCount == 0 {
        // One statement, so that a crash leaves all of it or nothing.
        try await connection.execute(
          """
          DO $$ BEGIN
            CREATE ROLE \(reader) LOGIN BYPASSRLS CONNECTION LIMIT 10 IN ROLE pg_read_all_data;
            ALTER ROLE \(reader) SET default_transaction_read_only = on;
            GRANT CONNECT ON DATABASE \(database) TO \(reader);
          END $$
          """)
      }
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
  }

  /// A fast shutdown, or an immediate one where that takes too long.
  private func end(
    _ process: PostmasterProcess, in place: ClusterPlace, within patience: Duration = .seconds(30)
  ) async throws {
    for (signal, limit) in [(SIGINT, patience), (SIGQUIT, min(patience, .seconds(10))), (SIGKILL, .seconds(5))] {
      guard kill(process.pid, signal) == 0 || errno == ESRCH else {
        throw EmbeddedPostgresError(
          .stopFailed, "can't stop PostgreSQL, process \(process.pid): \(String(cString: strerror(errno)))")
      }
      if try await PostmasterProcess.waitForEnd(process.pid, within: limit) {
        logger.info("the private PostgreSQL, process \(process.pid), has stopped")
        return
      }
    }
    throw EmbeddedPostgresError(.stopFailed, "PostgreSQL, process \(process.pid), doesn't end; end it and start again")
  }
}
