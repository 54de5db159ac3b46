import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import Refusals
import Testing

@testable import Domain

/// The way back to an earlier version is read before the decision, where nobody waits for it.
@Suite struct RollbackPreparationTests {
  private struct Place {
    let book: TestDomain
    let pipeline: String

    init(versions: Int = 100) async throws {
      book = try TestDomain()
      let acme = try await book.organization("acme")
      pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme), "description": "0"])
      for number in 1..<versions {
        try await book.call("pipeline.edit", ["id": .string(pipeline), "description": .string("\(number)")])
      }
    }

    /// A rollback that is ready for its decision.
    func prepared(to version: Int64) async throws -> PreparedCommand {
      let command = try book.engine.prepare(
        method: "pipeline.rollback", params: ["id": .string(pipeline), "to_version": .integer(version)],
        principal: TestDomain.administrator, origin: Origin())
      #expect(command.needsBackground)
      return try await book.engine.prepareInBackground(command)
    }

    /// What deciding it costs the writer.
    func decide(_ command: PreparedCommand) async throws -> DecisionWork {
      let engine = book.engine
      return try await book.log.commit { transaction in
        _ = try engine.decide(command, in: transaction)
        return transaction.work
      }.value
    }

    func description() throws -> JSON? { try book.item(pipeline)["description"] }
  }

  @Test func `the writer reads nothing of the history`() async throws {
    let place = try await Place()
    let work = try await place.decide(try await place.prepared(to: 3))
    #expect(work.historyRecords == 0 && work.historyBytes == 0 && work.recordedBytes > 0)
    #expect(try place.description() == "2")
    #expect(try place.book.item(place.pipeline)["version_number"] == 101)
  }

  @Test func `what is edited meanwhile changes nothing of the earlier version`() async throws {
    let place = try await Place(versions: 5)
    let ready = try await place.prepared(to: 2)
    try await place.book.call("pipeline.edit", ["id": .string(place.pipeline), "description": "meanwhile"])
    try await place.book.call("pipeline.rollback", ["id": .string(place.pipeline), "to_version": 4])
    #expect(try await place.decide(ready).historyRecords == 0)
    #expect(try place.description() == "1")
  }

  @Test func `what wasn't an earlier version yet is read in the decision`() async throws {
    let place = try await Place(versions: 5)
    let ready = try await place.prepared(to: 5)
    try await place.book.call("pipeline.edit", ["id": .string(place.pipeline), "description": "meanwhile"])
    #expect(try await place.decide(ready).historyRecords > 0)
    #expect(try place.description() == "4")
    let refused = try await place.book.refusal(
      "pipeline.rollback", ["id": .string(place.pipeline), "to_version": 99])
    #expect(refused.code == .invalidParams)
  }

  @Test func `nothing is read for who may not see it`() async throws {
    let place = try await Place(versions: 5)
    let other = try await place.book.organization("other")
    let stranger = try await place.book.member("stranger", of: other, role: "owner").principal
    let command = try place.book.engine.prepare(
      method: "pipeline.rollback", params: ["id": .string(place.pipeline), "to_version": 2], principal: stranger,
      origin: Origin())
    #expect(try await ContentVersions.find(place.book.engine, command) == nil)
    #expect(
      try await place.book.refusal(
        "pipeline.rollback", ["id": .string(place.pipeline), "to_version": 2], as: stranger
      ).code == .notFound)
  }
}
