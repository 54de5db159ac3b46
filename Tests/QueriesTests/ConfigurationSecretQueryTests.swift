import CanonicalJSON
import Domain
import EventLog
import Refusals
import TestBasics
import Testing

/// What every query shows of a pipeline whose configuration holds secrets.
@Suite struct ConfigurationSecretQueryTests {
  private static let mask: JSON = "********"

  @Test func `every query shows the mask, and a diff where a secret changed`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      func config(_ password: JSON, host: JSON = "h") -> JSON {
        ["host": host, "nodes": [["id": "a", "password": password]]]
      }
      let id: JSON = .string(
        try await library.make(
          "pipeline",
          [
            "organization_id": .string(organization), "name": "p", "config": config("m4rk-1"),
            "steps": [["name": "s", "order_index": 0, "step_type": "load", "config": ["token": "m4rk-2"]]],
          ]))
      let first = Int64(library.log.head.position)
      try await library.call("pipeline.edit", ["id": id, "config": config("m4rk-3")])
      try await library.call("pipeline.edit", ["id": id, "config": config(Self.mask, host: "other")])
      try await library.call("pipeline.reveal", ["id": id, "reason": "to run it"])
      let questions: [(String, JSONObject)] = [
        ("pipeline.get", ["id": id]), ("pipeline.get", ["id": id, "as_of": .integer(first)]), ("pipeline.list", [:]),
        ("pipeline.list", ["as_of": .integer(first)]), ("pipeline.history", ["id": id]), ("audit.search", [:]),
        ("pipeline.versions", ["id": id]), ("pipeline.diff", ["id": id, "from_version": 1, "to_version": 3]),
        ("log.read", [:]),
      ]
      for (method, params) in questions {
        let answer = try await library.ask(method, params).canonicalString
        #expect(!answer.contains("m4rk"), "\(method)")
        // A list of versions names the fields alone.
        if method == "pipeline.versions" { continue }
        #expect(answer.contains(method == "log.read" ? "$sealed" : "********"), "\(method)")
      }
      let secret = try await library.ask("pipeline.diff", ["id": id, "from_version": 1, "to_version": 2])
      #expect(
        secret["changes"]?["config"]?["differences"]
          == [["pointer": "/nodes/0/password", "from": Self.mask, "to": Self.mask]])
      let host = try await library.ask("pipeline.diff", ["id": id, "from_version": 2, "to_version": 3])
      #expect(host["changes"]?["config"]?["differences"] == [["pointer": "/host", "from": "h", "to": "other"]])
      let reads = try await library.ask("audit.search", ["action": "read"]).items
      #expect(reads.map { $0["event"] } == ["pipeline.revealed"])
      #expect(reads.first?["reason"] == "to run it")
    }
  }
}
