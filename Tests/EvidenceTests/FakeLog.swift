import BasicTypes
import CanonicalJSON
import Crypto
import Evidence
import MerkleTree
import TestBasics

/// A log of so many made-up events, which answers the methods that a bundle is made by as a server does.
final class FakeLog: Sendable {
  struct Record: Sendable {
    let header: [UInt8]
    let body: [UInt8]
    let parsed: EvidenceHeader
  }

  static let acme = identifier(1, kind: 1)
  static let other = identifier(2, kind: 1)

  let records: [Record]
  let signer: NoteSigner
  private let nodes: [[MerkleTree.Digest]]

  /// - Parameters:
  ///   - fork: From which position on the events are other ones; nil for none.
  ///   - secret: A text that every body of the other organization has.
  ///   - dropped: The positions whose bodies a later event has dropped.
  ///   - dropping: That event.
  init(
    _ size: Int, fork: Int? = nil, secret: String = "not for Acme", dropped: [Int] = [], by dropping: Int = 0
  ) throws {
    let key = try Curve25519.Signing.PrivateKey(rawRepresentation: SHA256.hash(data: Array("evidence".utf8)))
    signer = try NoteSigner(name: "daybook/evidence", key: key)
    var records: [Record] = []
    var frontier = TreeFrontier()
    var nodes: [[MerkleTree.Digest]] = []
    for position in 1...size {
      let names: [JSON] = (position == dropping ? dropped : []).map { position in
        let hash = Self.replacement(by: dropping).withUnsafeBytes { RFC6962.sha256($0) }
        return ["body": .string(hash.base64), "position": .integer(Int64(position))]
      }
      let record = try Self.record(position, isOther: fork.map { position >= $0 } ?? false, secret, drops: names)
      records.append(
        dropped.contains(position)
          ? Record(header: record.header, body: Self.replacement(by: dropping), parsed: record.parsed) : record)
      frontier.append(leaf: RFC6962.leafHash(record.header)) { level, _, hash in
        if nodes.count <= Int(level) { nodes.append([]) }
        nodes[Int(level)].append(hash)
      }
    }
    self.records = records
    self.nodes = nodes
  }

  static func identifier(_ number: Int, kind: Int) -> Identifier {
    let text = String(number, radix: 16)
    let padded = String(repeating: "0", count: 12 - text.utf8.count) + text
    guard let id = Identifier("01990000-000\(kind)-7000-8000-\(padded)") else { fatalError("no id of \(number)") }
    return id
  }

  /// What stands in the place of a dropped body.
  static func replacement(by event: Int) -> [UInt8] {
    JSON.object(["$dropped": .integer(Int64(event)), "set": ["name": ["redacted": true], "ratio": 1.5e-7]])
      .canonicalBytes
  }

  private static func record(_ position: Int, isOther: Bool, _ secret: String, drops: [JSON]) throws -> Record {
    // Every third event is of another organization, and every seventh of none.
    let organization = position % 7 == 0 ? nil : position % 3 == 0 ? other : acme
    let type = position % 2 == 0 ? "pipeline" : "run"
    var set: JSONObject = [
      "name": .string(position % 5 == 0 ? "=HYPERLINK(\"x\")" : "n \(position)"), "ratio": 1.5e-7,
      "big": try JSON.parse("123456789012345678901234567890"),
    ]
    if organization == other { set["note"] = .string(secret) }
    if isOther { set["fork"] = true }
    var body: JSONObject = ["salt": "HjiuAUzWeTVQwYh6RBl3nQ==", "set": .object(set), "was": ["name": "+1"]]
    if position % 4 == 0 { body["reason"] = ["$sealed": "AbnSNFsikUiErWZFLyadrVEAAAABAaIjwJYD"] }
    if !drops.isEmpty { body["drops"] = .array(drops) }
    let bytes = body.canonicalBytes
    let time = Timestamp(microseconds: 1_790_000_000_000_000 + Int64(position) * 3_600_000_000)
    var header: JSONObject = [
      "actor": .string(position % 2 == 0 ? "user:\(identifier(7, kind: 3).text)" : "local:0"),
      "at": .string(time.text),
      "body": .string(bytes.withUnsafeBytes { RFC6962.sha256($0) }.base64),
      "event": .string("\(type).\(position < 10 ? "created" : "edited")"),
      "id": .string(identifier(position, kind: 4).text), "position": .integer(Int64(position)),
      "resource": .string(identifier(position % 9, kind: 5).text),
      "schema": .string(String(repeating: "a", count: 64)), "version": .integer(Int64(position / 9 + 1)),
    ]
    if let organization { header["organization"] = .string(organization.text) }
    guard let parsed = EvidenceHeader(.object(header)) else { throw HarnessError("a header that is none") }
    return Record(header: header.canonicalBytes, body: bytes, parsed: parsed)
  }

