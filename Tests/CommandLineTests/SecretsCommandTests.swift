import CanonicalJSON
import Foundation
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

  @Test func `sealed configurations are rebuilt as they are, and a bundle of them holds no secret`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let organization = try #require(
          try await desk.call("organization.create", ["name": "acme", "slug": "acme"])["id"])
        func config(_ secret: String, _ host: String) -> JSON {
          [
            "host": .string(host), "nodes": [["id": "a", "password": .string(secret)]],
            "source": ["dsn": .string("postgres://ann:\(secret)@db.example/x")],
          ]
        }
        let id = try #require(
          try await desk.call(
            "pipeline.create",
            [
              "name": "orders", "organization_id": organization, "config": config("hunter2", "h"),
              "steps": [["name": "s", "order_index": 0, "step_type": "load", "config": ["token": "hunter3"]]],
            ])["id"])
        _ = try await desk.call("pipeline.edit", ["id": id, "config": config("hunter4", "h")])
        _ = try await desk.call("run.start", ["organization_id": organization, "code": "1", "pipeline_id": id])
        let rebuilt = try await desk.daybook("rebuild", "--check")
        #expect(rebuilt.status == .code(0), "\(rebuilt.output)\(rebuilt.errors)")
        let shown = try await desk.daybook("history", "pipeline", "orders")
        #expect(shown.output.contains("config/nodes/0/password: the secret changed"), "\(shown.output)")
        let made = try await desk.daybook(
          "export", "bundle", "--organization", "acme", "--with", "ocsf,prov,oscal", "--reason", "audit")
        #expect(made.status == .code(0), "\(made.errors)")
        let verified = try await desk.daybook("verify-bundle", "bundle")
        #expect(verified.status == .code(0), "\(verified.output)")
        let files = try FileManager.default.contentsOfDirectory(atPath: desk.folder + "/bundle")
        #expect(files.count > 8)
        for file in files {
          let text = TestFiles.text("\(desk.folder)/bundle/\(file)")
          #expect(!text.contains("hunter"), "\(file)")
        }
        #expect(TestFiles.text(desk.folder + "/bundle/events.jsonl").contains("$sealed"))
      }
    }
  }
}
