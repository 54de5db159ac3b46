import Access
import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Queries
import Refusals
import Testing

@Suite struct SystemLogQueryTests {
  private func messages(_ answer: JSON) -> [String] {
    (answer["items"]?.arrayValue ?? []).compactMap { $0["message"]?.stringValue }
  }

  @Test func `lines of programs are read by their organization, filtered, page by page`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      let ann = try await library.member("ann@example.org", of: acme)
      func log(_ organization: String?, _ lines: JSON) async throws {
        var params: JSONObject = ["lines": lines]
        if let organization { params["organization_id"] = .string(organization) }
        try await library.call("system.log", params)
      }
      try await log(
        acme,
        [
          ["message": "one", "at": "2026-01-01T00:00:00Z", "level": "ERROR", "correlation_id": "c"],
          ["message": "two", "at": "2026-01-02T00:00:00Z", "request_ip": "192.0.2.1", "extra_data": ["k": 1]],
          ["message": "three", "at": "2026-01-02T00:00:00Z"],
        ])
      try await log(other, [["message": "theirs", "at": "2026-01-03T00:00:00Z"]])
      try await log(nil, [["message": "service", "at": "2026-01-04T00:00:00Z"]])
      let all = try await library.ask("system.logs")
      #expect(messages(all) == ["service", "theirs", "three", "two", "one"])
      let own = try await library.ask("system.logs", [:], as: ann)
      #expect(messages(own) == ["three", "two", "one"])
      let two = try #require(own["items"]?.arrayValue?[1])
      #expect(two["level"] == "INFO" && two["request_ip"] == "192.0.2.1" && two["extra_data"] == ["k": 1])
      #expect(two["at"] == "2026-01-02T00:00:00.000000Z" && two["organization_id"] == .string(acme))
      #expect(
        messages(try await library.ask("system.logs", ["organization_id": .string(other)], as: ann)) == [])
      #expect(messages(try await library.ask("system.logs", ["level": "ERROR"])) == ["one"])
      #expect(messages(try await library.ask("system.logs", ["correlation_id": "c"])) == ["one"])
      let period: JSONObject = ["since": "2026-01-02T00:00:00Z", "until": "2026-01-03T00:00:00Z", "order": "at"]
      let first = try await library.ask("system.logs", period.merging(["limit": 1]))
      #expect(messages(first) == ["two"])
      let cursor = try #require(first["next_cursor"])
      let second = try await library.ask("system.logs", period.merging(["limit": 1, "cursor": cursor]))
      #expect(messages(second) == ["three"] && second["next_cursor"] == JSON.null)
      #expect(try await library.refusal("system.logs", ["level": "LOUD"]).code == .invalidParams)
      let stranger = try #require(Identifier(try await library.make("user", ["email": "eve@example.org"])))
      let eve = try #require(try library.engine.principal(forUser: stranger))
      #expect(try await library.refusal("system.logs", [:], as: eve).code == .forbidden)
    }
  }
}
