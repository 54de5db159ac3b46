import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// What one command may cost the writer; all limits are made small here.
@Suite struct WriterBudgetTests {
  private func expectRefused(
    _ book: TestDomain, _ method: String, _ params: JSONObject, limit: Int64,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let head = book.log.head.position
    let refusal = try await book.refusal(method, params, sourceLocation: sourceLocation)
    #expect(refusal.code == .tooLarge && refusal.data["limit"] == .integer(limit), sourceLocation: sourceLocation)
    #expect(refusal.message.contains("\(limit)"), sourceLocation: sourceLocation)
    #expect(book.log.head.position == head, "something was recorded", sourceLocation: sourceLocation)
  }

  @Test func `the events of one batch have a limit of bytes, whatever they repeat`() async throws {
    var budget = WriterBudget()
    budget.recordedBytes = 60_000
    let book = try TestDomain(budget: budget)
    let acme = try await book.organization("acme")
    let pipeline = try await book.make(
      "pipeline",
      ["name": "p", "organization_id": .string(acme), "description": .string(String(repeating: "a", count: 1900))])
    try await book.call(
      "pipeline.edit", ["id": .string(pipeline), "description": .string(String(repeating: "b", count: 1900))])
    func rollbacks(_ count: Int) -> JSONObject {
      let commands = (0..<count).map { number -> JSON in
        [
          "method": "pipeline.rollback",
          "params": ["id": .string(pipeline), "to_version": .integer(Int64(number) + 1)],
        ]
      }
      return ["commands": .array(commands)]
    }
    // A line of some thousand bytes would have the writer record each of its rollbacks' contents, twice.
    try await expectRefused(book, "batch.apply", rollbacks(40), limit: 60_000)
    try await book.call("batch.apply", rollbacks(5))
  }

  @Test func `the way back to an earlier version has a limit of events`() async throws {
    var budget = WriterBudget()
    budget.historyRecords = 130
    let book = try TestDomain(budget: budget)
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    for number in 0..<150 {
      try await book.call("pipeline.edit", ["id": .string(pipeline), "description": .string("\(number)")])
    }
    try await expectRefused(book, "pipeline.rollback", ["id": .string(pipeline), "to_version": 1], limit: 130)
    try await book.call("pipeline.rollback", ["id": .string(pipeline), "to_version": 120])
    // Several of a batch count together.
    let back: JSON = ["method": "pipeline.rollback", "params": ["id": .string(pipeline), "to_version": 100]]
    let there: JSON = ["method": "pipeline.rollback", "params": ["id": .string(pipeline), "to_version": 120]]
    try await expectRefused(book, "batch.apply", ["commands": [back, there, back, there]], limit: 130)
  }

  @Test func `the bytes of that way have a limit`() async throws {
    var budget = WriterBudget()
    budget.historyBytes = 50_000
    let book = try TestDomain(budget: budget)
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    for number in 0..<20 {
      let text = String(repeating: "\(number % 10)", count: 1900)
      try await book.call("pipeline.edit", ["id": .string(pipeline), "description": .string(text)])
    }
    try await expectRefused(book, "pipeline.rollback", ["id": .string(pipeline), "to_version": 1], limit: 50_000)
  }

  @Test func `measurements ask so many alert rules at once, and raise so many alerts`() async throws {
    var budget = WriterBudget()
    budget.rulesAsked = 10
    budget.alertsRaised = 3
    let book = try TestDomain(budget: budget)
    let acme = try await book.organization("acme")
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    let run = try #require(try await book.call("run.start", ["pipeline_id": .string(pipeline)])["id"]?.stringValue)
    for number in 0..<6 {
      // Three fire at 10, the others at 100.
      try await book.make(
        "alert_rule",
        [
          "name": .string("r\(number)"), "metric": "rows_error", "operator": "gt",
          "threshold": .integer(number < 3 ? 10 : 100), "severity": "low", "organization_id": .string(acme),
        ])
    }
    func measurement(_ errors: Int64) -> JSONObject {
      ["id": .string(run), "node_id": "n", "rows_error": .integer(errors)]
    }
    let quiet: JSON = ["method": "run.measure", "params": .object(measurement(1))]
    try await expectRefused(book, "batch.apply", ["commands": [quiet, quiet]], limit: 10)
    try await book.call("run.measure", measurement(1))
    try await expectRefused(book, "run.measure", measurement(500), limit: 3)
    let result = try await book.call("run.measure", measurement(50))
    #expect(result.eventNames.count { $0 == "alert.raised" } == 3)
  }
}
