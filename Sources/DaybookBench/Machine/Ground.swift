#if canImport(Glibc)
  import Glibc
#endif

/// The folder that a run works in, and who cleans up after it.
///
/// A watching shell ends what the run started and removes its folders once this process is gone, however that happens.
struct Ground {
  /// On the disk that is measured.
  let folder: String
  /// The folder that it lies in, which stays.
  var parent: String { String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]) }
  /// For sockets, whose paths must be short.
  let socketFolder: String
  /// The account that PostgreSQL runs as where this process is root, else nil.
  let account: String?
  private let watcher: pid_t
  private let lifeline: CInt

  /// Makes the folders, `<parent>/run-<process id>` the first of them.
  static func prepare(parent: String?) throws(BenchFailure) -> Ground {
    let account = try otherAccount()
    let place = parent ?? (Input.environment("DAYBOOK_HOME") ?? ".") + "/.build-bench"
    try makeFolder(place)
    guard let resolved = realpath(place, nil) else { throw .system("can't find \(place)") }
    defer { free(resolved) }
    let folder = "\(String(cString: resolved))/run-\(getpid())"
    guard mkdir(folder, 0o755) == 0, mkdir(folder + "/pids", 0o755) == 0 else { throw .system("can't make \(folder)") }
    var template = Array("/tmp/daybook-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw .system("can't make a folder in /tmp") }
    let socketFolder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard chmod(socketFolder, 0o711) == 0 else { throw .system("can't change \(socketFolder)") }
    let (watcher, lifeline) = try watch(folder, socketFolder)
    let ground = Ground(
      folder: folder, socketFolder: socketFolder, account: account, watcher: watcher, lifeline: lifeline)
    if let account {
      let check = try ChildProcess.start(
        ["runuser", "-u", account, "--", "/bin/sh", "-c", "cd \"$0\"", folder], output: .file("/dev/null"),
        errors: folder + "/setup.log")
      guard check.wait() == .exited(0) else {
        ground.clear()
        throw BenchFailure(
          "PostgreSQL's user \(account) can't enter \(folder): choose another place on this disk with --folder")
      }
    }
    return ground
  }

  /// Ends what still runs and removes the folders.
  func clear() {
    close(lifeline)
    var status: CInt = 0
    while waitpid(watcher, &status, 0) < 0, errno == EINTR {}
  }

  /// Ends what still runs but leaves the folder where it is.
  func keep() throws(BenchFailure) {
    try Output.replace(folder + "/kept", with: "")
    clear()
  }

  /// The words before a command that must run as PostgreSQL's account, in a folder that it can enter.
  var asAccount: [String] {
    let inRoot = ["/bin/sh", "-c", "cd / && exec \"$0\" \"$@\""]
    return account.map { ["runuser", "-u", $0, "--"] + inRoot } ?? inRoot
  }

  /// Makes a folder that PostgreSQL's account owns.
  func makeAccountFolder(_ path: String) throws(BenchFailure) {
    guard mkdir(path, 0o700) == 0 else { throw .system("can't make \(path)") }
    guard let account else { return }
    guard let entry = getpwnam(account), chown(path, entry.pointee.pw_uid, entry.pointee.pw_gid) == 0 else {
      throw .system("can't give away \(path)")
    }
  }

  /// Notes a process that must not outlive this one.
  func register(_ process: pid_t) throws(BenchFailure) {
    try Output.replace("\(folder)/pids/\(process)", with: "")
  }

  func forget(_ process: pid_t) {
    unlink("\(folder)/pids/\(process)")
  }

  static func makeFolder(_ path: String) throws(BenchFailure) {
    if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    throw .system("can't make \(path)")
  }

  /// PostgreSQL refuses to run as root.
  private static func otherAccount() throws(BenchFailure) -> String? {
    guard geteuid() == 0 else { return nil }
    for name in ["postgres", "nobody"] where getpwnam(name) != nil { return name }
    throw BenchFailure("PostgreSQL doesn't run as root, and there is neither a user postgres nor nobody")
  }

  private static func watch(
    _ folder: String, _ socketFolder: String
  ) throws(BenchFailure) -> (watcher: pid_t, lifeline: CInt) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system("can't make a pipe") }
    // The write end closes with this process, and only then, since no other program inherits it.
    guard fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 else { throw .system("can't set up a pipe") }
    defer { close(ends[0]) }
    let script = """
      cd /
      cat >/dev/null
      # Ended processes of a bench that lives are zombies, since it doesn't wait for them any more.
      gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
      wait_gone() { for turn in $(seq 100); do gone "$1" && return; sleep 0.1; done; return 1; }
      for file in "$0"/pids/*; do
        pid=${file##*/}
        case $pid in *[!0-9]*) continue ;; esac
        kill "$pid" 2>/dev/null
        wait_gone "$pid" || kill -KILL "$pid"
      done
      for file in "$0"/*/postgres/LOCATION; do test -e "$file" && homes="$homes $(cat "$file")"; done
      for file in "$0"/pgbench/postmaster.pid "$0"/*/postgres/cluster/postmaster.pid $(printf '%s/cluster/postmaster.pid ' $homes); do
        test -e "$file" || continue
        pid=$(head -n 1 "$file") && kill -QUIT "$pid" && wait_gone "$pid"
      done
      rm -rf "$1"
      test -e "$0/kept" && exit
      rm -rf "$0" $homes
      rmdir "${0%/*}" 2>/dev/null
      """
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // POSIX_SPAWN_SETSID, since a terminal's Ctrl-C isn't for it, and POSIX_SPAWN_SETSIGMASK.
    posix_spawnattr_setflags(&attributes, 0x88)
    let words: [String] = ["sh", "-c", script, folder, socketFolder]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var id: pid_t = 0
    let code = posix_spawn(&id, "/bin/sh", &actions, &attributes, &arguments, environ)
    guard code == 0 else { throw .system("can't start a shell", code: code) }
    return (id, ends[1])
  }
}
