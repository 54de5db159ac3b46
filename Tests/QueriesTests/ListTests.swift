import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Refusals
import Testing

@Suite struct ListTests {
  @Test func `a list shows items just as get does`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let pipeline = try await library.make(
        "pipeline",
        [
          "organization_id": .string(organization), "name": "naïve ☕", "tags": ["a", "b,\"c\"", ""],
          "config": [
            "big": .bigInteger("123456789012345678901234567890"), "tiny": .number(1e-9), "huge": .number(1.5e300),
            "n": nil,
          ],
          "metadata": ["nested": ["x": [1, 2.5, true, "\u{1F600}"]]],
        ])
      let run = try await library.call(
        "run.start", ["pipeline_id": .string(pipeline), "params": ["day": "2026-11-21"]])
      try await library.call(
        "run.finish", ["id": run["id"] ?? .null, "status": "success", "rows_processed": 9_007_199_254_740_993])
      _ = try await library.make(
        "user", ["email": "ada@example.org", "username": "ada", "preferences": ["dark": true]])
      _ = try await library.make(
        "connection",
        [
          "organization_id": .string(organization), "name": "db", "type": "postgres",
          "config": ["host": "db.example.org", "password": "hunter2"],
        ])
      _ = try await library.make(
        "credential", ["organization_id": .string(organization), "name": "key", "data": ["token": "hunter3"]])
      for type in ["pipeline", "run", "user", "connection", "credential", "organization"] {
        let listed = try await library.ask("\(type).list")
        #expect(listed.items.count == 1, "\(type)")
        #expect(listed.integer("position") == Int64(library.log.head.position))
        for item in listed.items {
          let got = try await library.ask("\(type).get", ["id": item["id"] ?? .null])
          #expect(item == got["item"], "\(type)")
          #expect(!item.canonicalString.contains("hunter"))
        }
      }
    }
  }

  @Test func `a list is filtered by every operator`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      var ids: [String: String] = [:]
      for (name, tags, label) in [
        ("alpha", ["x", "y"], "1"), ("beta", ["y"], "2"), ("beta_2", [], "3"), ("Gamma", ["z"], "4"),
      ] {
        ids[name] = try await library.make(
          "pipeline",
          [
            "organization_id": .string(organization), "name": .string(name), "version_label": .string(label),
            "tags": .array(tags.map(JSON.string)),
            "config": ["size": .integer(Int64(label) ?? 0), "deep": ["k": .string(name)]],
          ])
      }
      try await library.call("pipeline.edit", ["id": .string(try #require(ids["beta"])), "description": "has one"])
      try await library.call("pipeline.publish", ["id": .string(try #require(ids["alpha"]))])
      func names(_ conditions: JSONObject) async throws -> [String] {
        try await library.ask("pipeline.list", ["where": .object(conditions), "order": "version_label"]).items
          .map { $0.text("name") }
      }
      #expect(try await names(["name": "beta"]) == ["beta"])
      #expect(try await names(["name": ["eq": "beta"]]) == ["beta"])
      #expect(try await names(["name": ["ne": "beta"]]) == ["alpha", "beta_2", "Gamma"])
      #expect(try await names(["description": ["ne": "has one"]]) == ["alpha", "beta_2", "Gamma"])
      #expect(try await names(["version_label": ["gt": "2"]]) == ["beta_2", "Gamma"])
      #expect(try await names(["version_label": ["gte": "2", "lt": "4"]]) == ["beta", "beta_2"])
      #expect(try await names(["version_label": ["lte": "1"]]) == ["alpha"])
      #expect(try await names(["name": ["in": ["alpha", "Gamma", "none"]]]) == ["alpha", "Gamma"])
      #expect(try await names(["name": ["in": []]]) == [])
      #expect(try await names(["name": ["contains": "a_"]]) == ["beta_2"])
      #expect(try await names(["name": ["prefix": "beta"]]) == ["beta", "beta_2"])
      #expect(try await names(["tags": ["contains": "y"]]) == ["alpha", "beta"])
      #expect(try await names(["tags": ["contains": ["x", "y"]]]) == ["alpha"])
      #expect(try await names(["tags": ["eq": ["z"]]]) == ["Gamma"])
      #expect(try await names(["config": ["contains": ["deep": ["k": "Gamma"]]]]) == ["Gamma"])
      #expect(try await names(["description": ["is_null": false]]) == ["beta"])
      #expect(try await names(["description": nil]) == ["alpha", "beta_2", "Gamma"])
      #expect(try await names(["status": "active"]) == ["alpha"])
      #expect(try await names(["version": ["gte": 2]]) == ["alpha", "beta"])
      #expect(
        try await names(["created_at": ["gte": "2000-01-01T00:00:00Z", "lt": "2001-01-01T01:00:00+01:00"]]) == [])
      #expect(try await names(["id": .string(try #require(ids["Gamma"]))]) == ["Gamma"])
      #expect(try await names(["name": "'; DROP SCHEMA daybook CASCADE; --"]) == [])
    }
  }

  @Test func `a list finds people by their personal fields`() async throws {
    try await TestQueries.with { library in
      _ = try await library.make("user", ["email": "Ada@Example.org", "full_name": "Ada"])
      _ = try await library.make("user", ["email": "bob@example.org", "full_name": "Bob"])
      let found = try await library.ask("user.list", ["where": ["email": "ada@example.ORG"]])
      #expect(found.items.map { $0.text("full_name") } == ["Ada"])
      let ordered = try await library.ask("user.list", ["order": "-full_name", "limit": 1])
      #expect(ordered.items.map { $0.text("full_name") } == ["Bob"])
      let cursor = ordered.text("next_cursor")
      #expect(!cursor.isEmpty)
      let next = try await library.ask("user.list", ["order": "-full_name", "limit": 1, "cursor": .string(cursor)])
      #expect(next.items.map { $0.text("full_name") } == ["Ada"])
    }
  }

  @Test func `pages visit each row once while rows are added`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      for number in 0..<23 {
        var params: JSONObject = ["organization_id": .string(organization), "name": .string("p\(number % 5)")]
        if number % 3 == 0 { params["description"] = .string("d\(number % 2)") }
        _ = try await library.make("pipeline", params)
      }
      for order in ["name", "-name", "description", "-description", "created_at", "-id", "number"] {
        let before = Set(try await library.list("pipeline", ["limit": 1000]))
        var seen: [String] = []
        var params: JSONObject = ["order": .string(order), "limit": 4]
        while true {
          let page = try await library.ask("pipeline.list", params)
          seen += page.items.map { $0.text("id") }
          // A new row may show or not, but moves none of the others.
          _ = try await library.make("pipeline", ["organization_id": .string(organization), "name": "p2"])
          guard let cursor = page["next_cursor"]?.stringValue else { break }
          params["cursor"] = .string(cursor)
          #expect(seen.count < 200)
        }
        #expect(Set(seen).count == seen.count, "\(order): no row twice")
        #expect(before.isSubset(of: seen), "\(order): no row left out")
      }
    }
  }

  @Test func `a cursor of another query is refused`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      for number in 0..<3 {
        _ = try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": .string("p\(number)")])
      }
      let page = try await library.ask("pipeline.list", ["limit": 1, "order": "name"])
      let cursor = page["next_cursor"] ?? .null
      #expect(page.text("next_cursor").utf8.count > 20)
      let others: [JSONObject] = [
        ["cursor": cursor, "order": "-name"], ["cursor": cursor, "order": "name", "where": ["name": "p1"]],
        ["cursor": "AAAA", "order": "name"], ["cursor": "not base64!", "order": "name"],
      ]
      for params in others {
        #expect(try await library.refusal("pipeline.list", params).code == .invalidParams)
      }
      #expect(try await library.refusal("run.list", ["cursor": cursor]).code == .invalidParams)
    }
  }

  @Test func `every fault of a filter is named`() async throws {
    try await TestQueries.with { library in
      let refused = try await library.refusal(
        "pipeline.list",
        [
          "where": [
            "colour": "red", "name": ["like": "x"], "status": "happy", "created_at": ["gt": "yesterday"],
            "tags": ["gt": "a"],
            "version": "one", "description": "a\u{0}b",
          ],
          "order": "config", "limit": 0, "page": 2,
        ])
      let paths = (refused.data["problems"]?.arrayValue ?? []).map { $0.text("path") }
      #expect(
        Set(paths) == [
          "/where/colour", "/where/name/like", "/where/status", "/where/created_at/gt", "/where/tags/gt",
          "/where/version",
          "/where/description", "/order", "/limit", "/page",
        ])
      #expect(try await library.refusal("credential.list", ["where": ["data": "x"]]).code == .invalidParams)
    }
  }

  @Test func `a list as of the past has the same filters and order`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      var ids: [String] = []
      for name in ["a", "b", "c"] {
        ids.append(
          try await library.make("pipeline", ["organization_id": .string(organization), "name": .string(name)]))
      }
      let then = library.log.head.position
      let expected = try await library.ask("pipeline.list", ["where": ["name": ["gte": "b"]], "order": "-name"]).items
      try await library.call("pipeline.delete", ["id": .string(ids[1])])
      try await library.call("pipeline.edit", ["id": .string(ids[0]), "name": "z"])
      _ = try await library.make("pipeline", ["organization_id": .string(organization), "name": "d"])
      let past = try await library.ask(
        "pipeline.list",
        ["where": ["name": ["gte": "b"]], "order": "-name", "as_of": .integer(Int64(then)), "limit": 1])
      #expect(past.integer("position") == Int64(then))
      let next = try await library.ask(
        "pipeline.list",
        [
          "where": ["name": ["gte": "b"]], "order": "-name", "as_of": .integer(Int64(then)), "limit": 1,
          "cursor": past["next_cursor"] ?? .null,
        ])
      #expect(past.items + next.items == expected)
      #expect(next["next_cursor"] == .null)
      #expect(try await library.list("pipeline", ["order": "name"]).count == 3)
      #expect(try await library.list("pipeline", ["include_deleted": true]).count == 4)
    }
  }
}
