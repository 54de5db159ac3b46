import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing
import Vault

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

  @Test func `no secret and no erased person stands in what is kept of a request`() async throws {
    let book = try TestDomain()
    let organization = try await book.organization("works")
    func create(password: String, email: String) async throws -> JSONObject {
      let params: JSONObject = [
        "id": "3f2b8c1e-5d64-4a7b-9c0d-1e2f3a4b5c6e", "organization_id": .string(organization),
        "email": .string(email), "username": "ann", "password": .string(password), "command_id": .string(Self.random),
      ]
      let answer = try await book.engine.apply(
        method: "user.create", params: params, principal: TestDomain.administrator)
      return try JSON.parse(answer.resultBytes).objectValue ?? [:]
    }
    let first = try await create(password: "correct horse battery", email: "ann@example.org")
    #expect(first["replayed"] == nil && first["$personal"] == nil)
    // Another password under the same id is answered as the first was: what would tell them apart is kept nowhere.
    let again = try await create(password: "another horse battery", email: "ann@example.org")
    #expect(again["replayed"] == true && again["$personal"] == nil)
    await #expect(throws: Refusal.self) {
      _ = try await create(password: "correct horse battery", email: "eve@example.org")
    }
    let stored = try #require(
      try await book.log.commit { try $0.commands(from: [], limit: 10).entries }.value.first { $0.id == Self.random })
    // Neither part can be made again without the person's key.
    let user = Identifier("3f2b8c1e-5d64-4a7b-9c0d-1e2f3a4b5c6e")
    let shares = try #require(try JSON.parse(stored.command.result)["$personal"]?.arrayValue)
    #expect(shares.count == 1 && shares.allSatisfy { Vault.isSealed($0) })
    #expect(shares.first.flatMap { book.vault.owner(of: $0) } == user.map { .subject($0) })
    _ = try book.vault.destroy([.subject(try #require(user))])
    // Nothing tells any more whether it is the same address.
    let erased = try await create(password: "wholly another", email: "eve@example.org")
    #expect(erased["replayed"] == true)
    book.close()
  }

  @Test func `a password's hash is sealed with the person's key`() async throws {
    let book = try TestDomain()
    let params: JSONObject = ["email": "ann@example.org", "username": "ann", "password": "correct horse battery"]
    let made = try await book.engine.apply(
      method: "user.create", params: params, principal: TestDomain.administrator)
    let id = try #require(try JSON.parse(made.resultBytes)["id"]?.stringValue.flatMap { Identifier($0) })
    let set = try await book.engine.apply(
      method: "user.set_password", params: ["id": .string(id.text), "password": "a second horse battery"],
      principal: TestDomain.administrator)
    let bytes = try book.log.read { snapshot -> [UInt8] in
      let records = try snapshot.records(from: 1, limit: 1000, maximumBytes: 1 << 26)
      let state = try snapshot.state(id)
      #expect(state?.fields["password_hash"].map { Vault.isSealed($0) } == true)
      #expect(try snapshot.positions(about: id, from: 1, limit: 10).contains(set.position))
      return records.flatMap { $0.header + $0.body } + (state?.fields.canonicalBytes ?? [])
    }
    #expect(!String(decoding: bytes, as: UTF8.self).contains("$2b$12"))
    let found = try await book.engine.principal(email: "ann@example.org", password: "a second horse battery")
    #expect(found?.kind == .user(id))
    #expect(try await book.engine.principal(email: "ann@example.org", password: "correct horse battery") == nil)
    book.close()
  }

  @Test(arguments: [("1", false), ("3", false), ("4", true), ("5", false), ("6", false), ("7", true), ("8", false)])
  func `a person's id is of nothing but chance and time`(version: String, isTaken: Bool) async throws {
    let book = try TestDomain()
    let params: JSONObject = [
      "id": .string("3f2b8c1e-5d64-\(version)a7b-9c0d-1e2f3a4b5c6d"), "email": "ann@example.org", "username": "ann",
    ]
    if isTaken {
      try await book.call("user.create", params)
    } else {
      let refusal = try await book.refusal("user.create", params)
      #expect(refusal.code == .invalidParams && refusal.message.contains("/id"), "\(refusal)")
    }
    book.close()
  }
}
