import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Testing

/// Under what the answers to command ids are kept: under nothing that names somebody.
@Suite struct CommandIDTests {
  private static let random = "3f2b8c1e-5d64-4a7b-9c0d-1e2f3a4b5c6d"

  private func names(_ book: TestDomain) async throws -> [String] {
    try await book.log.commit { try $0.commands(from: [], limit: 1000).entries.map(\.id) }.value
  }

  @Test func `a text is kept as a keyed hash, and a random id as it is`() async throws {
    let book = try TestDomain()
    for (number, id) in ["ann@example.org", Self.random, Self.random.uppercased()].enumerated() {
      let params: JSONObject = ["name": "n", "slug": .string("works-\(number)"), "command_id": .string(id)]
      let first = try await book.engine.apply(
        method: "organization.create", params: params, principal: TestDomain.administrator)
      let again = try await book.engine.apply(
        method: "organization.create", params: params, principal: TestDomain.administrator)
      #expect(again.position == first.position)
      #expect(try JSON.parse(again.resultBytes)["replayed"] == true)
    }
    let names = try await names(book)
    #expect(names.count == 3)
    #expect(names.filter { $0.hasPrefix("#") && $0.utf8.count == 45 }.count == 2)
    #expect(names.contains(Self.random))
    book.close()
  }

  @Test func `what an earlier program kept in the clear is kept as a hash from the next start on`() async throws {
    let book = try TestDomain()
    @Sendable func stored(_ byte: UInt8) -> StoredCommand {
      StoredCommand(fingerprint: [UInt8](repeating: byte, count: 32), result: [byte])
    }
    _ = try await book.log.commit { transaction in
      for number in 0..<2500 {
        try transaction.storeCommand(actor: "user:1", id: "ann-\(number)@example.org", stored(1))
      }
      try transaction.storeCommand(actor: "user:1", id: Self.random, stored(2))
      try transaction.storeCommand(actor: "report:1", id: "0000", stored(3))
    }
    #expect(try await book.engine.hashCommandIDs() == 2500)
    let names = try await book.log.commit { try $0.commands(from: [], limit: 5000).entries }.value
    #expect(names.count == 2502)
    #expect(!names.contains { $0.id.contains("@") })
    #expect(names.filter { $0.command == stored(1) }.count == 2500)
    #expect(names.contains { $0.id == Self.random } && names.contains { $0.id == "0000" })
    // Once is enough.
    _ = try await book.log.commit { try $0.storeCommand(actor: "user:1", id: "later", stored(4)) }
    #expect(try await book.engine.hashCommandIDs() == 0)
    book.close()
    #expect(try EventLogVerifier.verify(folder: book.files.logFolder).problems == [])
  }
}
