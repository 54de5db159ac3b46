import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import MerkleTree
import Refusals
import Testing

/// The chain of custody: who took which part of the log, and what the log signs of it.
@Suite struct ExportTests {
  private static let digest = String(repeating: "ab", count: 32)

  @Test func `an export records who asked for what and why, and counts what it is about`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    _ = try await book.organization("other")
    for name in ["a", "b", "c"] {
      _ = try await book.make("pipeline", ["name": .string(name), "organization_id": .string(acme)])
    }
    let size = book.log.head.position
    let root = book.log.head.root
    #expect(try await book.refusal("export.create", [:]).code == .invalidParams, "a purpose is needed")
    let made = try await book.call(
      "export.create",
      ["organization_id": .string(acme), "resource_types": ["pipeline"], "from": 3, "reason": "case 12"])
    #expect(made.eventNames == ["export.created"])
    let terms = try #require(made["terms"])
    #expect(terms["events"] == 3 && terms["first"] == 3 && terms["last"] == .integer(Int64(size)))
    #expect(terms["tree_size"] == .integer(Int64(size)) && terms["root"] == .string(root.base64))
    #expect(terms["headers_of"] == .null && terms["withheld"] == 0 && terms["actor"] == "local:0")
    let note = try SignedNote(parsing: Array(made.said("checkpoint").utf8))
    let key = try NoteVerifier(vkey: made.said("verifier_key"))
    #expect(key.verifies(note))
    #expect(try Checkpoint(text: note.text).size == size)
    let id = try #require(made["id"])
    let item = try book.item(made.said("id"))
    #expect(item["event_count"] == 3 && item["status"] == "open" && item["organization_id"] == .string(acme))
    // Its digest is taken once, for the number of records that there are.
    let short = try await book.refusal(
      "export.complete", ["id": id, "manifest_sha256": .string(Self.digest), "row_count": 2])
    #expect(short.code == .invalidParams)
    let bad = try await book.refusal("export.complete", ["id": id, "manifest_sha256": "AB", "row_count": 3])
    #expect(bad.code == .invalidParams)
    let done = try await book.call(
      "export.complete", ["id": id, "manifest_sha256": .string(Self.digest), "row_count": 3])
    let signed = try SignedNote(parsing: Array(done.said("note").utf8))
    #expect(key.verifies(signed))
    #expect(
      signed.text
        == "daybook export\n\(made.said("id"))\n\(Self.digest)\n\(terms.canonicalString)\n")
    #expect(throws: NoteError.self, "it can't be taken for a checkpoint") { try Checkpoint(text: signed.text) }
    let again = try await book.refusal(
      "export.complete", ["id": id, "manifest_sha256": .string(Self.digest), "row_count": 3])
    #expect(again.code == .conflict)
    try book.checkIndexes()
  }

  @Test func `nobody exports what they may not read, and a tenant's terms withhold the others' headers`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let owner = try book.principal(try await book.member("owner", of: acme, role: "owner").id)
    let viewer = try await book.member("viewer", of: acme, platformRole: "viewer").principal
    let auditor = try await book.member("auditor", of: acme, platformRole: "auditor").principal
    let key = try await book.key(["log": ["read"], "exports": ["read"]], in: acme).principal
    let blind = try await book.key(["exports": ["read"]], in: acme).principal
    let why: JSONObject = ["reason": "audit"]
    let elsewhere: JSONObject = ["organization_id": .string(other)]
    let everything: JSONObject = ["whole_service": true]
    let cases: [(Principal, JSONObject)] = [
      (viewer, [:]), (blind, [:]), (owner, elsewhere), (owner, everything), (auditor, elsewhere), (key, everything),
    ]
    for (principal, params) in cases {
      let refused = try await book.refusal("export.create", why.merging(params), as: principal)
      #expect(refused.code == .forbidden || refused.code == .notFound, "\(principal.actor) \(params): \(refused)")
    }
    for principal in [owner, key] {
      let made = try await book.call("export.create", why, as: principal)
      let terms = try #require(made["terms"])
      #expect(terms["headers_of"] == .string(acme))
      #expect((terms["withheld"]?.integerValue ?? 0) > 0)
      #expect(terms["filter"] == ["organization_id": .string(acme)])
      let stolen = try await book.refusal(
        "export.complete",
        ["id": made["id"] ?? .null, "manifest_sha256": .string(Self.digest), "row_count": terms["events"] ?? .null],
        as: auditor)
      #expect(stolen.code == .forbidden, "only who began it")
    }
    // What only some offices see is withheld from the owner, and the log says so in the terms.
    let pipeline = try await book.make("pipeline", ["name": "p", "organization_id": .string(acme)])
    _ = try await book.make(
      by: "legal_hold.place", ["held_id": .string(pipeline), "name": "case", "reason": "a court asked"])
    let holds = why.merging(["resource_types": ["legal_hold"]])
    let owners = try await book.call("export.create", holds, as: owner)
    #expect(owners["terms"]?["withheld_types"] == ["access", "legal_hold"])
    #expect(owners["terms"]?["events"] == 0)
    let auditors = try await book.call("export.create", holds, as: auditor)
    #expect(auditors["terms"]?["withheld_types"] == [])
    #expect(auditors["terms"]?["events"] == 1)
    let seen = try await book.call("export.create", why, as: auditor)
    #expect(seen["terms"]?["headers_of"] == .null, "an auditor reads all headers")
  }

  @Test func `a range by time is resolved to positions, and an empty one is refused`() async throws {
    let book = try TestDomain()
    _ = try await book.organization("first")
    _ = try await book.organization("acme")
    let middle = try #require(book.log.head.at)
    _ = try await book.organization("other")
    let since = try await book.call("export.create", ["since": .string(middle.text), "reason": "r"])
    #expect(since["terms"]?["first"] == 2)
    let until = try await book.call("export.create", ["until": .string(middle.text), "reason": "r"])
    #expect(until["terms"]?["last"] == 1)
    let empty: [JSONObject] = [["from": 1000], ["until": "2001-01-01T00:00:00Z"]]
    for params in empty {
      #expect(try await book.refusal("export.create", params.merging(["reason": "r"])).code == .invalidParams)
    }
  }

  @Test func `no free text gets into a filter, where nothing could take it away`() async throws {
    let book = try TestDomain()
    let texts: [JSONObject] = [
      ["actor": "Ada Lovelace"], ["actor": "user:ada"], ["events": ["Ada"]], ["events": ["a.b c"]],
      ["resource_types": ["Ada Lovelace"]], ["resource_ids": ["ada@example.org"]], ["withhold_others": true],
    ]
    for params in texts {
      let refused = try await book.refusal("export.create", params.merging(["reason": "r"]))
      #expect(refused.code == .invalidParams, "\(params)")
    }
  }
}

extension JSONObject {
  /// A text of an answer; empty where there is none.
  fileprivate func said(_ name: String) -> String { self[name]?.stringValue ?? "" }
}
