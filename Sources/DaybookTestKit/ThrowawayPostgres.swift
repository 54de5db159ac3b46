import EmbeddedPostgres
import Glibc
import Logging
import NIOConcurrencyHelpers
import Postgres

/// A real PostgreSQL for tests: one server a test process, started when first asked for, and gone with the process, however
/// that ends. It syncs nothing to disk.
public enum ThrowawayPostgres {
  private static let server = Task { try await start() }
  private static let lastDatabase = NIOLockedValueBox(0)

  /// Makes an empty database and returns a URL for it, as its owner and superuser.
  /// - Throws: Whatever keeps PostgreSQL from starting, with the remedy.
  public static func database() async throws -> String {
    let server = try await server.value
    let number = lastDatabase.withLockedValue { last in
      last += 1
      return last
    }
    let name = "t_\(number)"
    let connection = try await PostgresConnection.connect(try await conninfo(server, "postgres"))
    do {
      // Copying files is faster than logging 7 MB of pages, and a throwaway server needs no log.
      try await connection.execute("CREATE DATABASE \(name) TEMPLATE template0 STRATEGY file_copy")
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
    return try await conninfo(server, name)
  }

  /// The server itself, running.
  /// - Throws: Whatever keeps PostgreSQL from starting, with the remedy.
  public static func runningServer() async throws -> EmbeddedPostgres { try await server.value }

  private static func conninfo(_ server: EmbeddedPostgres, _ database: String) async throws -> String {
    guard let conninfo = await server.conninfo(database: database) else {
      throw PostgresError(.connectionFailed, message: "the throwaway PostgreSQL isn't running")
    }
    return conninfo
  }

  private static func start() async throws -> EmbeddedPostgres {
    var template = Array("/tmp/daybook-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw failure("mkdtemp") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Run as root, PostgreSQL's own user must be able to pass through.
    guard chmod(folder, 0o711) == 0 else { throw failure("chmod") }
    try watch(folder)
    let server = EmbeddedPostgres(
      dataFolder: folder + "/postgres", socketFolder: folder + "/socket", logger: Logger(label: "throwaway-postgres"),
      isDurable: false)
    try await server.start()
    return server
  }

  /// Starts a shell that waits for the end of this process, by whatever signal, and then ends the server and removes its files.
  private static func watch(_ folder: String) throws {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw failure("pipe") }
    // The write end closes with this process, and only then, since no other program inherits it.
    guard fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 else { throw failure("fcntl") }
    defer { close(ends[0]) }
    let script = """
      cd /
      cat >/dev/null
      pid=$(head -n 1 "$0/postgres/cluster/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid"
      for turn in 1 2 3 4 5 6 7 8 9 10; do test -e "$0/postgres/cluster/postmaster.pid" && sleep 0.1; done
      rm -rf "$0"
      """
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    for descriptor in 3...255 as ClosedRange<CInt> { posix_spawn_file_actions_addclose(&actions, descriptor) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, 0x80)  // POSIX_SPAWN_SETSID: a terminal's Ctrl-C isn't for it.
    let command: [String] = ["sh", "-c", script, folder]
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, "/bin/sh", &actions, &attributes, &arguments, environ) == 0 else {
      throw failure("posix_spawn")
    }
  }

  private static func failure(_ call: String) -> PostgresError {
    PostgresError(.connectionFailed, message: "no throwaway PostgreSQL: \(call): \(String(cString: strerror(errno)))")
  }
}
