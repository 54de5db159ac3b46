import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// A folder of its own, and the program run in it.
final class Desk: Sendable {
  let directory: TemporaryFolder
  /// Where `schema` and `projections` are.
  let home: String
  var folder: String { directory.path }
  var data: String { folder + "/data" }

  /// A desk in a folder of its own.
  /// - Parameter ownHome: Whether it has a copy of `schema` and `projections`, to be changed.
  init(ownHome: Bool = false) throws {
    directory = try TemporaryFolder()
    home = ownHome ? directory.path + "/home" : Repository.root
    guard ownHome else { return }
    try TestFiles.makeFolder(home)
    for name in ["schema", "projections"] {
      try FileManager.default.copyItem(atPath: "\(Repository.root)/\(name)", toPath: "\(home)/\(name)")
    }
  }

  /// Removes everything.
  func clear() async throws { try await directory.destroy() }

  /// Runs `daybook` to its end.
  @discardableResult
  func daybook(
    _ arguments: String..., input: String = "", environment: [String: String] = [:]
  ) async throws -> ProgramResult {
    try await run(arguments, input: input, environment: environment)
  }

  /// Runs a program that was built beside the tests to its end.
  func run(
    _ arguments: [String], program: String = "daybook", input: String = "", environment: [String: String] = [:]
  ) async throws -> ProgramResult {
    try await runProgram(
      [try Programs.built(program)] + arguments, in: directory, input: input, directory: folder,
      environment: ["DAYBOOK_DATA": data, "DAYBOOK_HOME": home].merging(environment) { _, own in own },
      within: .seconds(180))
  }

  /// Runs `daybook` to its end at a terminal of so many columns, and returns what it shows at the end, colours
  /// included: what a line of progress said is gone by then.
  func atTerminal(
    columns: Int = 80, _ arguments: [String], environment: [String: String] = [:]
  ) async throws -> ProgramResult {
    func quoted(_ word: String) -> String { "'\(word.replacingOccurrences(of: "'", with: "'\\''"))'" }
    let command = ([try Programs.built("daybook")] + arguments).map(quoted).joined(separator: " ")
    // script(1) gives the command a terminal of its own, and ends as the command ends.
    let shown = #"sed 's/.*\r\x1b\[K//' | tr -d '\r'"#
    let script = "script -qec \(quoted("stty cols \(columns) rows 50; exec \(command)")) /dev/null | \(shown)"
    return try await runProgram(
      ["bash", "-o", "pipefail", "-c", script], in: directory, directory: folder,
      environment: ["DAYBOOK_DATA": data, "DAYBOOK_HOME": home, "TERM": "xterm"].merging(environment) { _, own in own },
      within: .seconds(180))
  }

  /// Starts a server, runs the body, and stops the server, which must end well.
  /// - Parameters:
  ///   - url: The database, where it isn't a new one.
  ///   - listen: The TCP address that it listens on, besides its socket.
  ///   - arguments: What else the server is started with.
  func withServer(
    url given: String? = nil, listen: String = "none", _ arguments: [String] = [], _ body: () async throws -> Void
  ) async throws {
    let url = if let given { given } else { try await ThrowawayPostgres.database() }
    let server = DaybookProcess(
      folder: directory, listen: listen, arguments: ["--postgres", url, "--log-level", "error"], home: home)
    try await server.start(arguments)
    #expect(await server.readyLine.contains("unix:\(data)/daybook.sock"))
    try await closing(
      { try await body() },
      {
        let status = try await server.terminate()
        #expect(status == .code(0))
      })
  }

  /// Calls a method through the program and returns its result.
  @discardableResult
  func call(_ method: String, _ params: JSON = [:], sourceLocation: SourceLocation = #_sourceLocation) async throws
    -> JSON
  {
    let outcome = try await daybook("call", method, params.canonicalString)
    try #require(outcome.status == .code(0), "\(method): \(outcome.errors)", sourceLocation: sourceLocation)
    return try outcome.json()
  }

  /// Makes an organization and a pipeline with three versions; returns the pipeline's id.
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
}

/// Runs a body with a desk that is cleared afterwards.
func withDesk(ownHome: Bool = false, _ body: (Desk) async throws -> Void) async throws {
  let desk = try Desk(ownHome: ownHome)
  try await closing({ try await body(desk) }, { try await desk.clear() })
}
