import Foundation
import Glibc

/// How a process ended.
enum ExitStatus: Sendable, Equatable {
  case code(Int32)
  case signal(Int32)
}

/// What a harness can't do.
struct HarnessError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  /// A failed system call.
  static func call(_ name: String, _ code: Int32 = errno) -> HarnessError {
    HarnessError("\(name): \(String(cString: strerror(code)))")
  }
}

// Invariant behind @unchecked: `status` is read and written under `lock` only; the rest is set once.
/// A process in a session of its own, whose output goes into files.
final class SpawnedProcess: @unchecked Sendable {
  let pid: pid_t
  let outputFile: String
  let errorFile: String
  private let lock = NSLock()
  private var ended: ExitStatus?

  /// Starts a program, found along PATH where its name has no slash; `environment` is added to this process's own.
  init(
    _ command: [String], outputFile: String, errorFile: String, inputFile: String = "/dev/null",
    environment: [String: String] = [:]
  ) throws {
    self.outputFile = outputFile
    self.errorFile = errorFile
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, inputFile, O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputFile, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorFile, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    for descriptor in 3...255 as ClosedRange<CInt> { posix_spawn_file_actions_addclose(&actions, descriptor) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, 0x80)  // POSIX_SPAWN_SETSID: a terminal's Ctrl-C isn't for it.
    var variables = ProcessInfo.processInfo.environment
    // What a developer has set for their own server must not steer these.
    for name in ["DAYBOOK_DATA", "DAYBOOK_CONNECT", "DAYBOOK_API_KEY", "DATABASE_URL"] { variables[name] = nil }
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
  var status: ExitStatus? { lock.withLock { ended } }

  /// Sends a signal, if it still runs.
  func send(_ signal: Int32) {
    lock.withLock { if ended == nil { _ = Glibc.kill(pid, signal) } }
  }

  /// Waits for its end.
  func wait(within limit: Duration) async throws -> ExitStatus {
    try await eventually("process \(pid) ends", within: limit) { self.status }
  }
}

/// Asks until there is an answer; the one place where tests wait for something that nobody tells them of.
func eventually<R: Sendable>(
  _ what: String, within limit: Duration = .seconds(30), every pause: Duration = .milliseconds(20),
  _ body: () async throws -> R?
) async throws -> R {
  let deadline = ContinuousClock.now + limit
  while true {
    if let result = try await body() { return result }
    guard ContinuousClock.now < deadline else { throw HarnessError("not within \(limit): \(what)") }
    try await Task.sleep(for: pause)
  }
}

/// Runs what blocks a thread on one that may be blocked.
func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
  }
}
