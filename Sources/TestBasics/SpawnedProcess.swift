import Foundation
import Glibc

/// How a process ended.
package enum ExitStatus: Sendable, Equatable {
  case code(Int32)
  case signal(Int32)
}

// Invariant behind @unchecked: `status` is read and written under `lock` only; the rest is set once.
/// A process in a session of its own, whose output goes into files.
package final class SpawnedProcess: @unchecked Sendable {
  package let pid: pid_t
  package let outputFile: String
  package let errorFile: String
  private let lock = NSLock()
  private var ended: ExitStatus?

  /// Starts a program, found along PATH where its name has no slash; `environment` is added to this process's own,
  /// without what that says for a Daybook.
  package convenience init(
    _ command: [String], outputFile: String, errorFile: String, inputFile: String = "/dev/null",
    directory: String? = nil, environment: [String: String] = [:]
  ) throws {
    let input = open(inputFile, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw HarnessError.call("open \(inputFile)") }
    defer { close(input) }
    try self.init(
      command, outputFile: outputFile, errorFile: errorFile, input: input, directory: directory,
      environment: environment)
  }

  /// Starts a program that reads from an open file.
  init(
    _ command: [String], outputFile: String, errorFile: String, input: CInt, directory: String? = nil,
    environment: [String: String] = [:]
  ) throws {
    self.outputFile = outputFile
    self.errorFile = errorFile
    // A shell enters the folder and becomes the program.
    let command = directory.map { ["sh", "-c", #"cd "$0" && exec "$@""#, $0] + command } ?? command
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputFile, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorFile, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    for descriptor in 3...255 as ClosedRange<CInt> { posix_spawn_file_actions_addclose(&actions, descriptor) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // POSIX_SPAWN_SETSID: a terminal's Ctrl-C isn't for it. POSIX_SPAWN_SETSIGMASK and POSIX_SPAWN_SETSIGDEF: threads
    // of a test block most signals, and its program would go on doing so, and those that it starts.
    posix_spawnattr_setflags(&attributes, 0x80 | 0x08 | 0x04)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    // What a developer has set for their own server must not steer these.
    var variables = ProcessInfo.processInfo.environment.filter {
      !$0.key.hasPrefix("DAYBOOK_") && $0.key != "DATABASE_URL"
    }
    variables["DAYBOOK_HOME"] = Repository.root
    for (name, value) in environment { variables[name] = value }
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var block: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in arguments + block { free(pointer) } }
    var child: pid_t = 0
    let code = posix_spawnp(&child, command[0], &actions, &attributes, &arguments, &block)
    guard code == 0 else { throw HarnessError.call("start \(command[0])", code) }
    pid = child
    Thread.detachNewThread { [self] in
      var raw: Int32 = 0
      while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
      let status: ExitStatus = raw & 0x7F == 0 ? .code((raw >> 8) & 0xFF) : .signal(raw & 0x7F)
      lock.withLock { ended = status }
    }
  }

  /// How it ended; nil while it runs.
  package var status: ExitStatus? { lock.withLock { ended } }

  /// Sends a signal, if it still runs.
  package func send(_ signal: Int32) {
    lock.withLock { if ended == nil { _ = Glibc.kill(pid, signal) } }
  }

  /// Waits for its end.
  package func wait(within limit: Duration) async throws -> ExitStatus {
    try await eventually("process \(pid) ends", within: limit) { self.status }
  }
}
