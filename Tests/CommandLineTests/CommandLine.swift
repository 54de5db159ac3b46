import CanonicalJSON
import DaybookTestKit
import Foundation
import Testing

/// Where the repository, the program and the data from outside are.
enum Workplace {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// The built program beside the tests.
  static let program: String = {
    let tests =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? ProcessInfo.processInfo.arguments[0]
    return URL(fileURLWithPath: tests).deletingLastPathComponent().path + "/daybook"
  }()

  static let sharedData = URL(fileURLWithPath: repository).deletingLastPathComponent().path + "/shared/data"
  static var hasSharedData: Bool { FileManager.default.fileExists(atPath: sharedData + "/openlineage") }
}

/// What a run of the program came to.
struct Outcome {
  let status: Int32
  let output: String
  let errors: String

  /// The output as one JSON value.
  func json(sourceLocation: SourceLocation = #_sourceLocation) throws -> JSON {
    let text = output.trimmingCharacters(in: .newlines)
    return try #require(try? JSON.parse(text), "no JSON: \(output) \(errors)", sourceLocation: sourceLocation)
  }

  var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A folder of its own, and the program run in it.
final class Desk: Sendable {
  let folder: String
  /// Where `schema` and `projections` are.
  let home: String
  var data: String { folder + "/data" }

  /// A desk in a folder of its own.
  /// - Parameter ownHome: Whether it has a copy of `schema` and `projections`, to be changed.
  init(ownHome: Bool = false) throws {
    folder = "/tmp/daybook-cli-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    home = ownHome ? folder + "/home" : Workplace.repository
    guard ownHome else { return }
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    for name in ["schema", "projections"] {
      try FileManager.default.copyItem(atPath: "\(Workplace.repository)/\(name)", toPath: "\(home)/\(name)")
    }
  }

  func remove() throws {
    try FileManager.default.removeItem(atPath: folder)
  }

  /// Runs the program to its end.
  @discardableResult
  func daybook(_ arguments: String..., input: String = "", environment: [String: String] = [:]) async throws -> Outcome
  {
    let name = folder + "/run-\(UUID().uuidString)"
    for (suffix, text) in [(".in", input), (".out", ""), (".err", "")] {
      try Data(text.utf8).write(to: URL(fileURLWithPath: name + suffix))
    }
    let process = try make(arguments, environment)
    process.standardInput = FileHandle(forReadingAtPath: name + ".in")
    process.standardOutput = FileHandle(forWritingAtPath: name + ".out")
    process.standardError = FileHandle(forWritingAtPath: name + ".err")
    let status: Int32 = try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    return Outcome(
      status: status, output: try String(contentsOfFile: name + ".out", encoding: .utf8),
      errors: try String(contentsOfFile: name + ".err", encoding: .utf8))
  }

  /// Starts a server, runs the body, and stops the server, which must end well.
  /// - Parameter url: The database, where it isn't a new one.
  func withServer(url given: String? = nil, _ body: () async throws -> Void) async throws {
    let url = if let given { given } else { try await ThrowawayPostgres.database() }
    let process = try make(["serve", "--listen", "none", "--postgres", url, "--log-level", "error"], [:])
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let ready = await Task.detached { Self.firstLine(of: output.fileHandleForReading) }.value
    #expect(ready.hasPrefix("daybook ready on unix:"))
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    process.terminate()
    await Task.detached { process.waitUntilExit() }.value
    #expect(process.terminationStatus == 0)
    #expect(process.terminationReason == .exit)
    try outcome.get()
  }

  /// Calls a method through the program and answers its result.
  @discardableResult
  func call(_ method: String, _ params: JSON = [:], sourceLocation: SourceLocation = #_sourceLocation) async throws
    -> JSON
  {
    let outcome = try await daybook("call", method, params.canonicalString)
    try #require(outcome.status == 0, "\(method): \(outcome.errors)", sourceLocation: sourceLocation)
    return try outcome.json(sourceLocation: sourceLocation)
  }

  /// Makes an organization and a pipeline with three versions; answers the pipeline's id.
  func makePipeline() async throws -> String {
    let organization = try await call("organization.create", ["name": "Acme", "slug": "acme"])
    let pipeline = try await call(
      "pipeline.create",
      ["organization_id": organization["id"] ?? .null, "name": "daily load", "config": ["a": 1, "b": ["c": true]]])
    let id = try #require(pipeline["id"]?.stringValue)
    try await call("pipeline.edit", ["id": .string(id), "config": ["a": 2, "b": ["c": true]], "reason": "more of it"])
    try await call("pipeline.edit", ["id": .string(id), "config": ["b": ["c": true], "a": 2]])
    try await call("pipeline.edit", ["id": .string(id), "config": ["a": 3, "b": ["c": true]]])
    return id
  }

  private func make(_ arguments: [String], _ environment: [String: String]) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Workplace.program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("DAYBOOK_") }
    variables["DAYBOOK_HOME"] = home
    variables["DAYBOOK_DATA"] = data
    process.environment = variables.merging(environment) { _, own in own }
    return process
  }

  private static func firstLine(of handle: FileHandle) -> String {
    var line: [UInt8] = []
    while let byte = try? handle.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") { line.append(byte) }
    return String(decoding: line, as: UTF8.self)
  }
}

/// Runs a body with a desk that is cleared afterwards.
func withDesk(ownHome: Bool = false, _ body: (Desk) async throws -> Void) async throws {
  let desk = try Desk(ownHome: ownHome)
  let outcome: Result<Void, any Error>
  do { outcome = .success(try await body(desk)) } catch { outcome = .failure(error) }
  try desk.remove()
  try outcome.get()
}
