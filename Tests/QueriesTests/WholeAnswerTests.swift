import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EmbeddedPostgres
import EventLog
import Foundation
import Logging
import Postgres
import Queries
import Refusals
import TestBasics
import Testing

/// Rows and personal columns are shown of one position, or not at all.
@Suite(.timeLimit(.minutes(4))) struct WholeAnswerTests {
  /// What a crash can leave, as SQL: the personal part of the users is empty, and its checkpoint says so, or doesn't
  /// yet.
  static let losses = [
    """
    DELETE FROM personal.users;
    UPDATE projector.checkpoints SET position = 0, event_id = NULL, refilling_to = 1
    WHERE generation = 'live' AND projection = 'users' AND part = 'personal'
    """,
    "DELETE FROM personal.users; DELETE FROM personal.marker",
  ]

  @Test(arguments: losses)
  func `users without their personal columns are refused, in true words, until these are filled again`(
    _ loss: String
  ) async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let user = try await library.make("user", ["email": "ada@example.org", "full_name": "Ada"])
      for number in 0..<5 {
        _ = try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": .string("\(number)")])
      }
      _ = try await library.ask("user.list")
      let position = library.log.head.position
      let held = try await HeldProjector(library.models)
      defer { held.release() }
      try await library.models.execute(loss)
      @Sendable func ask(_ method: String, _ params: JSONObject, milliseconds: Int64 = 200) async throws -> JSON {
        try JSON.parse(
          try await library.queries.answer(
            method: method, params: params, principal: TestDomain.administrator, timeoutMilliseconds: milliseconds))
      }
      // Also a filter or an order by a personal column would be half an answer.
      for params: JSONObject in [[:], ["order": "full_name"], ["where": ["email": "ada@example.org"]]] {
        let refused = await #expect(throws: Refusal.self) { _ = try await ask("user.list", params) }
        #expect(refused?.code == .unavailable, "\(params): \(String(describing: refused))")
        #expect(refused?.message.contains("being filled again") == true, "\(String(describing: refused))")
      }
      // What needs none of them is answered.
      #expect(try await ask("pipeline.list", [:]).items.count == 5)
      #expect(try await ask("user.list", ["as_of": .integer(Int64(position))]).items.map { $0.text("id") } == [user])
      async let later = ask("user.list", [:], milliseconds: 60_000)
      held.release()
      // Whatever comes next shows the projector that the tables aren't as it left them.
      _ = try await library.make("pipeline", ["organization_id": .string(organization), "name": "next"])
      #expect(try await later.items.map { $0.text("email") } == ["ada@example.org"])
    }
  }

  @Test func `after a crash of PostgreSQL no list shows a user without what is known of them`() async throws {
    let folder = try TemporaryFolder()
    var logger = Logger(label: "whole-postgres")
    logger.logLevel = .error
    let server = EmbeddedPostgres(
      dataFolder: folder.path + "/postgres", socketFolder: folder.path + "/s", logger: logger)
    let url = try await server.start()
    try await TestQueries.with(url: url) { library in
      func people(_ numbers: Range<Int>) async throws {
        for number in numbers {
          _ = try await library.make("user", ["email": .string("u\(number)@example.org"), "full_name": "U"])
        }
      }
      try await people(0..<150)
      _ = try await library.ask("user.list")
      let killed = try await library.models.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'daybook queries' LIMIT 1")
      let backend = try #require(killed[0][0].flatMap { Int32($0) })
      try #require(kill(backend, SIGKILL) == 0)
      // The rows get further than the personal columns were.
      try await people(150..<300)
      let head = Int64(library.log.head.position)
      var counts: [String: Int] = [:]
      let end = ContinuousClock.now + .seconds(90)
      while ContinuousClock.now < end {
        do {
          let answer = try await library.queries.answer(
            method: "user.list", params: ["limit": 1000], principal: TestDomain.administrator,
            timeoutMilliseconds: 50)
          let list = try JSON.parse(answer)
          #expect(list.items.allSatisfy { !$0.text("email").isEmpty }, "position \(list.integer("position"))")
          counts["answered", default: 0] += 1
          if list.integer("position") >= head { break }
        } catch let refusal as Refusal {
          try #require([.unavailable, .stale].contains(refusal.code), "\(refusal)")
          counts[refusal.code.rawValue, default: 0] += 1
        }
      }
      #expect(try await library.ask("user.list", ["limit": 1000]).items.count == 300, "\(counts)")
    }
    await server.stop()
    try await folder.destroy()
  }
}
