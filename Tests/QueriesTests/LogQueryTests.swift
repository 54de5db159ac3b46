import BasicTypes
import CanonicalJSON
import Catalog
import Domain
import EventLog
import MerkleTree
import Queries
import Refusals
import Testing

@Suite struct LogQueryTests {
  @Test func `log.read has records as they are hashed`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let pipeline = try await library.make("pipeline", ["organization_id": .string(organization), "name": "one"])
      try await library.call("pipeline.edit", ["id": .string(pipeline), "name": "two"])
      let all = try await library.ask("log.read")
      let records = all["records"]?.arrayValue ?? []
      #expect(all.integer("next") == Int64(library.log.head.position) + 1)
      #expect(records.count == Int(library.log.head.position))
      let head = try await library.ask("log.head")
      for (index, record) in records.enumerated() {
        let header = try #require(record["header"]).canonicalBytes
        let proof = try await library.ask("log.proof", ["position": .integer(Int64(index + 1))])
        let leaf = RFC6962.leafHash(header)
        #expect(proof.text("leaf_hash") == leaf.base64)
        let hashes = (proof["hashes"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { Digest(base64: $0) } }
        let root = try #require(Digest(base64: proof.text("root")))
        #expect(root.base64 == head.text("root"))
        #expect(
          MerkleProof.verifyInclusion(
            leaf: leaf, index: UInt64(index), size: UInt64(records.count), proof: hashes, root: root))
        let body = try #require(record["body"]).canonicalBytes
        let stored = body.withUnsafeBytes { RFC6962.sha256($0) }
        #expect(record["header"]?.text("body") == stored.base64)
      }
      let some = try await library.ask(
        "log.read", ["events": ["pipeline.*"], "resource_id": .string(pipeline), "limit": 1])
      #expect((some["records"]?.arrayValue ?? []).map { $0["header"]?.text("event") } == ["pipeline.created"])
      let rest = try await library.ask(
        "log.read", ["events": ["pipeline.edited"], "from": some["next"] ?? .null])
      #expect((rest["records"]?.arrayValue ?? []).map { $0["header"]?.text("event") } == ["pipeline.edited"])
    }
  }

  @Test func `the log proves that the tree only grew`() async throws {
    try await TestQueries.with { library in
      let organization = try await library.organization("acme")
      let early = try await library.ask("log.head")
      for number in 0..<5 {
        _ = try await library.make(
          "pipeline", ["organization_id": .string(organization), "name": .string("\(number)")])
      }
      let late = try await library.ask("log.head")
      let proof = try await library.ask("log.proof", ["from_size": early["tree_size"] ?? .null])
      let hashes = (proof["hashes"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { Digest(base64: $0) } }
      #expect(
        MerkleProof.verifyConsistency(
          from: UInt64(early.integer("tree_size")), to: UInt64(late.integer("tree_size")),
          oldRoot: try #require(Digest(base64: early.text("root"))),
          newRoot: try #require(Digest(base64: late.text("root"))), proof: hashes))
      let tile = try await library.ask("log.tile", ["level": 0, "index": 0])
      #expect(tile["width"] == tile["tree_size"] && tile.text("path") == "tile/0/000.p/\(library.log.head.position)")
      for beyond in [
        ["level": 0, "index": 1], ["level": 1, "index": 0], ["level": 0, "index": 0, "tree_size": 9999],
      ]
        as [JSONObject]
      {
        #expect(try await library.refusal("log.tile", beyond).code == .invalidParams)
      }
      #expect(try await library.refusal("log.proof", [:]).code == .invalidParams)
      #expect(try await library.refusal("log.proof", ["position": 9999]).code == .invalidParams)
      #expect(try await library.refusal("log.proof", ["position": 1, "tree_size": 9999]).code == .invalidParams)
    }
  }

  @Test func `the head of the log is signed`() async throws {
    try await TestQueries.with { library in
      _ = try await library.organization("acme")
      let answer = try await library.ask("log.checkpoint")
      let note = try SignedNote(parsing: Array(answer.text("note").utf8))
      #expect(try NoteVerifier(vkey: answer.text("verifier_key")).verifies(note))
      let checkpoint = try Checkpoint(text: note.text)
      let head = library.log.head
      #expect(checkpoint.size == head.position)
      #expect(checkpoint.root == head.root)
    }
  }

  @Test func `the status says where the read models are, and what is processed`() async throws {
    try await TestQueries.with { library in
      _ = try await library.organization("acme")
      _ = try await library.ask("organization.list")
      let status = try await library.ask("projection.status")
      let names = status.items.map { $0.text("name") }
      #expect(names.contains("organizations"))
      #expect(names.contains("audit_trail"))
      let organizations = try #require(status.items.first { $0.text("name") == "organizations" })
      #expect(organizations.integer("position") == Int64(library.log.head.position))
      let records = try await library.ask("gdpr.records")
      #expect(records.items.contains { $0.text("field") == "email" && $0.text("legal_basis") == "Contract" })
    }
  }

  @Test func `every method that is answered is described`() async throws {
    try await TestQueries.with { library in
      _ = try await library.organization("acme")
      let names = library.queries.methods.map(\.signature.name)
      #expect(Set(names).count == names.count)
      for name in ["pipeline.get", "pipeline.versions", "user.list", "audit.search", "lineage.graph", "log.read"] {
        #expect(library.queries.isQuery(name))
      }
      #expect(!library.queries.isQuery("session.get"))
      #expect(!library.queries.isQuery("organization.versions"))
      for name in names {
        // No method may be described that isn't answered, nor trip over a parameter that nobody gave.
        do {
          _ = try await library.ask(name)
        } catch let error as Refusal {
          #expect(error.code == .invalidParams, "\(name): \(error.message)")
        }
      }
    }
  }
}
