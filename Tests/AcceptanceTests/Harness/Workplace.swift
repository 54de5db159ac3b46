import Foundation
import Glibc

/// The binary under test, and how thorough to be.
enum Workplace {
  /// `daybook` beside the test bundle, or what DAYBOOK_BINARY names; nil where it isn't built.
  static let binary: String? = {
    let path: String
    if let named = ProcessInfo.processInfo.environment["DAYBOOK_BINARY"] {
      path = named
    } else {
      // Without /proc there is no binary.
      let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
      path = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("daybook").path
    }
    return access(path, X_OK) == 0 ? path : nil
  }()

  /// Why tests are skipped where there is no binary.
  static let missing: String = "the program daybook is not built: run swift build --product daybook"

  /// The full sizes instead of those for every day.
  static let isThorough = ProcessInfo.processInfo.environment["DAYBOOK_THOROUGH"] == "1"

  /// The repository that these tests lie in.
  static let repository: String = {
    var url = URL(fileURLWithPath: #filePath)
    while url.path != "/" {
      url.deleteLastPathComponent()
      if access(url.appendingPathComponent("Package.swift").path, F_OK) == 0 { return url.path }
    }
    return "."
  }()

  /// Data from outside, beside the repository; nil where there is none.
  static let sharedData: String? = {
    let path = URL(fileURLWithPath: repository).deletingLastPathComponent().appendingPathComponent("shared/data").path
    return access(path, R_OK) == 0 ? path : nil
  }()

  /// The folder that holds all folders of this test process.
  ///
  /// A shell waits for the end of this process, by whatever signal, then ends what was started under the folder and removes it.
  static let root: Result<String, any Error> = Result {
    var template = Array("/tmp/daybook-acceptance-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw HarnessError.call("mkdtemp") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Run as root, PostgreSQL's own user must be able to pass through.
    guard chmod(folder, 0o711) == 0 else { throw HarnessError.call("chmod") }
    try watch(folder)
    return folder
  }

  private static func watch(_ folder: String) throws {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw HarnessError.call("pipe") }
    // The write end closes with this process, and only then, since no other program inherits it.
    guard fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 else { throw HarnessError.call("fcntl") }
    defer { close(ends[0]) }
    let script = """
      cd /
      cat >/dev/null
      cat "$0"/*/pids 2>/dev/null | while read -r pid; do
        case "$(cat "/proc/$pid/comm" 2>/dev/null)" in daybook|psql) kill -KILL "$pid";; esac
      done
      \(Self.endPostgres)
      test "$DAYBOOK_KEEP" = 1 || rm -rf "$0"
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
    posix_spawnattr_setflags(&attributes, 0x80)
    let command: [String] = ["sh", "-c", script, folder]
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, "/bin/sh", &actions, &attributes, &arguments, environ) == 0 else {
      throw HarnessError.call("posix_spawn")
    }
  }

  /// Shell: ends every PostgreSQL that was made for a data folder under `$0`, and removes its socket folder and what lies elsewhere.
  static let endPostgres = """
    elsewhere=$(find "$0" -name LOCATION -exec cat {} + 2>/dev/null | grep '^/var/lib/daybook/.')
    find "$0" $elsewhere -name postmaster.pid 2>/dev/null | while read -r file; do
      pid=$(sed -n 1p "$file"); socket=$(sed -n 5p "$file")
      test "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres || continue
      kill -CONT "$pid" 2>/dev/null; kill -QUIT "$pid" 2>/dev/null
      for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$pid" 2>/dev/null && sleep 0.05; done
      kill -KILL "$pid" 2>/dev/null
      case "$socket" in /tmp/daybook-*) rm -rf "$socket";; esac
    done
    test -n "$elsewhere" && rm -rf $elsewhere
    """
}

/// A folder that is gone, with every process started in it, when ``destroy()`` has been called or this process has ended.
struct TemporaryFolder: Sendable {
  let path: String

  init() throws {
    var template = Array("\(try Workplace.root.get())/XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw HarnessError.call("mkdtemp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard chmod(path, 0o711) == 0 else { throw HarnessError.call("chmod") }
  }

  /// Notes a process that has to end with the folder.
  func note(_ pid: pid_t) throws {
    let file = open(path + "/pids", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw HarnessError.call("open pids") }
    defer { close(file) }
    let line = Array("\(pid)\n".utf8)
    guard write(file, line, line.count) == line.count else { throw HarnessError.call("write pids") }
  }

  /// Ends PostgreSQL in it and removes it.
  func destroy() async throws {
    if ProcessInfo.processInfo.environment["DAYBOOK_KEEP"] == "1" { return print("kept: \(path)") }
    let script = Workplace.endPostgres + "\nrm -rf \"$0\"\n"
    let path = path
    let process = try SpawnedProcess(["sh", "-c", script, path], outputFile: "/dev/null", errorFile: "/dev/null")
    _ = try await process.wait(within: .seconds(30))
  }
}

/// Files as bytes and texts.
enum Files {
  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  static func text(_ path: String) -> String {
    // A file that isn't there yet has no text.
    (try? String(decoding: bytes(path), as: UTF8.self)) ?? ""
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// The last lines of a text file.
  static func tail(_ path: String, lines: Int = 25) -> String {
    text(path).split(separator: "\n").suffix(lines).joined(separator: "\n")
  }
}
