import Files
import Glibc

/// The server process that a cluster's `postmaster.pid` names, and what can be
/// told of it from /proc, which everybody may read.
struct PostmasterProcess: Hashable, Sendable {
  let pid: pid_t
  let socketFolder: String
  /// Whether it said that it accepts connections.
  let isReady: Bool

  /// What `postmaster.pid` says, nil if there is none. Its lines: process id, data directory, start time, port, socket
  /// folder, address, shared memory, state.
  static func recorded(in cluster: String) -> PostmasterProcess? {
    guard let text = FileSystem.text(cluster + "/postmaster.pid") else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let pid = lines.first.flatMap({ pid_t($0) }), pid > 1 else { return nil }
    return PostmasterProcess(
      pid: pid, socketFolder: lines.count > 4 ? String(lines[4]) : "",
      isReady: lines.count > 7 && lines[7].hasPrefix("ready"))
  }

  /// The live server of that cluster, nil if there is none.
  static func running(in cluster: String) -> PostmasterProcess? {
    recorded(in: cluster).flatMap { $0.isAlive(in: cluster) ? $0 : nil }
  }

  /// Whether the process lives and is the server of that cluster: after a power loss or in a new container the number
  /// may be another process's.
  func isAlive(in cluster: String) -> Bool {
    Self.isAlive(pid) && Self.isPostmaster(pid, of: cluster)
  }

  /// Whether a process lives; a zombie doesn't. Takes the exit status of a dead child of this process.
  static func isAlive(_ pid: pid_t) -> Bool {
    var status: CInt = 0
    waitpid(pid, &status, WNOHANG)  // Fails for what isn't our child, as it should.
    guard let stat = FileSystem.text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return false }
    let state = stat[end...].dropFirst(2).first
    guard state == "Z" || state == "X" else { return true }
    // It may have died between the two looks: an unreaped child still counts as alive for whoever asks by signal 0.
    waitpid(pid, &status, WNOHANG)
    return false
  }

  private static func isPostmaster(_ pid: pid_t, of cluster: String) -> Bool {
    guard let bytes = FileSystem.presentBytes("/proc/\(pid)/cmdline") else { return false }
    let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    // Just started as another user it is still setpriv, which becomes postgres.
    return arguments.contains { $0.hasSuffix("/postgres") || $0 == "postgres" }
      && arguments.contains { $0.utf8.elementsEqual(cluster.utf8) }
  }

  /// The backends of a dead server, by the cluster's name in their titles.
  static func orphans(clusterName: String) -> [pid_t] {
    let title = Array("postgres: \(clusterName): ".utf8)
    return FileSystem.presentNames(in: "/proc").compactMap { pid_t($0) }.filter { pid in
      FileSystem.presentBytes("/proc/\(pid)/cmdline")?.starts(with: title) == true && isAlive(pid)
    }
  }

  /// Waits until a process is gone, and says whether it is in time.
  static func waitForEnd(_ pid: pid_t, within limit: Duration) async throws -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while isAlive(pid) {
      if clock.now >= end { return false }
      try await Task.sleep(for: .milliseconds(10))
    }
    return true
  }
}
