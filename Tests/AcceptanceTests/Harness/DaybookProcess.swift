import CanonicalJSON
import DaybookClient
import Foundation
import Glibc
import Testing

/// What a program that has ended left.
struct ProgramResult: Sendable {
  let status: ExitStatus
  let output: String
  let errors: String

  /// Its output as JSON.
  func json() throws -> JSON {
    do {
      return try JSON.parse(output.trimmingCharacters(in: .whitespacesAndNewlines))
    } catch {
      throw HarnessError("no JSON (\(error)), \(status): \(output.prefix(500)) \(errors.suffix(1000))")
    }
  }
}

/// Runs a program to its end.
func runProgram(
  _ command: [String], in folder: TemporaryFolder, environment: [String: String] = [:],
  within limit: Duration = .seconds(60)
) async throws -> ProgramResult {
  let name = "\(folder.path)/run-\(UUID().uuidString)"
  let process = try SpawnedProcess(
    command, outputFile: name + ".out", errorFile: name + ".err", environment: environment)
  try folder.note(process.pid)
  do {
    let status = try await process.wait(within: limit)
    let result = ProgramResult(status: status, output: Files.text(name + ".out"), errors: Files.text(name + ".err"))
    unlink(name + ".out")
    unlink(name + ".err")
    return result
  } catch {
    process.send(SIGKILL)
    throw HarnessError("\(command.prefix(4).joined(separator: " ")): \(error); stderr: \(Files.tail(name + ".err"))")
  }
}

