import CanonicalJSON
import TestBasics
import Testing

@Suite(.serialized) struct SecretsCommandTests {
  @Test func `a scan names the places of secrets that stand in the log, and shows none`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let clean = try await desk.daybook("secrets", "scan")
        #expect(clean.status == .code(0), "\(clean)")
        #expect(clean.output == "Nothing in the log looks like a secret that stands unsealed.\n")
        let organization = try #require(
          try await desk.call("organization.create", ["name": "acme", "slug": "acme"])["id"])
        // What is sealed isn't found; what stands in fields that hold no configuration is.
        _ = try await desk.call(
          "pipeline.create",
          [
            "name": "p", "organization_id": organization, "description": "postgres://ann:hunter2@db.example/x",
            "config": [
              "source": ["dsn": "postgres://ann:hunter5@db.example/x"], "db_password": "hunter3", "host": "h",
            ],
          ])
        let run = try #require(
          try await desk.call("run.start", ["organization_id": organization, "code": "1"])["id"])
        _ = try await desk.call(
          "run.finish", ["id": run, "status": "success", "result": ["db_password": "hunter6"]])
        _ = try await desk.call(
          "connection.create",
          ["name": "c", "type": "api", "organization_id": organization, "config": ["db_password": "hunter4"]])
        let found = try await desk.daybook("secrets", "scan", "--json")
        #expect(found.status == .code(1))
        let places = try found.json().arrayValue ?? []
        #expect(
          places.map { $0["pointer"] } == ["/set/description", "/set/result/db_password"], "\(places)")
        #expect(places.map { $0["event"] } == ["pipeline.created", "run.finished"])
        let table = try await desk.daybook("secrets", "scan")
        #expect(table.status == .code(1) && table.output.contains("/set/description"))
        #expect(!table.output.contains("hunter") && !found.output.contains("hunter"))
      }
    }
  }
}