  func root(_ size: UInt64) -> MerkleTree.Digest {
    MerkleProof.root(size: size) { nodes[Int($0)][Int($1)] }
  }

  /// The signed note of the tree of the first so many events.
  func checkpoint(_ size: UInt64) throws -> [UInt8] {
    let checkpoint = try Checkpoint(origin: signer.verifier.name, size: size, root: root(size))
    return Array(try signer.sign(checkpoint).serialized.utf8)
  }

  // MARK: - As a server

  /// Answers a method. `export.create` takes `filter`'s members, `from` and `to`; `withhold_others` as a server does.
  func answer(_ method: String, _ params: JSONObject, _ exports: Exports) throws -> JSON {
    exports.largestLimit = max(exports.largestLimit, params["limit"]?.integerValue ?? 0)
    switch method {
    case "export.create": return try create(params, exports)
    case "export.complete": return try complete(params, exports)
    case "log.headers":
      let from = Int(params["from"]?.integerValue ?? 1)
      let limit = min(Int(params["limit"]?.integerValue ?? 1), 40)
      let shown = params["organization_id"]?.stringValue.flatMap { Identifier($0) }
      let page = records[(from - 1)...].prefix(limit).map { record -> JSON in
        if let shown, record.parsed.organization != shown { return .string(RFC6962.leafHash(record.header).base64) }
        guard record.parsed.position == exports.forges, var header = parsed(record.header).objectValue else {
          return parsed(record.header)
        }
        header["version"] = 99
        return .object(header)
      }
      return ["headers": .array(page), "next": .integer(Int64(from + page.count)), "position": size]
    case "log.read":
      var filterParams = params
      for name in ["from", "limit"] { filterParams.removeValue(forKey: name) }
      guard let filter = ExportFilter(.object(filterParams)) else { throw HarnessError("no filter: \(params)") }
      let from = UInt64(params["from"]?.integerValue ?? 1)
      let found = records.lazy
        .filter { $0.parsed.position >= from && $0.parsed.position != exports.hides && filter.accepts($0.parsed) }
        .prefix(min(Int(params["limit"]?.integerValue ?? 1), 7))
      let shown = found.map { record -> JSON in
        var header = self.parsed(record.header).objectValue ?? [:]
        if record.parsed.position == exports.forges { header["version"] = 99 }
        return ["body": self.parsed(record.body), "header": .object(header)]
      }
      return ["records": .array(Array(shown))]
    case "log.proof":
      if let position = params["position"]?.integerValue, let tree = params["tree_size"]?.integerValue {
        let hashes = MerkleProof.inclusion(index: UInt64(position - 1), size: UInt64(tree)) { nodes[Int($0)][Int($1)] }
        return ["hashes": .array(hashes.map { .string($0.base64) })]
      }
      let from = UInt64(params["from_size"]?.integerValue ?? 0)
      let to = UInt64(params["to_size"]?.integerValue ?? 0)
      let hashes = MerkleProof.consistency(from: from, to: to) { nodes[Int($0)][Int($1)] }
      return ["hashes": .array(hashes.map { .string($0.base64) })]
    default: throw HarnessError("this log knows no \(method)")
    }
  }

