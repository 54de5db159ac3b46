import Access
import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Refusals
import Testing

@Suite struct AuditTests {
  @Test func `the audit trail is found by each filter and shows before and after`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let editor = try await library.member("ada@example.org", of: organization, role: "developer")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "one"])
      try await library.call(
        "pipeline.edit", ["id": .string(pipeline), "name": "two", "reason": "Quarterly Renaming"], as: editor)
      let credential = try await library.make(
        "credential", ["organization_id": .string(organization), "name": "key", "data": ["token": "t"]])
      try await library.call("credential.reveal", ["id": .string(credential), "reason": "an incident"])
      try await library.call("pipeline.delete", ["id": .string(pipeline)])
      func events(_ params: JSONObject) async throws -> [String] {
        var params = params
        params["order"] = "position"
        return try await library.ask("audit.search", params).items.map { $0.text("event") }
      }
      #expect(
        try await events(["resource_id": .string(pipeline)]) == [
          "pipeline.created", "pipeline.edited", "pipeline.deleted",
        ])
      #expect(try await events(["actor": .string(editor.actor)]) == ["pipeline.edited"])
      #expect(try await events(["action": "read"]) == ["credential.revealed"])
      #expect(try await events(["action": "delete"]) == ["pipeline.deleted"])
      #expect(try await events(["resource_type": "credential"]) == ["credential.created", "credential.revealed"])
      #expect(try await events(["text": "renaming quarterly"]) == ["pipeline.edited"])
      #expect(try await events(["text": "reveal"]) == ["credential.revealed"])
      #expect(try await events(["event": "pipeline.edited", "text": "name"]) == ["pipeline.edited"])
      #expect(try await events(["until": "2001-01-01T00:00:00Z"]) == [])
      #expect(try await events(["since": "2001-01-01T00:00:00Z"]).count == Int(library.log.head.position))
      let edited = try #require(
        try await library.ask("audit.search", ["event": "pipeline.edited"]).items.first)
      #expect(edited.text("reason") == "Quarterly Renaming")
      #expect(edited["changes"]?["name"] == ["from": "one", "to": "two"])
      #expect(edited.text("actor") == editor.actor)
      #expect(edited.text("organization_id") == organization)
      #expect(try await library.refusal("audit.search", ["action": "drink"]).code == .invalidParams)
    }
  }

  @Test func `the audit trail is paged from the newest on while events are added`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      for number in 0..<9 {
        _ = try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": .string("\(number)")])
      }
      let head = Int64(library.log.head.position)
      var positions: [Int64] = []
      var params: JSONObject = ["limit": 4]
      while true {
        let page = try await library.ask("audit.search", params)
        positions += page.items.map { $0.integer("position") }
        _ = try await library.make("pipeline", ["organization_id": .string(organization), "name": "more"])
        guard let cursor = page["next_cursor"]?.stringValue else { break }
        params["cursor"] = .string(cursor)
      }
      #expect(positions == Array((1...head).reversed()))
    }
  }

  @Test func `the audit trail is for those who may read it, and only their own organization's`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      _ = try await library.make("pipeline", ["organization_id": .string(other), "name": "theirs"])
      let ours = try await library.make("pipeline", ["organization_id": .string(acme), "name": "ours"])
      let viewer = try await library.member("v@example.org", of: acme)
      let auditor = try await library.member("a@example.org", of: acme, role: "auditor")
      let owner = try await library.member("o@example.org", of: acme, membership: "owner")
      #expect(try await library.refusal("audit.search", [:], as: viewer).code == .forbidden)
      #expect(try await library.refusal("log.read", [:], as: viewer).code == .forbidden)
      // Auditors, and who administers people, read of the organization's, besides, what happened to their accounts.
      let people = [viewer, auditor, owner].compactMap { $0.subject?.text }
      for (principal, accounts) in [(auditor, people), (owner, people)] {
        func isOurs(_ organization: String, _ resource: String) -> Bool {
          organization == acme || organization.isEmpty && accounts.contains(resource)
        }
        let rows = try await library.ask("audit.search", ["limit": 1000], as: principal).items
        #expect(rows.contains { $0.text("resource_id") == ours })
        #expect(rows.allSatisfy { isOurs($0.text("organization_id"), $0.text("resource_id")) })
        let records = try await library.ask("log.read", [:], as: principal)["records"]?.arrayValue ?? []
        #expect(!records.isEmpty)
        let headers = records.compactMap { $0["header"] }
        #expect(headers.allSatisfy { isOurs($0.text("organization"), $0.text("resource")) })
      }
    }
  }
}
