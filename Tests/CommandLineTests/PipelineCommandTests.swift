import CanonicalJSON
import Foundation
import TestBasics
import Testing

@Suite(.serialized) struct PipelineCommandTests {
  @Test func `versions, diff, rollback, history and audit tell one story`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await desk.makePipeline()
        let diff = try await desk.daybook("versions", "daily load", "--diff", "1", "3")
        #expect(diff.lines == ["config/a: 1 → 3"])
        let trial = try await desk.daybook("rollback", id, "1", "--reason", "try", "--dry-run")
        #expect(trial.status == .code(0), "\(trial.errors)")
        #expect(trial.lines == ["This would bring version 1 back, and change:", "  config/a: 3 → 1"])
        let rollback = try await desk.daybook("rollback", "daily load", "1", "--reason", "the old one was right")
        #expect(rollback.output.hasPrefix("Version 1 is back, as version 4 "), "\(rollback.errors)")
        let versions = try await desk.daybook("versions", id, "--json")
        #expect(try versions.json().arrayValue?.map { $0["version_number"] } == [1, 2, 3, 4])
        let table = try await desk.daybook("versions", id)
        #expect(table.lines.first?.hasPrefix("VERSION  NAME") == true)
        #expect(table.lines.last?.contains("back to 1") == true)
        #expect(table.lines.last?.contains("the old one was right") == true)
        let history = try await desk.daybook("history", "pipeline", "daily load")
        #expect(history.lines.contains("    config/a: 3 → 1"))
        #expect(history.output.contains("the old one was right"))
        let newest = try await desk.daybook("history", "pipeline", id, "--limit", "1", "--newest-first", "--json")
        #expect(try newest.json().arrayValue?.map { $0["event"] } == ["pipeline.rolled_back"])
        let audit = try await desk.daybook("audit", "--resource", id, "--text", "old right", "--json")
        #expect(try audit.json().arrayValue?.map { $0["event"] } == ["pipeline.rolled_back"])
        let people = try await desk.daybook("audit", "--resource-type", "pipeline", "--changes")
        #expect(people.output.contains("config: {\"a\":1"))
        // What turns the direction of writing would make one reason look like another.
        _ = try await desk.daybook("rollback", id, "2", "--reason", "\u{202E}thgir\u{2069} it\u{200F}")
        let turned = try await desk.daybook("history", "pipeline", id)
        #expect(turned.output.contains("\u{FFFD}thgir\u{FFFD} it\u{FFFD}") && !turned.output.contains("\u{202E}"))
        let none = try await desk.daybook("audit", "--actor", "user:nobody")
        #expect(none.output == "Nothing in the audit trail matches.\n")
      }
    }
  }

  @Test func `tail gives the log as it is stored`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.makePipeline()
        // That all of it was read is an event itself, a moment later.
        let head = try await desk.call("log.head")["position"]?.integerValue
        let tail = try await desk.daybook("tail", "--from", "1", "--until-end", "--json")
        #expect(Int64(tail.lines.count) == head)
        for (index, line) in tail.lines.enumerated() {
          #expect(try JSON.parse(line)["header"]?["position"]?.integerValue == Int64(index + 1))
        }
        let followed = try await desk.daybook("tail", "--from", "1", "--events", "pipeline.*", "--count", "2", "--json")
        #expect(followed.status == .code(0), "\(followed.errors)")
        #expect(
          try followed.lines.map { try JSON.parse($0)["header"]?["event"] } == ["pipeline.created", "pipeline.edited"])
      }
    }
  }

  @Test func `status, projections and SQL roles are tables and JSON`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.makePipeline()
        // A list waits until the read models are there.
        #expect(
          try await desk.call("pipeline.list", ["timeout_ms": 30_000, "at_least": 3])["items"]?.arrayValue?.count == 1)
        let status = try await desk.daybook("status", "--json")
        #expect(try status.json()["projection_status"]?.arrayValue?.isEmpty == false)
        #expect(try await desk.daybook("status", "--all").output.contains("catalog_revision"))
        let projections = try await desk.daybook("projections", "--json")
        #expect(try projections.json()["items"]?.arrayValue?.contains { $0["name"] == "pipelines" } == true)
        #expect(try await desk.daybook("projections", "retry", "nothing").status == .code(1))
        let added = try await desk.daybook("sql-role", "add", "acme_reports", "--organization", "acme")
        #expect(added.status == .code(0), "\(added.errors)")
        let listed = try await desk.daybook("sql-role", "list", "--json")
        #expect(try listed.json().arrayValue?.map { $0["name"] } == ["acme_reports"])
        let removed = try await desk.daybook("sql-role", "remove", "acme_reports")
        #expect(removed.status == .code(0), "\(removed.errors)")
        #expect(try await desk.daybook("sql-role").output == "There are no SQL roles.\n")
      }
    }
  }
}
