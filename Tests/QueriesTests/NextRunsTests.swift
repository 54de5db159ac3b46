import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import Queries
import Refusals
import Testing

@Suite struct NextRunsTests {
  @Test func `a schedule's next times follow from the log alone`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      func pipeline(_ schedule: JSON) async throws -> JSON {
        .string(
          try await library.make(
            "pipeline", ["organization_id": .string(organization), "name": "p", "schedule": schedule]))
      }
      let daily = try await pipeline("0 2 * * *")
      let answer = try await library.ask(
        "pipeline.next_runs", ["id": daily, "count": 2, "from": "2024-02-28T04:00:00+02:00"])
      #expect(answer.items == ["2024-02-29T02:00:00.000000Z", "2024-03-01T02:00:00.000000Z"])
      #expect(answer.integer("position") == Int64(library.log.head.position))
      let before = Timestamp.now
      let coming = try await library.ask("pipeline.next_runs", ["id": daily]).items
      #expect(coming.count == 5)
      #expect(coming.allSatisfy { $0.stringValue.flatMap { Timestamp($0) }.map { $0 > before } == true })
      let object = try await pipeline(["interval": "@weekly", "start_date": "2030-01-01", "catchup": true])
      let weekly = try await library.ask(
        "pipeline.next_runs", ["id": object, "count": 1, "from": "2024-01-01T00:00:00Z"])
      #expect(weekly.items == ["2030-01-06T00:00:00.000000Z"])
      for schedule: JSON in [nil, "0 0 31 2 *", "@once"] {
        let id = try await pipeline(schedule)
        #expect(try await library.ask("pipeline.next_runs", ["id": id, "count": 100]).items == [])
      }
      try await library.call("pipeline.edit", ["id": daily, "schedule": nil])
      #expect(try await library.ask("pipeline.next_runs", ["id": daily]).items == [])
    }
  }

  @Test func `what can't be answered is refused`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let other = try await library.organization("other")
      let id = JSON.string(
        try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": "p", "schedule": "@daily"]))
      let wrong = try await library.refusal("pipeline.next_runs", ["count": 101, "from": "soon", "x": 1])
      let paths = wrong.data["problems"]?.arrayValue?.map { $0.text("path") }
      #expect(Set(paths ?? []) == ["/id", "/count", "/from", "/x"])
      #expect(try await library.refusal("pipeline.next_runs", ["id": id, "count": 0]).code == .invalidParams)
      let member = try await library.member("ann@example.org", of: organization)
      #expect(try await library.ask("pipeline.next_runs", ["id": id, "count": 100], as: member).items.count == 100)
      let stranger = try await library.member("bob@example.org", of: other)
      #expect(try await library.refusal("pipeline.next_runs", ["id": id], as: stranger).code == .notFound)
      try await library.call("pipeline.delete", ["id": id])
      #expect(try await library.refusal("pipeline.next_runs", ["id": id]).code == .gone)
      #expect(library.queries.isQuery("pipeline.next_runs") && !library.queries.isQuery("run.next_runs"))
    }
  }
}
