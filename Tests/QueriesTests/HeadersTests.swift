import Access
import BasicTypes
import CanonicalJSON
import Domain
import EventLog
import MerkleTree
import Refusals
import TestBasics
import Testing

@Suite struct HeadersTests {
  @Test func `whoever may audit gets every header, and anybody else the hash of what isn't theirs`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      _ = try await library.make("pipeline", ["organization_id": .string(acme), "name": "one"])
      _ = try await library.make("pipeline", ["organization_id": .string(other), "name": "two"])
      let owner = try await library.member("owner@example.org", of: acme, membership: "owner")
      let auditor = try await library.member("auditor@example.org", of: other, role: "auditor")
      let officer = try await library.member("officer@example.org", of: other, role: "officer")
      let viewer = try await library.member("viewer@example.org", of: acme)
      let made = try await library.call(
        "api_key.create",
        ["name": "k", "organization_id": .string(acme), "permissions": ["log": ["read"]]], as: owner)
      let key = try #require(try library.engine.principal(forKey: JSON.object(made).text("api_key")))
      try await library.call(
        "legal_hold.place", ["held_id": .string(acme), "name": "case", "reason": "a court asked"])
      let size = library.log.head.position
      func headers(_ principal: Principal, _ params: JSONObject = [:]) async throws -> [JSON] {
        let answer = try await library.ask("log.headers", params, as: principal)
        #expect(answer.integer("next") == Int64(size) + 1 && answer.integer("position") == Int64(size))
        return try #require(answer["headers"]?.arrayValue)
      }
      func root(_ headers: [JSON]) -> Digest {
        var frontier = TreeFrontier()
        for header in headers {
          let leaf =
            header.stringValue.flatMap { Digest(base64: $0) } ?? RFC6962.leafHash(header.canonicalBytes)
          frontier.append(leaf: leaf) { _, _, _ in }
        }
        return frontier.root()
      }
      for principal in [auditor, officer, .localAdministrator(uid: 0)] {
        let all = try await headers(principal)
        #expect(all.count == Int(size) && all.allSatisfy { $0.objectValue != nil })
        #expect(root(all) == library.log.head.root)
      }
      for principal in [owner, key] {
        let own = try await headers(principal)
        #expect(own.count == Int(size) && root(own) == library.log.head.root, "the root comes of hashes too")
        let shown = own.compactMap(\.objectValue)
        let accounts = principal.keyPermissions == nil ? [owner.subject, viewer.subject].compactMap { $0?.text } : []
        #expect(!shown.isEmpty && shown.contains { $0["organization"] == .string(acme) })
        // The accounts of its own people belong to no organization, and are shown to who administers them.
        #expect(
          shown.allSatisfy { header in
            header["organization"] == .string(acme)
              || (header["organization"] == nil && accounts.contains(header["resource"]?.stringValue ?? ""))
          })
        #expect(own.count > shown.count)
        #expect(!shown.contains { $0["event"] == "legal_hold.placed" }, "holds are for officers and auditors")
        #expect(
          try await library.refusal("log.headers", ["organization_id": .string(other)], as: principal).code
            == .notFound)
      }
      let narrowed = try await headers(auditor, ["organization_id": .string(acme)])
      #expect(narrowed.compactMap(\.objectValue).allSatisfy { $0["organization"] == .string(acme) })
      #expect(root(narrowed) == library.log.head.root)
      #expect(try await library.refusal("log.headers", [:], as: viewer).code == .forbidden)
      let page = try await library.ask("log.headers", ["from": 2, "limit": 3])
      #expect(page["headers"]?.arrayValue?.compactMap { $0["position"]?.integerValue } == [2, 3, 4])
      #expect(page.integer("next") == 5)
      let beyond = try await library.ask("log.headers", ["from": .integer(Int64(size) + 5)])
      #expect(beyond["headers"] == [] && beyond.integer("position") == Int64(size))
    }
  }

  @Test func `log.read is narrowed to an organization, an actor and several resources`() async throws {
    try await TestQueries.with { library in
      let acme = try await library.organization("acme")
      let other = try await library.organization("other")
      let owner = try await library.member("owner@example.org", of: acme, membership: "owner")
      var pipelines: [JSON] = []
      for name in ["one", "two", "three"] {
        let params: JSONObject = ["organization_id": .string(acme), "name": .string(name)]
        pipelines.append(.string(JSON.object(try await library.call("pipeline.create", params, as: owner)).text("id")))
      }
      func positions(_ params: JSONObject, as principal: Principal = .localAdministrator(uid: 0)) async throws -> [JSON]
      {
        let answer = try await library.ask("log.read", params, as: principal)
        return (answer["records"]?.arrayValue ?? []).compactMap { $0["header"]?["resource"] }
      }
      #expect(try await positions(["resource_ids": .array(Array(pipelines[..<2]))]) == Array(pipelines[..<2]))
      #expect(try await positions(["actor": .string(owner.actor)]) == pipelines)
      #expect(try await positions(["organization_id": .string(other)]) == [.string(other)])
      #expect(try await positions(["organization_id": .string(other)], as: owner) == [])
      #expect(
        try await positions(["resource_id": pipelines[0], "resource_ids": .array(Array(pipelines[1...]))]) == [])
      #expect(try await library.refusal("log.read", ["resource_ids": ["x"]]).code == .invalidParams)
    }
  }
}
