import DaybookClient
import DaybookTestKit
import TestBasics
import Testing

/// What the built server keeps after the built demo told it a short month: a data
/// folder, and a database with the read models.
struct ToldDemo {
  let data: String
  let url: String

  /// Tells it, runs the body on what was left, and removes that.
  /// - Parameter meanwhile: runs while the server still does, with its socket.
  static func with(
    _ arguments: [String], meanwhile: (Endpoint) async throws -> Void, _ body: (ToldDemo) async throws -> Void
  ) async throws {
    try await TemporaryFolder.with { folder in
      let url = try await ThrowawayPostgres.database()
      let server = DaybookProcess(
        folder: folder, listen: "none", arguments: ["--postgres", url, "--log-level", "error"])
      try await server.start()
      try await closing(
        {
          let told = try await runProgram(
            [try Programs.built("daybook-demo")] + arguments, in: folder, directory: folder.path,
            environment: ["DAYBOOK_DATA": server.data], within: .seconds(300))
          try #require(told.status == .code(0), "\(told.output) \(told.errors)")
          try await meanwhile(Endpoint.parse(server.unixAddress))
        },
        {
          let status = try await server.terminate()
          #expect(status == .code(0))
        })
      try await body(ToldDemo(data: server.data, url: url))
    }
  }
}
