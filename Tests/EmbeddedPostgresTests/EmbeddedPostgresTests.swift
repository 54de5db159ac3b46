import EmbeddedPostgres
import Glibc
import Logging
import Postgres
import Testing

/// Servers of their own, one after another, since each takes a part of the machine.
@Suite(.serialized) struct EmbeddedPostgresTests {
  private func embedded(_ folder: String, elsewhere: String? = nil, owner: String? = nil) -> EmbeddedPostgres {
    var logger = Logger(label: "embedded-postgres")
    logger.logLevel = .error
    return EmbeddedPostgres(
      dataFolder: folder, socketFolder: nil, elsewhere: elsewhere ?? "/var/lib/daybook", owner: owner,
      logger: logger, isDurable: false)
  }

  /// A folder that another user can pass through, removed afterwards, with the
  /// server that a test leaves in `postgres` stopped.
  private func withFolder(
    elsewhere: String? = nil, mode: mode_t = 0o711, _ body: (String) async throws -> Void
  ) async throws {
    var template = Array("/tmp/daybook-embedded-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    try #require(chmod(folder, mode) == 0)
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(folder)) } catch { outcome = .failure(error) }
    try remove(folder)
    try outcome.get()
  }

  private func remove(_ folder: String) throws {
    let command: [String] = ["rm", "-rf", "--", folder]
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    var status: CInt = 0
    try #require(posix_spawn(&pid, "/bin/rm", nil, nil, &arguments, environ) == 0)
    #expect(waitpid(pid, &status, 0) == pid && status == 0)
  }

  /// Starts a server, stops it afterwards and removes its socket folder.
  private func withServer(
    _ server: EmbeddedPostgres, _ body: (String) async throws -> Void
  ) async throws {
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(try await server.start())) } catch { outcome = .failure(error) }
    await server.stop()
    if let socketFolder = await server.socketFolder { try remove(socketFolder) }
    #expect(await !server.isRunning)
    try outcome.get()
  }

  private func query(_ conninfo: String, _ sql: String) async throws -> [[String?]] {
    let connection = try await PostgresConnection.connect(conninfo)
    let outcome: Result<[[String?]], any Error>
    do { outcome = .success(try await connection.query(sql).rows) } catch { outcome = .failure(error) }
    await connection.close()
    return try outcome.get()
  }

  @Test func `it starts, starts twice, stops, and starts again with what it held`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        let pid = await server.processID
        #expect(try await server.start() == conninfo)
        #expect(await server.processID == pid)
        _ = try await query(conninfo, "CREATE TABLE kept AS SELECT 7 AS i")
        #expect(
          try await query(conninfo, "SELECT current_user, current_database(), current_setting('server_encoding')")
            == [["daybook", "daybook", "UTF8"]])
        #expect(
          try await query(conninfo, "SELECT datcollate, datctype FROM pg_database WHERE datname = 'daybook'") == [
            ["C", "C"]
          ])
        #expect(try await query(conninfo, "SHOW data_checksums") == [["on"]])
        #expect(try await query(conninfo, "SHOW listen_addresses") == [[""]])
        await server.stop()
        #expect(await !server.isRunning)
        #expect(try await server.start() == conninfo)
        #expect(try await query(conninfo, "SELECT i FROM kept") == [["7"]])
      }
    }
  }

  @Test func `after kill -9 of the server it runs again, also when a backend was busy`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        _ = try await query(conninfo, "CREATE TABLE kept AS SELECT 7 AS i")
        // Commits are written a moment later; what is asked here is what becomes of written ones.
        _ = try await query(conninfo, "CHECKPOINT")
        let busy = try await PostgresConnection.connect(conninfo)
        let sleeper = Task { try await busy.query("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$") }
        while try await query(conninfo, "SELECT FROM pg_stat_activity WHERE query LIKE 'DO%' AND state = 'active'")
          .isEmpty
        {}
        let pid = try #require(await server.processID)
        try #require(kill(pid, SIGKILL) == 0)
        #expect(try await server.ensureRunning() == conninfo)
        #expect(await server.processID != pid)
        var status: CInt = 0
        #expect(waitpid(pid, &status, WNOHANG) == -1 && errno == ECHILD, "the dead one is no zombie")
        let lost = try await #require(throws: PostgresError.self) { _ = try await sleeper.value }
        #expect(lost.code == .connectionLost)
        #expect(try await query(conninfo, "SELECT i FROM kept") == [["7"]])
        await busy.close()
      }
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a server that recovers from the crash of a backend is waited for, not ended`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        let pid = try #require(await server.processID)
        var refusals = 0
        for _ in 0..<5 {
          let victim = try await PostgresConnection.connect(conninfo)
          let victimID = try #require(try await victim.query("SELECT pg_backend_pid()")[0, 0].flatMap { Int32($0) })
          try #require(kill(victimID, SIGKILL) == 0)
          // Until it has recovered, a connection is refused with 57P03, which libpq itself doesn't tell.
          let end = ContinuousClock.now + .seconds(2)
          var sawIt = false
          while !sawIt, ContinuousClock.now < end {
            do {
              try await PostgresConnection.connect(conninfo).close()
            } catch let error as PostgresError where error.sqlState == PostgresError.cannotConnectNow {
              #expect(error.code == .connectionFailed && error.isRetryable)
              sawIt = true
            } catch is PostgresError {
              // Taken, and lost with all others.
            }
          }
          refusals += sawIt ? 1 : 0
          let begin = ContinuousClock.now
          #expect(try await server.ensureRunning() == conninfo)
          #expect(ContinuousClock.now - begin < .seconds(20))
          #expect(await server.processID == pid, "it is the same server")
          #expect(try await query(conninfo, "SELECT 1") == [["1"]])
          await victim.close()
        }
        #expect(refusals > 0, "the test came in time once at least")
      }
    }
  }

  @Test func `a dropped database is there again`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        let maintenance = try #require(await server.conninfo(database: "postgres"))
        _ = try await query(maintenance, "DROP DATABASE daybook")
        #expect(try await server.ensureRunning() == conninfo)
        #expect(try await query(conninfo, "SELECT 1") == [["1"]])
      }
    }
  }

  @Test func `a server that a killed process left behind is adopted and holds none of that process's locks`()
    async throws
  {
    try await withFolder { folder in
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        let lock = open(folder + "/lock", O_CREAT | O_RDWR, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else { exit(1) }
        let server = EmbeddedPostgres(
          dataFolder: folder + "/postgres", logger: Logger(label: "killed") { _ in SwiftLogNoOpLogHandler() },
          isDurable: false)
        try await server.start()
        kill(getpid(), SIGKILL)
      }
      let lock = open(folder + "/lock", O_RDWR | O_CLOEXEC)
      #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
      close(lock)
      let recorded = try #require(contents(folder + "/postgres/cluster/postmaster.pid"))
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        let pid = try #require(await server.processID)
        #expect(recorded.hasPrefix("\(pid)\n"))
        #expect(try await query(conninfo, "SELECT 1") == [["1"]])
      }
    }
  }

  @Test func `a pid file whose number is another process's by now is no obstacle`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        await server.stop()
        let cluster = try #require(await server.clusterFolder)
        let stale = "\(getpid())\n\(cluster)\n1700000000\n5432\n/tmp\n\n  1234567         1\nready   \n"
        let file = open(cluster + "/postmaster.pid", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(file >= 0 && write(file, stale, stale.utf8.count) == stale.utf8.count && close(file) == 0)
        #expect(await !server.isRunning)
        #expect(try await server.start() == conninfo)
        #expect(try await query(conninfo, "SELECT 1") == [["1"]])
      }
    }
  }

  @Test func `an initdb cut short is no obstacle`() async throws {
    try await withFolder { folder in
      for path in [folder + "/postgres", folder + "/postgres/cluster.new", folder + "/postgres/cluster.new/base"] {
        try #require(mkdir(path, 0o777) == 0)
      }
      if geteuid() == 0 {
        let owner = try #require(getpwnam("postgres") ?? getpwnam("nobody")).pointee
        for path in ["/postgres/cluster.new", "/postgres/cluster.new/base"] {
          try #require(chown(folder + path, owner.pw_uid, owner.pw_gid) == 0)
        }
      }
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        let rows = try await query(conninfo, "SELECT 1")
        #expect(rows == [["1"]])
      }
    }
  }

  @Test func `any path will do: spaces, quotes, shell signs, and far longer than a socket's`() async throws {
    try await withFolder { folder in
      let odd = folder + "/with space 'and' \"quotes\" $HOME `id` ;,\\ ünï/" + String(repeating: "long-", count: 30)
      let server = embedded(odd + "/postgres")
      try await withServer(server) { conninfo in
        #expect(try await query(conninfo, "SELECT 1") == [["1"]])
        let socketFolder = try #require(await server.socketFolder)
        #expect(socketFolder.utf8.count < 90)
        #expect(await server.clusterFolder?.hasSuffix("long-/postgres/cluster") == true)
        let pid = await server.processID
        let second = embedded(odd + "/postgres")
        #expect(try await second.start() == conninfo)
        #expect(await second.processID == pid)
      }
    }
  }

  @Test(.enabled(if: geteuid() == 0, "only root runs PostgreSQL as another user"))
  func `as root, a folder that PostgreSQL's user can't enter is no obstacle`() async throws {
    try await withFolder { reachable in
      try await withFolder(mode: 0o700) { folder in
        let server = embedded(folder + "/postgres", elsewhere: reachable + "/elsewhere")
        try await withServer(server) { conninfo in
          _ = try await query(conninfo, "CREATE TABLE kept AS SELECT 7 AS i")
          let cluster = try #require(await server.clusterFolder)
          #expect(cluster.hasPrefix(reachable + "/elsewhere/") && cluster.hasSuffix("/cluster"))
          #expect(contents(folder + "/postgres/LOCATION") == String(cluster.dropLast("/cluster".count)) + "\n")
          var information = stat()
          #expect(stat(folder + "/postgres", &information) == 0 && information.st_uid == 0)
          #expect(stat(cluster, &information) == 0 && information.st_uid != 0 && information.st_mode & 0o777 == 0o700)
          #expect(stat(folder + "/postgres.log", &information) == 0 && information.st_mode & 0o777 == 0o600)
          let again = embedded(folder + "/postgres", elsewhere: reachable + "/elsewhere")
          #expect(try await again.start() == conninfo)
          #expect(try await query(conninfo, "SELECT i FROM kept") == [["7"]])
        }
      }
    }
  }

  @Test func `a cluster that another log has left is made anew, roles and all, and one's own is kept`() async throws {
    try await withFolder { folder in
      // As an earlier version made it, which asked for no owner.
      let first = embedded(folder + "/postgres")
      let url = try await first.start()
      _ = try await query(url, "CREATE TABLE kept AS SELECT 7 AS i")
      _ = try await query(url, "CREATE ROLE former LOGIN")
      // The server still runs when the next start asks whose it is.
      let mine = embedded(folder + "/postgres", owner: "daybook/mine")
      #expect(try await query(try await mine.start(), "SELECT i FROM kept") == [["7"]])
      await mine.stop()
      #expect(try await query(try await mine.start(), "SELECT i FROM kept") == [["7"]])
      let other = embedded(folder + "/postgres", owner: "daybook/other")
      try await withServer(other) { conninfo in
        let kept = try await query(conninfo, "SELECT to_regclass('kept')")
        let roles = try await query(conninfo, "SELECT FROM pg_roles WHERE rolname = 'former'")
        #expect(kept == [[nil]] && roles.isEmpty)
      }
    }
  }

  @Test(.enabled(if: geteuid() == 0, "only root runs PostgreSQL as another user"))
  func `a cluster outside of its data folder isn't taken over by a new data folder at the same path`() async throws {
    try await withFolder { reachable in
      try await withFolder(mode: 0o700) { folder in
        let elsewhere = reachable + "/elsewhere"
        // As an earlier version made it: it doesn't say whose it is, but the data folder names it.
        let first = embedded(folder + "/postgres", elsewhere: elsewhere)
        _ = try await query(try await first.start(), "CREATE TABLE kept AS SELECT 7 AS i")
        let server = embedded(folder + "/postgres", elsewhere: elsewhere, owner: "daybook/mine")
        #expect(try await query(try await server.start(), "SELECT i FROM kept") == [["7"]])
        await server.stop()
        let home = try #require(contents(folder + "/postgres/LOCATION")).dropLast()
        // Without what it says of itself, and without the data folder, nobody knows whose it is.
        try #require(unlink(home + "/OWNER") == 0)
        try remove(folder + "/postgres")
        try await withServer(server) { conninfo in
          let kept = try await query(conninfo, "SELECT to_regclass('kept')")
          #expect(kept == [[nil]])
          #expect(contents(home + "/OWNER") == "daybook/mine\n")
        }
      }
    }
  }

  @Test func `socket folders that somebody else has taken are no obstacle`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      _ = try await server.start()
      await server.stop()
      let usual = try #require(await server.socketFolder)
      let taken = ["", "-1", "-2"].map { usual + $0 }
      for name in taken { try #require(symlink("/nonexistent", name) == 0) }
      let outcome: Result<Void, any Error>
      do {
        outcome = .success(
          try await withServer(embedded(folder + "/postgres")) { conninfo in
            let rows = try await query(conninfo, "SELECT 1")
            #expect(rows == [["1"]])
          })
      } catch {
        outcome = .failure(error)
      }
      for name in taken { unlink(name) }
      try outcome.get()
    }
  }

  @Test func `members of daybook_sql come in by password, others not at all`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        _ = try await query(conninfo, "CREATE ROLE analyst LOGIN PASSWORD 'right' IN ROLE daybook_sql")
        _ = try await query(conninfo, "CREATE ROLE stranger LOGIN PASSWORD 'right'")
        func url(_ user: String, _ password: String) -> String {
          conninfo.replacing("//daybook@", with: "//\(user):\(password)@")
        }
        #expect(try await query(url("analyst", "right"), "SELECT current_user") == [["analyst"]])
        for (user, password) in [("analyst", "wrong"), ("stranger", "right")] {
          let refused = try await #require(throws: PostgresError.self) {
            _ = try await query(url(user, password), "SELECT 1")
          }
          #expect(refused.code == .connectionFailed, "\(user)")
        }
      }
    }
  }

  @Test func `the server's log holds no value, whatever fails`() async throws {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        let connection = try await PostgresConnection.connect(conninfo)
        try await connection.execute(
          "CREATE TABLE t (i int, name text UNIQUE); INSERT INTO t VALUES (1, 'secret-marker')")
        for sql in ["INSERT INTO t (i) VALUES ($1)", "INSERT INTO t (name) VALUES ($1)"] {
          for _ in 1...3 {
            _ = try await #require(throws: PostgresError.self) { try await connection.query(sql, ["secret-marker"]) }
          }
        }
        _ = try await #require(throws: PostgresError.self) {
          try await connection.execute("SELECT 'secret-marker'::int")
        }
        _ = try await #require(throws: PostgresError.self) {
          try await connection.copyIn("COPY t FROM STDIN", Array("secret-marker\tx\n".utf8))
        }
        try await connection.execute("DO $$ BEGIN RAISE WARNING 'secret-marker'; END $$")
        await connection.close()
        await server.stop()
        let logFile = try #require(await server.logFile)
        let log = try #require(contents(logFile))
        #expect(log.contains("ready to accept connections") && !log.contains("secret-marker"))
      }
    }
  }

  @Test func `settings that let values into a log are mended where the role may, or named with the remedy`()
    async throws
  {
    try await withFolder { folder in
      let server = embedded(folder + "/postgres")
      try await withServer(server) { conninfo in
        func check(_ conninfo: String) async throws -> (problems: [String], verbosity: String?) {
          let connection = try await PostgresConnection.connect(conninfo)
          let problems = try await PostgresSafety.checkSettings(connection)
          let verbosity = try await connection.query("SHOW log_error_verbosity")[0, 0]
          await connection.close()
          return (problems, verbosity)
        }
        #expect(try await check(conninfo).problems == [])
        _ = try await query(conninfo, "ALTER DATABASE daybook SET log_error_verbosity = 'default'")
        _ = try await query(conninfo, "ALTER DATABASE daybook SET log_parameter_max_length_on_error = -1")
        #expect(try await query(conninfo, "SHOW log_error_verbosity") == [["default"]])
        let own = try await check(conninfo)
        #expect(own.problems == [] && own.verbosity == "terse")
        _ = try await query(conninfo, "CREATE ROLE limited LOGIN PASSWORD 'x' IN ROLE daybook_sql")
        let limited = try await check(conninfo.replacing("//daybook@", with: "//limited:x@"))
        #expect(limited.problems.count == 1 && limited.verbosity == "default")
        #expect(limited.problems.first?.contains("ALTER ROLE \"limited\" SET log_error_verbosity = terse") == true)
      }
    }
  }

  @Test func `without PostgreSQL's programs the error says what to install`() async {
    await #expect(processExitsWith: .success) {
      setenv("DAYBOOK_POSTGRES_BIN", "/nonexistent", 1)
      let server = EmbeddedPostgres(
        dataFolder: "/tmp/daybook-never-\(getpid())/postgres",
        logger: Logger(label: "absent") { _ in SwiftLogNoOpLogHandler() })
      do {
        try await server.start()
      } catch let error as EmbeddedPostgresError {
        rmdir("/tmp/daybook-never-\(getpid())/postgres")
        rmdir("/tmp/daybook-never-\(getpid())")
        if let socketFolder = await server.socketFolder { rmdir(socketFolder) }
        exit(error.code == .binariesMissing && error.message.contains("DAYBOOK_POSTGRES_BIN") ? 0 : 2)
      }
      exit(3)
    }
  }

  private func contents(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
