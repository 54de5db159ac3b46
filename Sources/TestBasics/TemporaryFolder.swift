import Foundation
import Glibc

/// A folder that is gone, with every process started in it, when nobody holds it any longer, when ``destroy()`` has
/// been called, or when this process has ended by whatever signal. `DAYBOOK_KEEP=1` leaves it.
package final class TemporaryFolder: Sendable {
  /// Where it is; users other than the tests' own may pass through it.
  package let path: String
  private static let isKept = ProcessInfo.processInfo.environment["DAYBOOK_KEEP"] == "1"

  /// Makes an empty folder.
  package init() throws {
    path = try TemporaryFolder.make(in: try TemporaryFolder.all.get() + "/")
  }

  deinit {
    // What still has processes in it is removed after them, when this process ends.
    if !TemporaryFolder.isKept, access(path + "/pids", F_OK) != 0 { try? FileManager.default.removeItem(atPath: path) }
  }

  /// Runs a body with a folder that is there until the body ends.
  package static func with<R>(_ body: (TemporaryFolder) async throws -> R) async throws -> R {
    let folder = try TemporaryFolder()
    return try await closing({ try await body(folder) }, { try await folder.destroy() })
  }

  /// Notes a process that has to end with the folder.
  package func note(_ pid: pid_t) throws {
    let file = open(path + "/pids", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw HarnessError.call("open pids") }
    defer { close(file) }
    let line = Array("\(pid)\n".utf8)
    guard write(file, line, line.count) == line.count else { throw HarnessError.call("write pids") }
  }

  /// Ends PostgreSQL in it and removes it.
  package func destroy() async throws {
    if TemporaryFolder.isKept { return print("kept: \(path)") }
    let script = TemporaryFolder.endPostgres + "\nrm -rf \"$0\"\n"
    let process = try SpawnedProcess(["sh", "-c", script, path], outputFile: "/dev/null", errorFile: "/dev/null")
    _ = try await process.wait(within: .seconds(30))
  }

  // MARK: - The end of this process

  /// The folder that holds all folders of this process.
  private static let all: Result<String, any Error> = Result {
    let folder = try make(in: "/tmp/daybook-tests-")
    try watch(folder)
    return folder
  }

  private static func make(in prefix: String) throws -> String {
    var template = Array("\(prefix)XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw HarnessError.call("mkdtemp") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Run as root, PostgreSQL's own user must be able to pass through.
    guard chmod(folder, 0o711) == 0 else { throw HarnessError.call("chmod") }
    return folder
  }

  /// Starts a shell that waits for the end of this process, by whatever signal, then
  /// ends what was started under the folder and removes it.
  private static func watch(_ folder: String) throws {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw HarnessError.call("pipe") }
    // The write end closes with this process, and only then, since no other program inherits it.
    guard fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 else {
      throw HarnessError.call("fcntl")
    }
    defer { close(ends[0]) }
    let script = """
      cd /
      cat >/dev/null
      cat "$0"/*/pids 2>/dev/null | while read -r pid; do
        case "$(cat "/proc/$pid/comm" 2>/dev/null)" in daybook*|psql) kill -KILL "$pid";; esac
      done
      \(endPostgres)
      \(isKept ? "" : "rm -rf \"$0\"")
      """
    _ = try SpawnedProcess(
      ["sh", "-c", script, folder], outputFile: "/dev/null", errorFile: "/dev/null", input: ends[0])
  }

  /// Shell: ends every PostgreSQL that was made for a data folder under `$0`, and
  /// removes its socket folder and what lies elsewhere.
  private static let endPostgres = """
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
