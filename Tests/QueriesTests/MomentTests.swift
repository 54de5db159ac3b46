import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Foundation
import Queries
import Refusals
import TestBasics
import Testing

/// What is said of a moment is the same whenever it is asked.
@Suite(.timeLimit(.minutes(3))) struct MomentTests {
  /// A question about the past, and what must be in its answer.
  struct Question: Sendable, CustomTestStringConvertible {
    let method: String
    var params: JSONObject
    let holds: @Sendable (JSON) -> Bool
    var testDescription: String { "\(method) \(params.keys.sorted())" }
  }

  @Test func `a question about a moment waits until the read models have come to it, or says that they haven't`()
    async throws
  {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      func dataset(_ name: String) async throws -> String {
        try await library.make(
          "dataset", ["organization_id": .string(organization), "namespace": "db", "name": .string(name)])
      }
      let source = try await dataset("source")
      let target = try await dataset("target")
      _ = try await library.ask("dataset.list")
      let held = try await HeldProjector(library.models)
      let edge = try #require(
        try await library.call(
          "lineage_edge.link",
          ["organization_id": .string(organization), "source_id": .string(source), "target_id": .string(target)])[
            "id"]?.stringValue)
      let position = Int64(library.log.head.position)
      let time = try #require(library.log.head.at)
      let after = try await library.make("pipeline", ["organization_id": .string(organization), "name": "later"])
      defer { held.release() }
      // Times of events never decrease, but two may be the same.
      try #require(try #require(library.log.head.at) > time)
      var questions: [Question] = []
      for moment in [JSON.integer(position), .string(time.text)] {
        questions += [
          Question(method: "lineage_edge.list", params: ["as_of": moment]) { answer in
            answer.items.map { $0.text("id") } == [edge]
          },
          Question(method: "lineage.graph", params: ["as_of": moment, "id": .string(source)]) { answer in
            (answer["edges"]?.arrayValue ?? []).map { $0.text("id") } == [edge]
          },
          Question(method: "audit.search", params: ["as_of": moment, "limit": 1]) { answer in
            answer.items.map { $0.text("event") } == ["lineage_edge.linked"]
          },
          Question(method: "pipeline.list", params: ["as_of": moment]) { $0.items.isEmpty },
        ]
      }
      let until = Timestamp(microseconds: time.microseconds + 1)
      questions.append(
        Question(method: "audit.search", params: ["until": .string(until.text), "limit": 1]) { answer in
          answer.items.map { $0.text("event") } == ["lineage_edge.linked"]
        })
      for question in questions {
        var refusal: Refusal?
        do {
          let early = try await library.queries.answer(
            method: question.method, params: question.params, principal: TestDomain.administrator,
            timeoutMilliseconds: 100)
          Issue.record("\(question) was answered: \(String(decoding: early, as: UTF8.self))")
        } catch let error as Refusal {
          refusal = error
        }
        #expect(refusal?.code == .stale, "\(question): \(String(describing: refusal))")
        #expect(refusal?.data["at_least"] == .integer(position), "\(question)")
      }
      try await withThrowingTaskGroup(of: (Question, JSON).self) { group in
        for question in questions {
          group.addTask {
            let answer = try await library.queries.answer(
              method: question.method, params: question.params, principal: TestDomain.administrator,
              timeoutMilliseconds: 60_000)
            return (question, try JSON.parse(answer))
          }
        }
        held.release()
        for try await (question, answer) in group {
          #expect(question.holds(answer), "\(question): \(answer.canonicalString)")
          if question.params["as_of"] != nil { #expect(answer.integer("position") == position, "\(question)") }
        }
      }
      // Asked again, when there is more: the same.
      for question in questions {
        let answer = try await library.ask(question.method, question.params)
        #expect(question.holds(answer), "\(question): \(answer.canonicalString)")
      }
      #expect(try await library.list("pipeline", [:]) == [after])
    }
  }

  @Test(arguments: ["pipeline.list", "audit.search"])
  func `all pages of a question about a time are about one position, whatever is written between them`(
    _ method: String
  ) async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      for name in ["a", "b"] {
        _ = try await library.make("pipeline", ["organization_id": .string(organization), "name": .string(name)])
      }
      let position = Int64(library.log.head.position)
      // A time to come: what is written until then belongs to it, too.
      var params: JSONObject = ["as_of": "2100-01-01T00:00:00Z", "limit": 1]
      params["order"] = method == "audit.search" ? "position" : "created_at"
      var pages = 0
      while true {
        let page = try await library.ask(method, params)
        #expect(page.integer("position") == position)
        pages += page.items.count
        guard let cursor = page["next_cursor"], cursor != .null else { break }
        params["cursor"] = cursor
        _ = try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": .string("later \(pages)")])
      }
      #expect(pages == (method == "audit.search" ? Int(position) : 2))
    }
  }

  @Test func `a search of the past shows what has been archived since`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let position = Int64(library.log.head.position)
      let question: JSONObject = ["organization_id": .string(organization), "as_of": .integer(position)]
      let before = try await library.ask("audit.search", question)
      #expect(before.items.count == 1)
      try await library.models.execute(
        """
        INSERT INTO daybook.retentions (id, organization_id, class, through)
        VALUES ('01990000-0000-7000-8000-000000000001', '\(organization)', 'audit', \(position))
        """)
      #expect(try await library.ask("audit.search", question) == before)
      #expect(try await library.ask("audit.search", ["organization_id": .string(organization)]).items.isEmpty)
    }
  }
}

/// The projector of a database, stopped for as long as this isn't released: its process in PostgreSQL answers nothing.
struct HeldProjector {
  private let process: Int32

  init(_ models: TestReadModels) async throws {
    let found = try await models.rows(
      """
      SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'daybook projector'
      """)
    process = try #require(found.first?.first.flatMap { $0 }.flatMap { Int32($0) })
    try #require(kill(process, SIGSTOP) == 0)
  }

  func release() { _ = kill(process, SIGCONT) }
}
