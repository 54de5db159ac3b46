import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct StatusCommandTests {
  @Test func `status says in a few lines whether all is well, and ends so`() async throws {
    try await withDesk { desk in
      let away = try await desk.daybook("status")
      #expect(away.status == .code(69))
      let waited = try await desk.daybook("status", "--wait", "--timeout", "1")
      #expect(waited.status == .code(69) && waited.errors.contains("there is no such socket"))
      try await desk.withServer {
        _ = try await desk.makePipeline()
        let ready = try await desk.daybook("status", "--wait")
        #expect(ready.status == .code(0), "\(ready.output) \(ready.errors)")
        #expect(
          ready.lines.first?.hasPrefix("Daybook ") == true && ready.lines.first?.contains(" is well, up ") == true)
        #expect(ready.lines.count < 10, "\(ready.output)")
        let position = try await desk.call("log.head")["position"]?.canonicalString ?? ""
        #expect(ready.output.contains("position \(position), last event 20"))
        for word in ["read models  ", " running", "disk  ", " free", "last backup  ", "PostgreSQL  "] {
          #expect(ready.output.contains(word), "\(word) is not in\n\(ready.output)")
        }
        let all = try await desk.daybook("status", "--all")
        #expect(all.output.contains("catalog_revision") && all.output.contains("READ MODEL"))
        let shown = try await desk.atTerminal(["status"], environment: ["NO_COLOR": "1"])
        #expect(shown.status == .code(0))
        // Addresses are for copying, and stay in one piece.
        for line in shown.lines where !line.contains(":/") { #expect(line.count <= 80, "\(line)") }
        #expect(shown.lines.contains { $0.hasPrefix("listens on   unix:") && $0.hasSuffix("/daybook.sock") })
        let json = try await desk.daybook("status", "--json").json()
        #expect(json["healthy"] == true && json["problems"] == [])
        #expect(json["disk"]?["total_bytes"]?.integerValue ?? 0 > 0)
      }
    }
  }

  @Test func `no password is shown, and a PostgreSQL that is away is one problem, not forty`() async throws {
    try await withDesk { desk in
      let database = "postgresql://daybook:s3cr%40t@127.0.0.1:1/meta?password=s3cret2"
      try await desk.withServer(url: database) {
        for arguments in [["status"], ["status", "--all"], ["status", "--json"]] {
          let shown = try await desk.run(arguments)
          #expect(!shown.output.contains("s3cr"), "\(shown.output)")
          #expect(shown.output.contains("postgresql://daybook@127.0.0.1:1/meta"), "\(shown.output)")
        }
        // The server finds out by itself that nothing is there.
        let told = try await eventually("the server knows", within: .seconds(60)) { () -> ProgramResult? in
          let shown = try await desk.daybook("status")
          return shown.output.contains("unavailable") ? shown : nil
        }
        #expect(told.status == .code(69))
        #expect(told.lines.first?.contains(" is not well") == true)
        #expect(told.lines.count { $0.hasPrefix("  ! ") } == 1, "\(told.output)")
        #expect(told.output.contains(" read models: unavailable"))
        #expect(try await desk.daybook("status", "--json").json()["healthy"] == false)
      }
    }
  }
}
