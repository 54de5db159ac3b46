import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog
import Postgres
import Projections
import Testing

@testable import Queries

/// An answer is bounded in bytes, not only in items.
@Suite struct PageSizeTests {
  private static let text = String(repeating: "x", count: 6 << 20)

  @Test(.timeLimit(.minutes(3)))
  func `a page of long items ends before its limit, and the pages together have every item once`() async throws {
    try await TestQueries.with { library in
      let organization = try #require(Identifier(try await library.organization("acme")))
      var made: [String] = []
      // As a server with longer lines would have recorded them; made directly, since this is about reading.
      for number in 0..<5 {
        var draft = EventDraft(
          event: "pipeline.created", type: "pipeline", resource: .version7(at: .now), actor: "local:0")
        draft.organization = organization
        draft.set = [
          "name": .string("p\(number)"), "number": .integer(Int64(number + 1)), "status": "draft",
          "organization_id": .string(organization.text), "config": ["text": .string(Self.text)],
        ]
        try await library.models.append([draft])
        made.append(draft.resource.text)
      }
      for past in [JSONObject(), ["as_of": .integer(Int64(library.log.head.position))]] {
        var found: [String] = []
        var sizes: [Int] = []
        var cursor = JSON.null
        repeat {
          var params: JSONObject = ["order": "number", "limit": 100, "where": ["name": ["prefix": "p"]]]
          if !cursor.isNull { params["cursor"] = cursor }
          let page = try await library.ask("pipeline.list", params.merging(past))
          found += page.items.map { $0.text("id") }
          sizes.append(page.items.count)
          cursor = page["next_cursor"] ?? .null
        } while !cursor.isNull
        #expect(found == made, "\(past)")
        // Three reach 16 MiB; one more than the limit of bytes is never held.
        #expect(sizes == [3, 2], "\(past)")
      }
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a page of a history ends early too, in either direction`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let id = try await library.make(
        "pipeline", ["name": "p", "organization_id": .string(organization), "config": ["text": .string(Self.text)]])
      for number in 0..<20 {
        try await library.call("pipeline.edit", ["id": .string(id), "description": .string("\(number)")])
      }
      for _ in 0..<2 {
        try await library.call("pipeline.edit", ["id": .string(id), "config": [:]])
        try await library.call("pipeline.edit", ["id": .string(id), "config": ["text": .string(Self.text)]])
      }
      for (order, expected) in [("position", Array(1...25)), ("-position", (1...25).reversed())] {
        var found: [Int64] = []
        var sizes: [Int] = []
        var cursor = JSON.null
        repeat {
          var params: JSONObject = ["id": .string(id), "order": .string(order), "limit": 24]
          if !cursor.isNull { params["cursor"] = cursor }
          let page = try await library.ask("pipeline.history", params)
          found += page.items.map { $0.integer("version") }
          sizes.append(page.items.count)
          cursor = page["next_cursor"] ?? .null
        } while !cursor.isNull
        #expect(found == expected.map { Int64($0) }, "\(order)")
        #expect(sizes.count == 2 && sizes[0] < 24, "\(order): \(sizes)")
      }
    }
  }

  @Test func `a question that PostgreSQL needs too long for is refused with what to do`() async throws {
    try await TestQueries.with { library in
      _ = try await library.organization("acme")
      _ = try await library.ask("organization.list")
      let error = await #expect(throws: ProjectionError.self) {
        try await library.projections.withConnection { connection in
          #expect(try await connection.query("SHOW statement_timeout").rows == [["1min"]])
          try await connection.execute("SET statement_timeout = '50ms'")
          _ = try await connection.query("SELECT pg_sleep(60)")
        }
      }
      #expect(error?.code == .unavailable && error?.message.contains("narrow it down") == true)
    }
  }

  @Test func `items that are added in any order leave the first of them, and say whether more follow`() throws {
    let type = try #require(try TestDomain().catalog.type("pipeline"))
    let order = try #require(ListOrder("name", columns: ListColumns(type)))
    let names = (0..<40).map { "n\(10 + $0)" }.shuffled()
    func page(limit: Int, bytes: Int) -> (names: [String], last: ListPlace?) {
      var page = PastPage(order: order, limit: limit, maximumBytes: bytes)
      for name in names {
        page.add(["name": .string(name)], at: ListPlace(key: .string(name), identifier: name))
      }
      let (items, last) = page.finished()
      return (items.map { $0.text("name") }, last)
    }
    let sorted = names.sorted()
    #expect(page(limit: 40, bytes: 1 << 20).names == sorted && page(limit: 40, bytes: 1 << 20).last == nil)
    #expect(page(limit: 7, bytes: 1 << 20).names == Array(sorted[..<7]))
    #expect(page(limit: 7, bytes: 1 << 20).last?.identifier == sorted[6])
    let short = page(limit: 40, bytes: 60)
    #expect(!short.names.isEmpty && short.names.count < 10 && short.names == Array(sorted[..<short.names.count]))
    #expect(short.last?.identifier == short.names.last)
    #expect(page(limit: 40, bytes: 1).names == [sorted[0]])
  }
}
