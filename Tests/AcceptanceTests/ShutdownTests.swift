import CanonicalJSON
import DaybookClient
import Foundation
import Glibc
import TestBasics
import Testing

extension Acceptance {
  @Suite struct ShutdownTests {
    @Test(.timeLimit(.minutes(3)))
    func `SIGTERM under load answers what it has taken and exits with 0, and the next start has all of it`()
      async throws
    {
      try await withServer { server in
        let organization = try await server.client().organization("shutdown")
        let ledger = Ledger()
        let load = Load(on: server, organization: organization, ledger: ledger)
        try await load.acknowledged(atLeast: 60)
        #expect(try await server.terminate() == .code(0))
        try await load.stop()
        let refused = await ledger.refused
        #expect(refused.allSatisfy { $0.contains("unavailable") }, "\(refused.prefix(3))")
        #expect(server.postgresProcesses().isEmpty, "its own PostgreSQL ends with it")
        try await LoadCheck.verifies(server)
        try await server.start()
        let client = try await server.client()
        try await LoadCheck.completes(ledger, client)
        try await LoadCheck.postgresAgrees(ledger, server, client)
        #expect(try await server.terminate() == .code(0))
      }
    }

    @Test(.timeLimit(.minutes(1)))
    func `SIGTERM ends the process within ten seconds, whatever waits for an answer`() async throws {
      try await withServer { server in
        let client = try await server.client()
        let waiting = Task {
          try await client.call("pipeline.list", ["at_least": 1_000_000, "timeout_ms": 60_000])
        }
        let backup: JSON = ["folder": .string(server.folder.path + "/backup")]
        #expect(try await client.call("log.backup", backup.objectValue ?? [:])["position"] != nil)
        let clock = ContinuousClock()
        let began = clock.now
        #expect(try await server.terminate() == .code(0))
        #expect(clock.now - began < .seconds(10))
        await #expect(throws: (any Error).self) { try await waiting.value }
      }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a second server on the folder is refused, and told which process has it`() async throws {
      try await withServer { server in
        let second = try await runProgram(
          [
            try Programs.built("daybook"), "serve", "--data", server.data, "--listen", "none", "--socket",
            server.folder.path + "/2.sock",
          ],
          in: server.folder, within: .seconds(30))
        #expect(second.status != .code(0))
        guard case .code = second.status else { throw HarnessError("it ended by a signal: \(second.status)") }
        #expect(second.errors.contains("\(await server.pid)"), "the holder is named: \(second.errors)")
        #expect(second.output.isEmpty, "no ready line: \(second.output)")
        let ping = try await server.client().call("server.ping")
        #expect(ping.objectValue != nil, "the first goes on")
      }
    }

    @Test(.timeLimit(.minutes(1)))
    func `listening beyond loopback without TLS is refused unless --insecure says so`() async throws {
      let folder = try TemporaryFolder()
      let result = try await runProgram(
        [
          try Programs.built("daybook"), "serve", "--data", folder.path + "/data", "--listen", "0.0.0.0:0", "--http",
          "none",
        ], in: folder,
        within: .seconds(30))
      #expect(result.status != .code(0) && result.output.isEmpty)
      #expect(result.errors.contains("--insecure") || result.errors.contains("TLS"), "\(result.errors)")
      try await folder.destroy()
    }

    @Test(.timeLimit(.minutes(1)))
    func `--log-format json announces readiness with one JSON line that has the addresses`() async throws {
      try await withServer(["--log-format", "json"]) { server in
        let line = try JSON.parse(await server.readyLine)
        let addresses = line["addresses"]?.arrayValue?.compactMap(\.stringValue) ?? []
        #expect(addresses.contains { $0.hasPrefix("unix:") } && addresses.contains { $0.hasPrefix("tcp:127.0.0.1:") })
        let said = TestFiles.text(server.errorFile).split(separator: "\n")
        #expect(said.allSatisfy { (try? JSON.parse(String($0))) != nil }, "every line of its log is JSON")
      }
    }
  }
}
