import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import TestBasics
import Testing
import Vault

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
      // A history shows masks on both sides, and names where a secret changed.
      let histories: [(String, JSONObject)] = [
        ("pipeline.history", ["id": id]), ("audit.search", ["resource_id": id]),
      ]
      for question in histories {
        let items = try await library.ask(question.0, question.1).items
        func changed(_ version: Int64) -> JSON? {
          items.first { $0["event"] == "pipeline.edited" && $0["version"] == .integer(version) }?["changes"]?["config"]
        }
        #expect(changed(2)?["secrets"] == ["/nodes/0/password"], "\(question.0)")
        #expect(changed(2)?["from"] == changed(2)?["to"], "\(question.0)")
        #expect(changed(3)?["secrets"] == nil && changed(3)?["from"] != changed(3)?["to"], "\(question.0)")
      }
      let reads = try await library.ask("audit.search", ["action": "read"]).items
      #expect(reads.map { $0["event"] } == ["pipeline.revealed"])
      #expect(reads.first?["reason"] == "to run it")
    }
  }

  @Test func `with the organization's key destroyed, the rest of a configuration stays, and no new secret is taken`()
    async throws
  {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      func config(_ password: JSON, host: JSON = "h") -> JSON {
        ["host": host, "nodes": [["id": "a", "password": password]]]
      }
      let id: JSON = .string(
        try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": "p", "config": config("m4rk-1")]))
      let made = Int64(library.log.head.position)
      try await library.call("pipeline.edit", ["id": id, "config": config("m4rk-2")])
      // Reasons of somebody's acts are sealed for that person.
      let ann = try await library.member("ann@example.org", of: organization, role: "admin", membership: "owner")
      let owner = try #require(Identifier(organization))
      #expect(try library.models.vault.destroy([.organization(owner)]) == 1)

      let questions: [(String, JSONObject)] = [
        ("pipeline.get", ["id": id]), ("pipeline.get", ["id": id, "as_of": .integer(made)]), ("pipeline.list", [:]),
        ("pipeline.history", ["id": id]), ("audit.search", ["resource_id": id]), ("pipeline.versions", ["id": id]),
        ("pipeline.diff", ["id": id, "from_version": 1, "to_version": 2]), ("log.read", [:]),
      ]
      for (method, params) in questions {
        let answer = try await library.ask(method, params).canonicalString
        #expect(!answer.contains("m4rk"), "\(method)")
        if method != "pipeline.versions" { #expect(answer.contains("\"host\":\"h\""), "\(method)") }
      }
      // What was destroyed is revealed as erased, not as null and not as a token.
      let revealed = try await library.call("pipeline.reveal", ["id": id, "reason": "to see what is left"], as: ann)
      let text = JSON.object(revealed).canonicalString
      #expect(text.contains("\"password\":{\"erased\":true}") && !text.contains("$sealed"), "\(text)")
      // What stays as it was may stay; a new secret has no key any more, and is refused rather than left in the clear.
      try await library.call("pipeline.edit", ["id": id, "config": config(Self.mask, host: "other")], as: ann)
      #expect(try await library.ask("pipeline.get", ["id": id])["item"]?["config"]?["host"] == "other")
      let refused = await #expect(throws: Refusal.self) {
        try await library.call("pipeline.edit", ["id": id, "config": config("m4rk-3")], as: ann)
      }
      #expect(refused?.description.contains("nothing can be sealed for its owner again") == true)
      try await library.call("pipeline.rollback", ["id": id, "to_version": 2], as: ann)
      #expect(try await library.ask("pipeline.get", ["id": id])["item"]?["config"]?["host"] == "h")
    }
  }
}
