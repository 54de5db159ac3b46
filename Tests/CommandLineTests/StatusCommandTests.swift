import CanonicalJSON
import DaybookTestKit
import Foundation
import Postgres
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

  @Test(.timeLimit(.minutes(3)))
  func `a read model that stopped is in the status until the event is passed over, and that can be taken back`()
    async throws
  {
    try await withDesk { desk in
      let url = try await ThrowawayPostgres.database()
      try await desk.withServer(url: url) {
        let pipeline = try await desk.makePipeline()
        #expect(try await desk.daybook("status", "--wait").status == .code(0))
        let refused = try await desk.daybook("projections", "skip", "pipelines", "3", "--reason", "typo")
        #expect(refused.status == .code(1) && refused.errors.contains("has stopped nowhere"), "\(refused.errors)")
        try await PostgresConnection.with(url) {
          try await $0.execute("ALTER TABLE daybook.pipelines ADD CONSTRAINT none CHECK (name <> 'refused')")
        }
        try await desk.call("pipeline.edit", ["id": .string(pipeline), "name": "refused"])
        let position = try await desk.call("log.head")["position"]?.canonicalString ?? ""
        let told = try await eventually("the status tells of it", within: .seconds(60)) { () -> ProgramResult? in
          let status = try await desk.daybook("status")
          return status.output.contains("pipelines: parked at position \(position)") ? status : nil
        }
        #expect(told.status == .code(69), "\(told.output)")
        let skipped = try await desk.daybook("projections", "skip", "pipelines", position, "--reason", "no such name")
        #expect(skipped.status == .code(0), "\(skipped.errors)")
        #expect(try await desk.daybook("status", "--wait").status == .code(0))
        #expect(try await desk.call("pipeline.list", [:])["items"]?.arrayValue?.first?["name"] == "daily load")
        try await PostgresConnection.with(url) {
          try await $0.execute("ALTER TABLE daybook.pipelines DROP CONSTRAINT none")
        }
        let back = try await desk.daybook("projections", "unskip", "pipelines", position, "--reason", "it may be")
        #expect(back.status == .code(0) && back.output.contains("daybook rebuild pipelines"), "\(back.errors)")
        let rebuilt = try await desk.daybook("rebuild", "pipelines")
        #expect(rebuilt.status == .code(0), "\(rebuilt.errors)")
        #expect(try await desk.call("pipeline.list", [:])["items"]?.arrayValue?.first?["name"] == "refused")
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
