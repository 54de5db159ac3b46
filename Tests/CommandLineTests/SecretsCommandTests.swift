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
        _ = try await desk.call(
          "pipeline.create",
          [
            "name": "p", "organization_id": organization,
            "config": [
              "source": ["dsn": "postgres://ann:hunter2@db.example/x"], "db_password": "hunter3", "host": "h",
            ],
          ])
        _ = try await desk.call(
          "connection.create",
          ["name": "c", "type": "api", "organization_id": organization, "config": ["db_password": "hunter4"]])
        let found = try await desk.daybook("secrets", "scan", "--json")
        #expect(found.status == .code(1))
        let places = try found.json().arrayValue ?? []
        #expect(
          places.map { $0["pointer"] } == ["/set/config/db_password", "/set/config/source/dsn"], "sealed ones are none")
        #expect(places.allSatisfy { $0["event"] == "pipeline.created" })
        let table = try await desk.daybook("secrets", "scan")
        #expect(table.status == .code(1) && table.output.contains("/set/config/source/dsn"))
        #expect(!table.output.contains("hunter") && !found.output.contains("hunter"))
      }
    }
  }
}
