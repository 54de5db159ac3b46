import Files
import Glibc

/// The installed programs of one PostgreSQL version.
struct PostgresBinaries: Hashable, Sendable {
  /// The folder that holds `postgres` and `initdb`.
  let folder: String
  /// The major version, such as 15.
  let version: Int

  var postgres: String { folder + "/postgres" }
  var initdb: String { folder + "/initdb" }

  static let oldest = 15

  /// Finds them: `$DAYBOOK_POSTGRES_BIN`; then the packaged ones, newest first; then those on the PATH.
  /// - Parameter needed: The major version of a cluster that exists already, which no other version can run.
  static func find(needed: Int?, account: ServerAccount) async throws -> PostgresBinaries {
    let remedy =
      "apt-get install postgresql, set DAYBOOK_POSTGRES_BIN to the folder of its programs, or give --postgres URL"
    var found: [PostgresBinaries] = []
    if let folder = environment("DAYBOOK_POSTGRES_BIN") {
      guard let binaries = try await inspect(folder, account: account) else {
        throw EmbeddedPostgresError(
          .binariesMissing, "DAYBOOK_POSTGRES_BIN is \(folder), which holds no postgres and initdb that can be run")
      }
      found = [binaries]
    } else {
      let packages = "/usr/lib/postgresql"
      for name in FileSystem.presentNames(in: packages) {
        let folder = "\(packages)/\(name)/bin"
        if let version = Int(name), isComplete(folder) {
          found.append(PostgresBinaries(folder: folder, version: version))
        }
      }
      found.sort { $0.version > $1.version }
      for folder in (environment("PATH") ?? "").split(separator: ":") {
        guard let program = ["pg_ctl", "postgres"].map({ "\(folder)/\($0)" }).first(where: FileSystem.isExecutable),
          let slash = try FileSystem.resolved(program).lastIndex(of: "/")
        else { continue }
        let real = String(try FileSystem.resolved(program)[..<slash])
        if found.contains(where: { $0.folder == real }) { continue }
        if let binaries = try await inspect(real, account: account) { found.append(binaries) }
      }
    }
    if let needed {
      if let match = found.first(where: { $0.version == needed }) { return match }
      throw EmbeddedPostgresError(
        .binariesMissing,
        "the private database was made by PostgreSQL \(needed), whose programs aren't installed (apt-get install "
          + "postgresql-\(needed)); or delete its folder, and the read models are posted again from the log")
    }
    guard let newest = found.first(where: { $0.version >= oldest }) else {
      let seen = found.map { "\($0.version) in \($0.folder)" }.joined(separator: ", ")
      throw EmbeddedPostgresError(
        .binariesMissing,
        "PostgreSQL \(oldest) or newer isn't installed\(seen.isEmpty ? "" : " (found only \(seen))"): \(remedy)")
    }
    return newest
  }

  private static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  private static func isComplete(_ folder: String) -> Bool {
    ["postgres", "initdb"].allSatisfy { FileSystem.isExecutable("\(folder)/\($0)") }
  }

  /// Asks `postgres --version`; nil if the folder isn't PostgreSQL's.
  private static func inspect(_ folder: String, account: ServerAccount) async throws -> PostgresBinaries? {
    guard isComplete(folder) else { return nil }
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw FileSystem.failure("make a pipe for", folder) }
    defer { for end in ends { close(end) } }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }  // Can't fail for an open descriptor.
    guard try await ChildProcess.run([folder + "/postgres", "--version"], as: account, output: ends[1]) == 0 else {
      return nil
    }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(ends[0], &bytes, bytes.count)
    // "postgres (PostgreSQL) 15.18 (Debian …)", "postgres (PostgreSQL) 17beta1"
    let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
    guard words.count > 2, let version = Int(words[2].prefix { $0.isNumber }) else { return nil }
    return PostgresBinaries(folder: folder, version: version)
  }
}
