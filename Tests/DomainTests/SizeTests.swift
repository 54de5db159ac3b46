import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// No event and no resource grows beyond what every read model can hold.
@Suite struct SizeTests {
  private static let megabyte = 1 << 20

  /// A value of so many MiB.
  private static func long(_ megabytes: Int, _ letter: Character = "x") -> JSON {
    ["text": .string(String(repeating: letter, count: megabytes * megabyte))]
  }

  @Test(.timeLimit(.minutes(4)))
  func `fields that add up to more than a resource may hold are refused with the limit, in whatever steps`()
    async throws
  {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(organization), "config": Self.long(6)])
    try await book.call("pipeline.edit", ["id": .string(id), "nodes": Self.long(6)])
    let grown = try await book.refusal("pipeline.edit", ["id": .string(id), "metadata": Self.long(5)])
    #expect(grown.code == .tooLarge && grown.data["limit"] == .integer(Int64(CommandEngine.sizeLimit)))
    #expect(grown.message.contains("pipeline"))
    // In one transaction the steps add up too.
    func step(_ field: String, _ value: JSON) -> JSON {
      var params: JSONObject = ["id": .string(id)]
      params[field] = value
      return ["method": "pipeline.edit", "params": .object(params)]
    }
    let batch = try await book.refusal(
      "batch.apply", ["commands": [step("metadata", Self.long(2)), step("default_args", Self.long(3))]])
    #expect(batch.code == .tooLarge)
    try await book.call("batch.apply", ["commands": [step("nodes", .null), step("metadata", Self.long(5))]])
    #expect(try await book.call("pipeline.edit", ["id": .string(id), "name": "q"])["version"] == 5)
  }

  @Test(.timeLimit(.minutes(4)))
  func `an event holds what it replaces too, so a long value is replaced by way of clearing it`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(organization), "config": Self.long(9)])
    let change: JSONObject = ["id": .string(id), "config": Self.long(9, "y")]
    let refusal = try await book.refusal("pipeline.edit", change)
    #expect(refusal.code == .tooLarge && refusal.message.contains("pipeline.edited"))
    try await book.call("pipeline.edit", ["id": .string(id), "config": [:]])
    try await book.call("pipeline.edit", change)
    #expect(try book.state(id).fields["config"] == Self.long(9, "y"))
    // What is put back counts as what is put there.
    let back = try await book.refusal("pipeline.rollback", ["id": .string(id), "to_version": 1])
    #expect(back.code == .tooLarge)
    try await book.call("pipeline.rollback", ["id": .string(id), "to_version": 2])
  }

  @Test(.timeLimit(.minutes(4)))
  func `a resource that an older log made larger is shortened, edited and deleted all the same`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
    var draft = EventDraft(
      event: "pipeline.edited", type: "pipeline", resource: try #require(Identifier(id)), actor: "local:0")
    draft.organization = Identifier(organization)
    draft.set = ["config": Self.long(9), "nodes": Self.long(9)]
    try await book.append([draft])
    try await book.call("pipeline.edit", ["id": .string(id), "description": "still"])
    #expect(try await book.refusal("pipeline.edit", ["id": .string(id), "edges": Self.long(1)]).code == .tooLarge)
    try await book.call("pipeline.edit", ["id": .string(id), "nodes": nil])
    try await book.call("pipeline.delete", ["id": .string(id)])
    #expect(try book.state(id).isDeleted)
  }
}
