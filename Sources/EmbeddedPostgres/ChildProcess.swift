import Files
import Glibc

/// Starts PostgreSQL's programs: in a session of their own (a terminal's Ctrl-C isn't for them), with `/` as working
/// folder, a fresh environment, default signals, no descriptor but the output, and as the server's account.
enum ChildProcess {
  /// Starts a program; both its outputs go to `output`.
  static func spawn(
    _ arguments: [String], as account: ServerAccount, output: CInt
  ) throws(EmbeddedPostgresError) -> pid_t {
    // The shell, and then setpriv, replace themselves by what comes next, which so keeps the process id.
    let command =
      try ["/bin/sh", "-c", "cd / && exec \"$@\"", "sh"] + (account.isOther ? switching(to: account) : []) + arguments
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
    // A server that outlives this process must not keep its locks and sockets. Some more than are open now, in case
    // another thread opens one meanwhile; closing what isn't open does no harm.
    let highest = FileSystem.presentNames(in: "/proc/self/fd").compactMap { CInt($0) }.max() ?? 1023
    for descriptor in 3...(highest + 64) { posix_spawn_file_actions_addclose(&actions, descriptor) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    // POSIX_SPAWN_SETSID of glibc's spawn.h, as a number, since it is visible to GNU sources only.
    let newSession: CInt = 0x80
    posix_spawnattr_setflags(
      &attributes, Int16(CInt(POSIX_SPAWN_SETSIGMASK) | CInt(POSIX_SPAWN_SETSIGDEF) | newSession))

    var environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/"]
    if let libraries = getenv("LD_LIBRARY_PATH") { environment.append("LD_LIBRARY_PATH=" + String(cString: libraries)) }
    var argumentPointers: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var environmentPointers: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
    var pid: pid_t = 0
    let failure = posix_spawn(&pid, command[0], &actions, &attributes, &argumentPointers, &environmentPointers)
    guard failure == 0 else {
      throw EmbeddedPostgresError(.startFailed, "can't run \(command[0]): \(String(cString: strerror(failure)))")
    }
    return pid
  }

  /// Runs a program to its end and returns its exit status, or 128 and the number of the signal that killed it. When
  /// the task is cancelled, the program is killed.
  static func run(_ arguments: [String], as account: ServerAccount, output: CInt) async throws -> CInt {
    let pid = try spawn(arguments, as: account, output: output)
    while true {
      var status: CInt = 0
      let ended = waitpid(pid, &status, WNOHANG)
      if ended == pid { return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f) }
      if ended < 0 && errno != EINTR {
        throw EmbeddedPostgresError(.startFailed, "can't wait for \(arguments[0]): \(String(cString: strerror(errno)))")
      }
      do {
        try await Task.sleep(for: .milliseconds(10))
      } catch {
        kill(pid, SIGKILL)
        waitpid(pid, &status, 0)
        throw error
      }
    }
  }

  /// Waits until a child of this process has ended, taking its exit status unless
  /// that was taken already, and says whether it is in time.
  static func waitForEnd(_ pid: pid_t, within limit: Duration) async throws -> Bool {
    let end = ContinuousClock.now + limit
    var status: CInt = 0
    while waitpid(pid, &status, WNOHANG) == 0 {
      if ContinuousClock.now >= end { return false }
      try await Task.sleep(for: .milliseconds(10))
    }
    return true
  }

  /// Runs a program whose output nobody needs.
  static func run(_ arguments: [String], as account: ServerAccount) async throws -> CInt {
    let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
    guard null >= 0 else { throw FileSystem.failure("open", "/dev/null") }
    defer { close(null) }
    return try await run(arguments, as: account, output: null)
  }

  private static func switching(to account: ServerAccount) throws(EmbeddedPostgresError) -> [String] {
    guard let tool = ["/usr/bin/setpriv", "/bin/setpriv"].first(where: FileSystem.isExecutable) else {
      throw EmbeddedPostgresError(
        .binariesMissing,
        "running as root needs setpriv to start PostgreSQL as \(account.name): apt-get install util-linux")
    }
    return [tool, "--reuid=\(account.uid)", "--regid=\(account.gid)", "--init-groups", "--"]
  }
}