/// One Daybook server on a data folder of its own, started, killed and started again as a test likes.
actor DaybookProcess {
  nonisolated let folder: TemporaryFolder
  nonisolated let data: String
  nonisolated let errorFile: String
  private let arguments: [String]
  private var process: SpawnedProcess?
  private var starts = 0
  /// The addresses of the ready line.
  private(set) var addresses: [Endpoint] = []
  private(set) var readyLine = ""
  private var postgresURL: String?

  init(folder: TemporaryFolder, arguments: [String] = [], dataFolder: String? = nil) {
    self.folder = folder
    self.arguments = arguments
    data = dataFolder ?? folder.path + "/data"
    errorFile = data + "-stderr.log"
    // Run as root, the user of PostgreSQL must be able to pass through, or its files would lie elsewhere.
    mkdir(data, 0o711)
  }

  /// Starts it and waits for the ready line.
  func start(
    _ more: [String] = [], environment: [String: String] = [:], within limit: Duration = .seconds(60)
  ) async throws {
    starts += 1
    // Two servers may share a folder of files.
    let output = "\(data)-stdout-\(starts).log"
    let program = try #require(Workplace.binary)
    let process = try SpawnedProcess(
      [program, "serve", "--data", data, "--listen", "127.0.0.1:0"] + arguments + more, outputFile: output,
      errorFile: errorFile, environment: environment)
    self.process = process
    try folder.note(process.pid)
    let errorFile = errorFile
    readyLine = try await eventually("the server is ready", within: limit) {
      let text = Files.text(output)
      if let end = text.firstIndex(of: "\n") { return String(text[..<end]) }
      if let status = process.status {
        throw HarnessError("the server ended before it was ready: \(status)\n\(Files.tail(errorFile))")
      }
      return nil
    }
    addresses = try readyLine.split(whereSeparator: { " \",[]".contains($0) }).map(String.init)
      .filter { word in ["unix:", "tcp:", "tls:"].contains { word.hasPrefix($0) } }.map { try Endpoint.parse($0) }
    postgresURL = nil
  }

  var pid: pid_t { process?.pid ?? -1 }
  var status: ExitStatus? { process?.status }

  nonisolated var unixAddress: Endpoint { .unix(data + "/daybook.sock") }

  /// The TCP address of the ready line.
  func tcpAddress() throws -> Endpoint {
    for address in addresses { if case .tcp = address { return address } }
    throw HarnessError("no TCP address in the ready line: \(readyLine)")
  }

  /// `kill -9`, and waits until it is gone.
  func kill() async throws {
    process?.send(SIGKILL)
    _ = try await process?.wait(within: .seconds(20))
  }

  /// Waits until it has ended by itself, and how it did.
  func end(within limit: Duration = .seconds(60)) async throws -> ExitStatus {
    guard let process else { throw HarnessError("no server") }
    return try await process.wait(within: limit)
  }

  /// SIGTERM, and how it ended.
  func terminate(within limit: Duration = .seconds(60)) async throws -> ExitStatus {
    guard let process else { throw HarnessError("no server") }
    process.send(SIGTERM)
    do {
      return try await process.wait(within: limit)
    } catch {
      throw HarnessError("\(error)\n\(Files.tail(errorFile))")
    }
  }

  /// A connection to the Unix socket, as the local administrator.
  nonisolated func client() async throws -> DaybookClient {
    try await DaybookClient.connect(to: unixAddress)
  }

  /// A connection over TCP that has signed in.
  func client(apiKey: String) async throws -> DaybookClient {
    let client = try await DaybookClient.connect(to: try tcpAddress())
    _ = try await client.call("session.open", ["api_key": .string(apiKey)])
    return client
  }

  /// A connection over TCP that a user has signed in on.
  func client(email: String, password: String) async throws -> DaybookClient {
    let client = try await DaybookClient.connect(to: try tcpAddress())
    _ = try await client.call("session.open", ["email": .string(email), "password": .string(password)])
    return client
  }

  /// `daybook …`, connected to this server where the command connects.
  nonisolated func run(_ arguments: [String], within limit: Duration = .seconds(60)) async throws -> ProgramResult {
    try await runProgram(
      [try #require(Workplace.binary)] + arguments, in: folder,
      environment: ["DAYBOOK_CONNECT": unixAddress.description, "DAYBOOK_DATA": data], within: limit)
  }

  /// What PostgreSQL answers, rows as lines and columns parted by `|`, through the URL of `server.status`.
  func psql(_ sql: String, database: String? = nil, within limit: Duration = .seconds(60)) async throws -> String {
    if postgresURL == nil {
      let client = try await client()
      let status = try await client.call("server.status")
      try await client.close()
      postgresURL = status["postgres"]?["url"]?.stringValue
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
  static func replacing(database: String, in url: String) -> String {
    guard var parts = URLComponents(string: url) else { return url }
    parts.path = "/" + database
    return parts.string ?? url
  }

  /// Where its PostgreSQL keeps its files: in the data folder, or where the file LOCATION says.
  nonisolated var postgresHome: String {
    let elsewhere = Files.text(data + "/postgres/LOCATION").trimmingCharacters(in: .newlines)
    return elsewhere.isEmpty ? data + "/postgres" : elsewhere
  }

  /// The PostgreSQL that this server runs: its postmaster and every process of it; empty where none runs.
  nonisolated func postgresProcesses() -> [pid_t] {
    let home = postgresHome
    guard let files = FileManager.default.enumerator(atPath: home) else { return [] }
    for case let file as String in files where file.hasSuffix("postmaster.pid") {
      guard let first = Files.text(home + "/" + file).split(separator: "\n").first, let pid = pid_t(first),
        Files.text("/proc/\(pid)/comm") == "postgres\n"
      else { continue }
      // A child's parent is the fourth field of its stat, after the name in parentheses.
      // Without /proc only the postmaster is known.
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
      let children = names.compactMap(pid_t.init).filter { child in
        let stat = Files.text("/proc/\(child)/stat")
        guard let end = stat.lastIndex(of: ")") else { return false }
        return stat[end...].split(separator: " ").dropFirst(2).first.flatMap { pid_t($0) } == pid
      }
      return [pid] + children
    }
    return []
  }

  /// Sends a signal to PostgreSQL, the postmaster first; answers to how many processes.
  @discardableResult
  nonisolated func signalPostgres(_ signal: Int32) -> Int {
    let all = postgresProcesses()
    for pid in all { _ = Glibc.kill(pid, signal) }
    return all.count
  }

  /// Ends everything and removes the folder.
  func destroy() async throws {
    try await kill()
    try await folder.destroy()
  }
}

/// Runs a test with a server of its own, which is gone afterwards in any case.
func withServer<R: Sendable>(
  _ arguments: [String] = [], _ body: (DaybookProcess) async throws -> R
) async throws -> R {
  let server = DaybookProcess(folder: try TemporaryFolder(), arguments: arguments)
  let outcome: Result<R, any Error>
  do {
    try await server.start()
    outcome = .success(try await body(server))
  } catch {
    Issue.record("what the server said last:\n\(Files.tail(server.errorFile))")
    outcome = .failure(error)
  }
  try await server.destroy()
  return try outcome.get()
}

/// One server for all tests that leave a server as they found it; it ends with the test process.
enum SharedServer {
  private static let started = Task {
    let server = DaybookProcess(folder: try TemporaryFolder())
    try await server.start()
    return server
  }

  static func get() async throws -> DaybookProcess { try await started.value }
}
