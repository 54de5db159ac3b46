import CanonicalJSON
import Foundation
import Glibc
import Testing

/// One Daybook server on a data folder of its own, started, killed and started again as a test likes.
package actor DaybookProcess {
  /// What its files lie in.
  package nonisolated let folder: TemporaryFolder
  /// Its data folder.
  package nonisolated let data: String
  /// What it says on its standard error.
  package nonisolated let errorFile: String
  private let home: String
  private let arguments: [String]
  private var process: SpawnedProcess?
  /// The addresses of the ready line.
  package private(set) var addresses: [String] = []
  /// The first line of its standard output.
  package private(set) var readyLine = ""
  private var postgresURL: String?

  /// A server that doesn't run yet.
  /// - Parameters:
  ///   - listen: the TCP address that it listens on, or `none`.
  ///   - http: the address for HTTP, or `none`.
  ///   - home: the folder with `schema` and `projections`.
  package init(
    folder: TemporaryFolder, listen: String = "127.0.0.1:0", http: String = "none", arguments: [String] = [],
    dataFolder: String? = nil, home: String = Repository.root
  ) {
    self.home = home
    self.folder = folder
    self.arguments = ["--listen", listen, "--http", http] + arguments
    data = dataFolder ?? folder.path + "/data"
    errorFile = data + "-stderr.log"
    // Run as root, the user of PostgreSQL must be able to pass through, or its files would lie elsewhere.
    mkdir(data, 0o711)
  }

  /// Starts it and waits for the ready line; by a command that becomes it, where one is given.
  package func start(
    _ more: [String] = [], environment: [String: String] = [:], within limit: Duration = .seconds(60),
    under command: [String] = []
  ) async throws {
    // Other servers on the folder, at once or before, have said their own ready lines.
    let output = "\(data)-stdout-\(UUID().uuidString).log"
    let program = try Programs.built("daybook")
    let process = try SpawnedProcess(
      command + [program, "serve", "--data", data] + arguments + more, outputFile: output, errorFile: errorFile,
      environment: environment.merging(["DAYBOOK_HOME": home]) { given, _ in given })
    self.process = process
    try folder.note(process.pid)
    let errorFile = errorFile
    readyLine = try await eventually("the server is ready", within: limit) {
      let text = TestFiles.text(output)
      if let end = text.firstIndex(of: "\n") { return String(text[..<end]) }
      if let status = process.status {
        throw HarnessError("the server ended before it was ready: \(status)\n\(TestFiles.tail(errorFile))")
      }
      return nil
    }
    addresses = readyLine.split(whereSeparator: { " \",[]".contains($0) }).map(String.init)
      .filter { word in ["unix:", "tcp:", "tls:"].contains { word.hasPrefix($0) } }
    postgresURL = nil
  }

  /// Its process; -1 where there was none.
  package var pid: pid_t { process?.pid ?? -1 }
  /// How it ended; nil while it runs.
  package var status: ExitStatus? { process?.status }

  /// The address of its Unix socket.
  package nonisolated var unixAddress: String { "unix:\(data)/daybook.sock" }

  /// `kill -9`, and waits until it is gone.
  package func kill() async throws {
    process?.send(SIGKILL)
    _ = try await process?.wait(within: .seconds(20))
  }

  /// Waits until it has ended by itself, and how it did.
  package func end(within limit: Duration = .seconds(60)) async throws -> ExitStatus {
    guard let process else { throw HarnessError("no server") }
    return try await process.wait(within: limit)
  }

  /// SIGTERM, and how it ended.
  package func terminate(within limit: Duration = .seconds(60)) async throws -> ExitStatus {
    guard let process else { throw HarnessError("no server") }
    process.send(SIGTERM)
    do {
      return try await process.wait(within: limit)
    } catch {
      throw HarnessError("\(error)\n\(TestFiles.tail(errorFile))")
    }
  }

  /// `daybook …`, connected to this server where the command connects.
  package nonisolated func run(_ arguments: [String], within limit: Duration = .seconds(60)) async throws
    -> ProgramResult
  {
    try await runProgram(
      [try Programs.built("daybook")] + arguments, in: folder,
      environment: ["DAYBOOK_CONNECT": unixAddress, "DAYBOOK_DATA": data, "DAYBOOK_HOME": home], within: limit)
  }

  /// What PostgreSQL answers, rows as lines and columns parted by `|`, as the owner, whose URL
  /// `server.status` tells on the socket.
  package func psql(_ sql: String, database: String? = nil, within limit: Duration = .seconds(60)) async throws
    -> String
  {
    if postgresURL == nil {
      let postgres = try await run(["call", "server.status", "{}"]).json()["postgres"]
      postgresURL = (postgres?["owner_url"] ?? postgres?["url"])?.stringValue
    }
    let url = try #require(postgresURL, "server.status tells an administrator postgres.url")
    let result = try await runProgram(
      [
        "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database.map { Self.replacing(database: $0, in: url) } ?? url,
        "-c", sql,
      ],
      in: folder, within: limit)
    guard result.status == .code(0) else { throw HarnessError("psql: \(result.errors) (\(sql))") }
    return result.output.trimmingCharacters(in: .newlines)
  }

  /// The URL with another database's name in it.
  package static func replacing(database: String, in url: String) -> String {
    guard var parts = URLComponents(string: url) else { return url }
    parts.path = "/" + database
    return parts.string ?? url
  }

  /// Where its PostgreSQL keeps its files: in the data folder, or where the file LOCATION says.
  package nonisolated var postgresHome: String {
    let elsewhere = TestFiles.text(data + "/postgres/LOCATION").trimmingCharacters(in: .newlines)
    return elsewhere.isEmpty ? data + "/postgres" : elsewhere
  }

  /// The PostgreSQL that this server runs: its postmaster and every process of it; empty where none runs.
  package nonisolated func postgresProcesses() -> [pid_t] {
    let home = postgresHome
    guard let files = FileManager.default.enumerator(atPath: home) else { return [] }
    for case let file as String in files where file.hasSuffix("postmaster.pid") {
      guard let first = TestFiles.text(home + "/" + file).split(separator: "\n").first, let pid = pid_t(first),
        TestFiles.text("/proc/\(pid)/comm") == "postgres\n"
      else { continue }
      // A child's parent is the fourth field of its stat, after the name in parentheses.
      // Without /proc only the postmaster is known.
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
      let children = names.compactMap(pid_t.init).filter { child in
        let stat = TestFiles.text("/proc/\(child)/stat")
        guard let end = stat.lastIndex(of: ")") else { return false }
        return stat[end...].split(separator: " ").dropFirst(2).first.flatMap { pid_t($0) } == pid
      }
      return [pid] + children
    }
    return []
  }

  /// Sends a signal to PostgreSQL, the postmaster first; answers to how many processes.
  @discardableResult
  package nonisolated func signalPostgres(_ signal: Int32) -> Int {
    let all = postgresProcesses()
    for pid in all { _ = Glibc.kill(pid, signal) }
    return all.count
  }

  /// Ends everything and removes the folder.
  package func destroy() async throws {
    try await kill()
    try await folder.destroy()
  }
}

/// Runs a test with a server of its own, which is gone afterwards in any case.
package func withServer<R: Sendable>(
  _ arguments: [String] = [], listen: String = "127.0.0.1:0", _ body: (DaybookProcess) async throws -> R
) async throws -> R {
  let server = DaybookProcess(folder: try TemporaryFolder(), listen: listen, arguments: arguments)
  let outcome: Result<R, any Error>
  do {
    try await server.start()
    outcome = .success(try await body(server))
  } catch {
    Issue.record("what the server said last:\n\(TestFiles.tail(server.errorFile))")
    outcome = .failure(error)
  }
  try await server.destroy()
  return try outcome.get()
}
