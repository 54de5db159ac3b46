import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Refusals
import Testing

@Suite struct GetTests {
  @Test func `get finds by id and by natural key, in any case of an address`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let byKey = try await library.ask("organization.get", ["slug": "acme"])
      #expect(byKey["item"]?.text("id") == organization)
      #expect(byKey.integer("version") == 1)
      let user = try await library.make("user", ["email": "Ada@example.org", "full_name": "Ada Lovelace"])
      let byAddress = try await library.ask("user.get", ["email": "ada@EXAMPLE.org"])
      #expect(byAddress["item"]?.text("id") == user)
      #expect(byAddress["item"]?.text("full_name") == "Ada Lovelace")
      #expect(byAddress["item"]?["password_hash"] == nil)
      let refused = try await library.refusal("user.get", ["email": "nobody@example.org"])
      #expect(refused.code == .notFound)
      #expect(!refused.json.canonicalString.contains("nobody@example.org"))
    }
  }

  @Test func `get shows a resource as of a position and as of a time`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let before = library.log.head.position
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "first"])
      let created = try #require(library.log.head.at)
      let position = library.log.head.position
      try await library.call("pipeline.edit", ["id": .string(pipeline), "name": "second"])
      let now = try await library.ask("pipeline.get", ["id": .string(pipeline)])
      #expect(now["item"]?.text("name") == "second")
      let then = try await library.ask(
        "pipeline.get", ["id": .string(pipeline), "as_of": .integer(Int64(position))])
      #expect(then["item"]?.text("name") == "first")
      #expect(then.integer("version") == 1)
      #expect(then.integer("position") == Int64(position))
      let atTime = try await library.ask("pipeline.get", ["id": .string(pipeline), "as_of": .string(created.text)])
      #expect(atTime["item"]?.text("name") == "first")
      let early = try await library.refusal(
        "pipeline.get", ["id": .string(pipeline), "as_of": .integer(Int64(before))])
      #expect(early.code == .notFound)
      let late = try await library.refusal("pipeline.get", ["id": .string(pipeline), "as_of": 1_000_000])
      #expect(late.code == .invalidParams)
    }
  }

  @Test func `what was deleted is gone, unless it is asked for`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "short"])
      let alive = library.log.head.position
      try await library.call("pipeline.delete", ["id": .string(pipeline)])
      #expect(try await library.refusal("pipeline.get", ["id": .string(pipeline)]).code == .gone)
      let deleted = try await library.ask("pipeline.get", ["id": .string(pipeline), "include_deleted": true])
      #expect(deleted["item"]?["deleted_at"]?.stringValue != nil)
      let then = try await library.ask("pipeline.get", ["id": .string(pipeline), "as_of": .integer(Int64(alive))])
      #expect(then["item"]?["deleted_at"] == nil)
      let history = try await library.ask("pipeline.history", ["id": .string(pipeline)])
      #expect(history.items.last?.text("event") == "pipeline.deleted")
    }
  }

  @Test func `another tenant's resources are hidden as if they were not there`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(acme), "name": "ours"])
      let theirs = try await library.member("eve@example.org", of: other)
      let ours = try await library.member("bob@example.org", of: acme)
      for method in ["pipeline.get", "pipeline.history", "pipeline.diff", "pipeline.versions"] {
        let refused = try await library.refusal(method, ["id": .string(pipeline)], as: theirs)
        #expect(refused.code == .notFound, "\(method)")
        _ = try await library.ask(method, ["id": .string(pipeline)], as: ours)
      }
      #expect(try await library.list("pipeline", [:], as: theirs).isEmpty)
      #expect(try await library.list("pipeline", ["where": ["organization_id": .string(acme)]], as: theirs).isEmpty)
      #expect(try await library.list("pipeline", [:], as: ours) == [pipeline])
      #expect(try await library.list("organization", [:], as: theirs) == [other])
      let people = try await library.ask("user.list", [:], as: theirs).items.map { $0.text("email") }
      #expect(people == ["eve@example.org"])
    }
  }

  @Test func `every fault of the parameters is named`() async throws {
    try await TestQueries.with { library in
      let refused = try await library.refusal("pipeline.get", ["id": "x", "as_of": false, "colour": "red"])
      let paths = (refused.data["problems"]?.arrayValue ?? []).map { $0.text("path") }
      #expect(Set(paths) == ["/id", "/as_of", "/colour"])
      #expect(try await library.refusal("pipeline.get", [:]).code == .invalidParams)
      #expect(try await library.refusal("pipeline.history", [:]).code == .invalidParams)
    }
  }
}
