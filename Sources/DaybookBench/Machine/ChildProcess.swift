#if canImport(Glibc)
  import Glibc
#endif

/// A program that this one started.
///
/// A signal can be sent to it, and it is waited for exactly once; who started it does both from one task.
struct ChildProcess {
  /// Where its standard output goes.
  enum StandardOutput {
    case file(String)
    case pipe
  }

  /// How it ended.
  enum End: Equatable {
    case exited(CInt)
    case signalled(CInt)
  }

  let id: pid_t
  /// When it was about to be started, on ``Clock``.
  let startedAt: Double
  /// The read end of its standard output, where that is a pipe.
  let output: CInt

  /// Starts a program with standard error appended to a file. `environment` adds
  /// variables; one that is nil is taken away.
  static func start(
    _ arguments: [String], environment: [String: String?] = [:], output: StandardOutput, errors: String,
    session: Bool = false
  ) throws(BenchFailure) -> ChildProcess {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    var ends: [CInt] = [-1, -1]
    switch output {
    case .file(let path):
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    case .pipe:
      guard pipe(&ends) == 0 else { throw .system("can't make a pipe") }
      for end in ends where fcntl(end, F_SETFD, FD_CLOEXEC) != 0 { throw .system("can't set up a pipe") }
      posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    }
    var argumentPointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var environmentPointers = variables(changed: environment)
    defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
    // Threads of Swift's pool hold signals back, and a child would inherit that:
    // pgbench ends by SIGALRM, a server by SIGTERM.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigaddset(&signals, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, 0x0c)  // POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
    let startedAt = Clock.now
    var id: pid_t = 0
    let code = posix_spawnp(&id, arguments[0], &actions, &attributes, &argumentPointers, &environmentPointers)
    if ends[1] >= 0 { close(ends[1]) }
    guard code == 0 else {
      if ends[0] >= 0 { close(ends[0]) }
      throw .system("can't run \(arguments[0])", code: code)
    }
    return ChildProcess(id: id, startedAt: startedAt, output: ends[0])
  }

  /// Runs a program to its end and gives what it wrote to standard output.
  /// - Throws: ``BenchFailure`` with the last lines of standard error, which is kept
  ///   in `errors`, where it didn't exit with 0.
  static func run(
    _ arguments: [String], environment: [String: String?] = [:], errors: String
  ) throws(BenchFailure) -> String {
    let child = try start(arguments, environment: environment, output: .pipe, errors: errors)
    let text = String(decoding: child.readToEnd(), as: UTF8.self)
    let end = child.wait()
    guard end == .exited(0) else {
      throw BenchFailure("\(arguments.joined(separator: " ")) failed (\(end)):\n\(Input.tail(errors))")
    }
    return text
  }

  /// Waits for its end.
  func wait() -> End {
    if output >= 0 { close(output) }
    var status: CInt = 0
    while waitpid(id, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7f
    return signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
  }

  /// Whether it has ended; it must still be waited for where this says no, and is forgotten where it says yes.
  func poll() -> End? {
    var status: CInt = 0
    guard waitpid(id, &status, WNOHANG) == id else { return nil }
    let signal = status & 0x7f
    return signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
  }

  func send(signal: CInt) {
    kill(id, signal)
  }

  /// One line of standard output, without the line break; nil where it ended, or the time was over, before.
  func readLine(withinSeconds patience: Double) -> String? {
    let deadline = Clock.now + patience
    var line: [UInt8] = []
    while true {
      var interest = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      let left = deadline - Clock.now
      guard left > 0, Glibc.poll(&interest, 1, CInt(left * 1000) + 1) > 0 else { return nil }
      var byte: UInt8 = 0
      let count = read(output, &byte, 1)
      if count < 0, errno == EINTR { continue }
      guard count == 1 else { return nil }
      if byte == 0x0A { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
  }

  private func readToEnd() -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(output, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  private static func variables(changed: [String: String?]) -> [UnsafeMutablePointer<CChar>?] {
    var pointers: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      let name = String(text.prefix { $0 != "=" })
      if !changed.keys.contains(name) { pointers.append(strdup(entry)) }
      next += 1
    }
    for (name, value) in changed { if let value { pointers.append(strdup("\(name)=\(value)")) } }
    return pointers + [nil]
  }
}
