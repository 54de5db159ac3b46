import BasicTypes
import Files
import Glibc

/// Where the private server's files lie, decided anew at every start by what its account can reach.
struct ClusterPlace: Hashable, Sendable {
  /// The folder that was asked for, `DIR/postgres`.
  let dataFolder: String
  /// What holds the cluster: the data folder, or one under /var/lib/daybook where the account can't enter that.
  let home: String
  /// Whether a cluster that lies there without saying whose it is belongs to this data folder: in it, or named by it.
  let isNamed: Bool

  /// The cluster itself (PostgreSQL's data directory).
  var cluster: String { home + "/cluster" }
  /// Says whose the cluster is.
  var ownerFile: String { home + "/OWNER" }
  /// The server's log, beside the data folder.
  var log: String { dataFolder + ".log" }
  /// A name that is this cluster's alone on this machine.
  var clusterName: String { "daybook-" + ClusterPlace.shortName(of: dataFolder) }

  /// Makes the folders, owned by the account and closed to others.
  ///
  /// When this process is root and the account can't enter the data folder (it lies in
  /// a home directory, say), the cluster is kept in `elsewhere`, in a folder named
  /// after the data folder's path, and a file `LOCATION` in the data folder says where.
  static func prepare(
    dataFolder: String, account: ServerAccount, elsewhere: String
  ) async throws -> ClusterPlace {
    try FileSystem.makeFolder(dataFolder, mode: 0o700, above: 0o755)
    let dataFolder = try FileSystem.resolved(dataFolder)
    guard !dataFolder.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) else {
      throw EmbeddedPostgresError(.folderUnusable, "PostgreSQL can't use a folder whose name holds a line end")
    }
    let location = dataFolder + "/LOCATION"
    var home = dataFolder
    var isNamed = true
    if account.isOther, !(try await handOver(dataFolder, to: account)) {
      try FileSystem.makeFolder(elsewhere, mode: 0o755, above: 0o755)
      home = elsewhere + "/" + ClusterPlace.shortName(of: dataFolder)
      try FileSystem.makeFolder(home, mode: 0o700, above: 0o755)
      guard try await handOver(home, to: account) else {
        throw EmbeddedPostgresError(
          .folderUnusable, "the user \(account.name) can enter neither \(dataFolder) nor \(home)")
      }
      guard chown(dataFolder, geteuid(), getegid()) == 0 else { throw FileSystem.failure("own", dataFolder) }
      // A data folder that was removed and made anew doesn't name what it once had elsewhere.
      isNamed = FileSystem.text(location) == home + "\n"
      try FileSystem.replace(location, with: Array((home + "\n").utf8), syncing: true)
    } else if FileSystem.exists(location), unlink(location) != 0 {
      throw FileSystem.failure("remove", location)
    }
    guard access(home, R_OK | W_OK | X_OK) == 0 else {
      throw EmbeddedPostgresError(
        .folderUnusable, "\(home) belongs to another user; run Daybook as the user that it was first run as")
    }
    let place = ClusterPlace(dataFolder: dataFolder, home: home, isNamed: isNamed)
    try place.rotateLog()
    return place
  }

  /// Whether the cluster that lies there is another log's: then nothing of it may be used.
  func isOf(other owner: String) -> Bool {
    guard FileSystem.exists(cluster) else { return false }
    guard let found = FileSystem.text(ownerFile) else { return !isNamed }
    return found != owner + "\n"
  }

  /// Gives a folder to the account and says whether the account can then work in it; asks the kernel, as the account,
  /// rather than to interpret modes and access lists.
  private static func handOver(_ folder: String, to account: ServerAccount) async throws -> Bool {
    guard chown(folder, account.uid, account.gid) == 0, chmod(folder, 0o700) == 0 else { return false }
    return try await ChildProcess.run(["/bin/sh", "-c", "cd -- \"$0\" && test -w .", folder], as: account) == 0
  }

  /// The log, opened for a child to append to.
  func openLog() throws(EmbeddedPostgresError) -> CInt {
    let descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileSystem.failure("write", log) }
    return descriptor
  }

  /// The last lines of what was logged from an offset on.
  func logTail(from offset: Int) -> String {
    guard let bytes = FileSystem.presentBytes(log), bytes.count > offset else { return "nothing in \(log)" }
    let lines = String(decoding: bytes[offset...].suffix(2000), as: UTF8.self).split(separator: "\n")
    return lines.suffix(6).joined(separator: "; ") + " (\(log))"
  }

  var logSize: Int {
    var information = stat()
    return stat(log, &information) == 0 ? Int(information.st_size) : 0
  }

  /// Keeps one older log once the current one has grown beyond 16 MiB.
  private func rotateLog() throws(EmbeddedPostgresError) {
    guard logSize > 16 << 20 else { return }
    guard rename(log, log + ".1") == 0 else { throw FileSystem.failure("rename", log) }
  }

  /// The folder for the socket: the one asked for, or a short one under /tmp named after the user and the data folder,
  /// since a socket's path has at most 107 bytes. It is the account's own and closed to everyone else but root.
  func prepareSocketFolder(_ wanted: String?, account: ServerAccount) throws(EmbeddedPostgresError) -> String {
    let name = "/tmp/daybook-\(geteuid())-\(ClusterPlace.shortName(of: dataFolder))"
    // Whoever else may write to /tmp could have taken the names that can be told beforehand; then one that can't be.
    let random = (0..<4).map { _ in "\(name)-\(UInt32.random(in: 0...UInt32.max))" }
    for candidate in wanted.map({ [$0] }) ?? [name, name + "-1", name + "-2"] + random {
      if candidate.utf8.count + "/.s.PGSQL.65535".utf8.count > 107 {
        throw EmbeddedPostgresError(
          .folderUnusable, "\(candidate) is too long a path for a socket; choose a shorter one")
      }
      if wanted == nil {
        // What is there already shows below; a file or a link may be anybody's.
        mkdir(candidate, 0o700)
      } else {
        try FileSystem.makeFolder(candidate, mode: 0o700, above: 0o755)
      }
      if take(candidate, for: account) { return candidate }
    }
    throw EmbeddedPostgresError(
      .folderUnusable, "\(wanted ?? name) belongs to somebody else; choose another socket folder")
  }

  /// Makes a folder the account's own if it is this process's or the account's already, and no link.
  private func take(_ folder: String, for account: ServerAccount) -> Bool {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, [geteuid(), account.uid].contains(information.st_uid) else {
      return false
    }
    if information.st_uid != account.uid, fchown(descriptor, account.uid, account.gid) != 0 { return false }
    return fchmod(descriptor, 0o700) == 0
  }

  /// FNV-1a, 64 bits, as 16 hexadecimal digits: a short name for a path, the same in every process.
  static func shortName(of path: String) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return withUnsafeBytes(of: hash.bigEndian) { Hex.encode($0) }
  }
}
