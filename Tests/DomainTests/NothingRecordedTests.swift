import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing
import Vault

/// What records no event leaves nothing behind: no answer under a command id, and no key.
@Suite struct NothingRecordedTests {
  /// What is kept under a command id of the local administrator.
  private func kept(_ id: String, _ book: TestDomain) async throws -> StoredCommand? {
    try await book.log.commit { try $0.storedCommand(actor: TestDomain.administrator.actor, id: id) }.value
  }

  @Test func `only a command that recorded something keeps its command id`() async throws {
    let book = try TestDomain()
    let (empty, same, new) = (
      "01a22000-0000-4000-8000-000000000001", "01a22000-0000-4000-8000-000000000002",
      "01a22000-0000-4000-8000-000000000003"
    )
    let organization = try await book.organization("acme")
    let id = try await book.make("pipeline", ["name": "p", "organization_id": .string(organization)])
    try await book.call("batch.apply", ["commands": [], "command_id": .string(empty)])
    try await book.call("pipeline.edit", ["id": .string(id), "name": "p", "command_id": .string(same)])
    #expect(try await kept(empty, book) == nil)
    #expect(try await kept(same, book) == nil)
    let edit: JSONObject = ["id": .string(id), "name": "q", "command_id": .string(new)]
    try await book.call("pipeline.edit", edit)
    #expect(try await kept(new, book) != nil)
    #expect(try await book.call("pipeline.edit", edit)["replayed"] == true)
    // Given again, what had nothing to do is decided again.
    #expect(
      try await book.call("pipeline.edit", ["id": .string(id), "name": "p", "command_id": .string(same)])["events"]
        != [])
    #expect(try await kept(same, book) != nil)
  }

  @Test func `neither a dry run nor a refusal makes keys`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("acme")
    let person: JSONObject = [
      "email": "ann@example.org", "username": "ann", "organization_id": .string(organization),
      "membership_role": "member",
    ]
    try await book.make("user", person, as: TestDomain.administrator)
    let before = book.vault.status()
    #expect(before.pendingKeys == 0)
    for number in 0..<5 {
      try await book.call(
        "user.create", person.merging(["email": .string("e\(number)@example.org"), "username": nil, "dry_run": true]))
      #expect(try await book.refusal("user.create", person.merging(["email": "other@example.org"])).code == .conflict)
    }
    // A batch is refused after its first member has made a key.
    _ = try await book.refusal(
      "batch.apply",
      [
        "commands": [
          ["method": "user.create", "params": .object(person.merging(["email": "x@example.org", "username": "x"]))],
          ["method": "user.create", "params": .object(person)],
        ]
      ])
    #expect(book.vault.status() == before)
    let id = try await book.make("user", person.merging(["email": "bob@example.org", "username": "bob"]))
    let after = book.vault.status()
    #expect(after.subjectKeys == before.subjectKeys + 1 && after.pendingKeys == 0)
    #expect(try book.item(id)["email"] == "bob@example.org")
  }
}
