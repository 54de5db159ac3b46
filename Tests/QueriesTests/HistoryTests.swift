import Access
import BasicTypes
import CanonicalJSON
import Domain
import Refusals
import Testing

@Suite struct HistoryTests {
  @Test func `history says who, when, why, from and to`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let editor = try await library.member("ada@example.org", of: organization, role: "developer")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "one"])
      try await library.call(
        "pipeline.edit", ["id": .string(pipeline), "name": "two", "reason": "a better name", "correlation_id": "t-1"],
        as: editor)
      let history = try await library.ask("pipeline.history", ["id": .string(pipeline)])
      #expect(history.items.map { $0.text("event") } == ["pipeline.created", "pipeline.edited"])
      let edited = try #require(history.items.last)
      #expect(edited.text("actor") == editor.actor)
      #expect(edited.text("reason") == "a better name")
      #expect(edited.text("correlation_id") == "t-1")
      #expect(edited.integer("version") == 2)
      #expect(edited["changes"]?["name"] == ["from": "one", "to": "two"])
      #expect(Timestamp(edited.text("at")) != nil)
      let newest = try await library.ask(
        "pipeline.history", ["id": .string(pipeline), "order": "-position", "limit": 1])
      #expect(newest.items.map { $0.integer("version") } == [2])
      let rest = try await library.ask(
        "pipeline.history",
        ["id": .string(pipeline), "order": "-position", "limit": 1, "cursor": newest["next_cursor"] ?? .null])
      #expect(rest.items.map { $0.integer("version") } == [1])
      #expect(rest["next_cursor"] == .null)
    }
  }

  @Test func `a long history is paged without gap or repetition`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "0"])
      for number in 1...11 {
        try await library.call("pipeline.edit", ["id": .string(pipeline), "name": .string("\(number)")])
      }
      var versions: [Int64] = []
      var params: JSONObject = ["id": .string(pipeline), "limit": 5]
      while true {
        let page = try await library.ask("pipeline.history", params)
        versions += page.items.map { $0.integer("version") }
        guard let cursor = page["next_cursor"]?.stringValue else { break }
        params["cursor"] = .string(cursor)
      }
      #expect(versions == Array(1...12))
    }
  }

  @Test func `history never shows a secret, not even a changed one`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let connection = try await library.make(
        "connection",
        [
          "organization_id": .string(organization), "name": "db", "type": "postgres",
          "config": ["password": "hunter2", "host": "a"],
        ])
      try await library.call(
        "connection.edit", ["id": .string(connection), "config": ["password": "hunter3", "host": "b"]])
      let credential = try await library.make(
        "credential", ["organization_id": .string(organization), "name": "key", "data": ["token": "hunter4"]])
      try await library.call("credential.rotate", ["id": .string(credential), "data": ["token": "hunter5"]])
      for (type, id) in [("connection", connection), ("credential", credential)] {
        for method in ["history", "diff"] {
          let answer = try await library.ask("\(type).\(method)", ["id": .string(id)])
          #expect(!answer.canonicalString.contains("hunter"), "\(type).\(method)")
          #expect(!answer.canonicalString.contains("$sealed"), "\(type).\(method)")
        }
      }
      let diff = try await library.ask("credential.diff", ["id": .string(credential)])
      #expect(diff["changes"]?["data"] == ["from": "********", "to": "********"])
      let audit = try await library.ask("audit.search", ["limit": 1000])
      #expect(!audit.canonicalString.contains("hunter"))
      #expect(!audit.canonicalString.contains("$sealed"))
    }
  }

  @Test func `versions are listed, and any two of them compared`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let pipeline = try await library.make(
        "pipeline", ["organization_id": .string(organization), "name": "daily", "config": ["a": 1, "b": ["c": "x"]]])
      let id = JSON.string(pipeline)
      try await library.call("pipeline.edit", ["id": id, "config": ["a": 2, "b": ["c": "x"]], "reason": "more"])
      try await library.call("pipeline.edit", ["id": id, "config": ["b": ["c": "x"], "a": 2]])
      try await library.call("pipeline.edit", ["id": id, "config": ["a": 2, "b": ["c": "y", "d/e": true]]])
      try await library.call("pipeline.name_version", ["id": id, "version_number": 2, "name": "the good one"])
      try await library.call("pipeline.rollback", ["id": id, "to_version": 1, "reason": "back"])
      let versions = try await library.ask("pipeline.versions", ["id": id]).items
      #expect(versions.map { $0.integer("version_number") } == [1, 2, 3, 4])
      #expect(versions.map { $0.text("name") } == ["", "the good one", "", ""])
      #expect(versions[1].text("reason") == "more")
      #expect(versions[1]["changes"] == ["config"])
      #expect(versions[3].integer("rolled_back_to") == 1)
      #expect(versions[3].text("event") == "pipeline.rolled_back")
      let paged = try await library.ask("pipeline.versions", ["id": id, "limit": 3])
      let rest = try await library.ask(
        "pipeline.versions", ["id": id, "limit": 3, "cursor": paged["next_cursor"] ?? .null])
      #expect(paged.items + rest.items == versions)
      let diff = try await library.ask("pipeline.diff", ["id": id, "from_version_number": 1, "to_version_number": 3])
      #expect(diff["from"]?.integer("version_number") == 1)
      #expect(
        diff["changes"]?["config"]?["differences"] == [
          ["pointer": "/a", "from": 1, "to": 2], ["pointer": "/b/c", "from": "x", "to": "y"],
          ["pointer": "/b/d~1e", "to": true],
        ])
      let same = try await library.ask("pipeline.diff", ["id": id, "from_version_number": 1, "to_version_number": 4])
      #expect(same["changes"] == [:])
      let byVersion = try await library.ask("pipeline.diff", ["id": id, "from_version": 1, "to_version": 2])
      #expect(byVersion["changes"]?["config"]?["to"] == ["a": 2, "b": ["c": "x"]])
      #expect(try await library.refusal("pipeline.diff", ["id": id, "to_version_number": 9]).code == .invalidParams)
      #expect(try await library.refusal("pipeline.diff", ["id": id, "to_version": 99]).code == .invalidParams)
    }
  }
}
