import DaybookClient
import DaybookTestKit
import Foundation
import Testing

/// What the built server keeps after the built demo told it a short month: a data folder, and a database with the read models.
struct ToldDemo {
  let folder: String
  let data: String
  let url: String

  /// Tells it, runs the body on what was left, and removes that.
  /// - Parameter meanwhile: runs while the server still does, with its socket.
  static func with(
    _ arguments: [String], meanwhile: (Endpoint) async throws -> Void, _ body: (ToldDemo) async throws -> Void
  ) async throws {
    let folder = "/tmp/daybook-told-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let outcome: Result<Void, any Error>
    do {
      let told = ToldDemo(folder: folder, data: folder + "/data", url: try await ThrowawayPostgres.database())
      try await told.tell(arguments, meanwhile)
      outcome = .success(try await body(told))
    } catch { outcome = .failure(error) }
    try FileManager.default.removeItem(atPath: folder)
    try outcome.get()
  }

  private func tell(_ arguments: [String], _ meanwhile: (Endpoint) async throws -> Void) async throws {
    let server = try program("daybook", ["serve", "--listen", "none", "--postgres", url, "--log-level", "error"])
    let output = Pipe()
    server.standardOutput = output
    try server.run()
    let outcome: Result<Void, any Error>
    do {
      let ready = await Task.detached { Self.firstLine(of: output.fileHandleForReading) }.value
      try #require(ready.hasPrefix("daybook ready on unix:"))
      let demo = try program("daybook-demo", arguments)
      let said = folder + "/demo.out"
      try Data().write(to: URL(fileURLWithPath: said))
      demo.standardOutput = FileHandle(forWritingAtPath: said)
      demo.standardError = FileHandle(forWritingAtPath: said)
      demo.standardInput = FileHandle.nullDevice
      try demo.run()
      await Task.detached { demo.waitUntilExit() }.value
      let report = try String(contentsOfFile: said, encoding: .utf8)
      try #require(demo.terminationStatus == 0, "\(report)")
      outcome = .success(try await meanwhile(.unix(data + "/daybook.sock")))
    } catch { outcome = .failure(error) }
    server.terminate()
    await Task.detached { server.waitUntilExit() }.value
    try outcome.get()
    #expect(server.terminationStatus == 0 && server.terminationReason == .exit)
  }

  /// A program that was built beside the tests.
  private func program(_ name: String, _ arguments: [String]) throws -> Process {
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent(name)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("DAYBOOK_") }
    variables["DAYBOOK_HOME"] = PlatformHarness.repository
    variables["DAYBOOK_DATA"] = data
    process.environment = variables
    return process
  }

  private static func firstLine(of handle: FileHandle) -> String {
    var line: [UInt8] = []
    // An output that can't be read is one that has ended: the line is then none.
    while let byte = try? handle.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") { line.append(byte) }
    return String(decoding: line, as: UTF8.self)
  }
}