  private var size: JSON { .integer(Int64(records.count)) }

  private func parsed(_ bytes: [UInt8]) -> JSON {
    guard let json = try? JSON.parse(bytes) else { fatalError("a record that is no JSON") }
    return json
  }

  private func create(_ params: JSONObject, _ exports: Exports) throws -> JSON {
    let asked = params.filter {
      ["actor", "events", "organization_id", "resource_ids", "resource_types"].contains($0.key)
    }
    guard let filter = ExportFilter(.object(asked)) else { throw HarnessError("no filter: \(params)") }
    let first = UInt64(params["from"]?.integerValue ?? 1)
    let last = UInt64(params["to"]?.integerValue ?? Int64(records.count))
    let range = records[Int(first - 1)..<Int(last)]
    let headersOf = params["withhold_others"] == true ? filter.organization : nil
    let terms = ExportTerms(
      id: Self.identifier(1, kind: 6), actor: "local:0", at: Timestamp(microseconds: 1_800_000_000_000_000),
      filter: filter, first: first, last: last, treeSize: UInt64(records.count), root: root(UInt64(records.count)),
      events: UInt64(range.count { filter.accepts($0.parsed) }), headersOf: headersOf,
      withheld: headersOf.map { own in UInt64(range.count { $0.parsed.organization != own }) } ?? 0)
    exports.terms = terms
    var note = try SignedNote(parsing: checkpoint(UInt64(records.count)))
    if let witness = exports.witness {
      note.signatures.append(try witness.signature(over: note.text, at: Timestamp(microseconds: 1_800_000_000_000_000)))
    }
    return [
      "checkpoint": .string(note.serialized),
      "terms": .object(terms.json), "verifier_key": .string(signer.verifier.vkey),
    ]
  }

  private func complete(_ params: JSONObject, _ exports: Exports) throws -> JSON {
    guard let terms = exports.terms,
      let manifest = params["manifest_sha256"]?.stringValue.flatMap({ MerkleTree.Digest(hex: $0) }),
      params["row_count"] == .integer(Int64(terms.events))
    else { throw HarnessError("no export to complete: \(params)") }
    let text = terms.statement(manifest: manifest)
    let note = try SignedNote(text: text, signatures: [signer.signature(over: text)])
    return ["note": .string(note.serialized)]
  }

  /// What a server keeps of an export, and what a test wants to know of the calls.
  final class Exports: @unchecked Sendable {
    // Touched by one call after the other only.
    var terms: ExportTerms?
    var calls: [String] = []
    /// After so many calls every call fails; nil for never.
    var failsAfter: Int?
    /// The largest page that was asked for.
    var largestLimit: Int64 = 0
    /// Who cosigns the checkpoint; nil for nobody.
    var witness: NoteSigner?
    /// The position of a record that `log.read` leaves out; nil for none.
    var hides: UInt64?
    /// The position of an event whose header is shown with another version; nil for none.
    var forges: UInt64?
  }

  /// Makes a bundle of this log.
  @discardableResult
  func bundle(
    _ parameters: JSONObject = [:], into folder: String, mappings: [BundleRequest.Mapping] = [],
    earlierSizes: [UInt64] = [], exports: Exports = Exports()
  ) async throws -> BundleWriter.Result {
    let request = BundleRequest(
      parameters: parameters, purpose: "a test", mappings: mappings, earlierSizes: earlierSizes)
    return try await BundleWriter.write(request, into: folder, program: "a test") { method, params in
      if let limit = exports.failsAfter, exports.calls.count >= limit { throw HarnessError("the line is cut") }
      exports.calls.append(method)
      return try self.answer(method, params, exports)
    }
  }
}
