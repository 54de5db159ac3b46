import BasicTypes
import CanonicalJSON
import MerkleTree

/// Bodies that were dropped from the log after they were recorded, so that their headers commit to what is gone: what
/// stands in their place counts where an event of the signed tree names it.
struct BundleDrops {
  /// What claims to stand for a dropped body.
  private struct Claim {
    let position: UInt64
    let line: Int
    let event: UInt64
    let digest: Digest
  }

  private var claims: [Claim] = []
  /// By event and position, the digest of what shall stand there.
  private var names: [UInt64: [UInt64: Digest]] = [:]

  /// How many bodies were dropped.
  var count: Int { claims.count }
  /// The events that dropped them.
  var events: [UInt64] { Set(claims.map(\.event)).sorted() }

  /// The event that a body says that dropped the one before it; nil where it says no such thing.
  static func event(claimedBy body: JSON) -> UInt64? {
    body["$dropped"]?.integerValue.flatMap { UInt64(exactly: $0) }
  }

  /// Takes a body that its header doesn't commit to; false where it doesn't claim to stand for one that a later event
  /// dropped.
  mutating func take(_ body: JSON, _ digest: Digest, at position: UInt64, line: Int) -> Bool {
    guard let event = BundleDrops.event(claimedBy: body), event > position else { return false }
    claims.append(Claim(position: position, line: line, event: event, digest: digest))
    return true
  }

  /// Takes what an event names, whose header commits to its body.
  mutating func take(namesIn body: JSON, of event: UInt64) {
    for entry in body["drops"]?.arrayValue ?? [] {
      guard let position = entry["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
        let digest = entry["body"]?.stringValue.flatMap({ Digest(base64: $0) })
      else { continue }
      names[event, default: [:]][position] = digest
    }
  }

  /// Takes a line of `drops.jsonl`: an event that dropped bodies, with its proof.
  /// - Returns: What is wrong with it; nil where it is proved.
  mutating func take(line: [UInt8], _ terms: ExportTerms) -> String? {
    guard let json = try? JSON.parse(line), json.canonicalBytes == line, let header = json["header"],
      let parsed = EvidenceHeader(header), let body = json["body"], let hashes = Digest.list(json["hashes"])
    else { return "is no event with its proof, in canonical form (RFC 8785)" }
    let leaf = header.canonicalBytes.withUnsafeBytes { RFC6962.leafHash($0) }
    guard parsed.position <= terms.treeSize,
      MerkleProof.verifyInclusion(
        leaf: leaf, index: parsed.position - 1, size: terms.treeSize, proof: hashes, root: terms.root)
    else { return "is an event that its proof doesn't lead to the signed root" }
    guard body.canonicalBytes.withUnsafeBytes({ RFC6962.sha256($0) }) == parsed.bodyHash else {
      return "is an event with another body than its header commits to"
    }
    take(namesIn: body, of: parsed.position)
    return nil
  }

  /// The claims that no event of the bundle bears out: where they stand.
  var unproven: [(line: Int, position: UInt64, event: UInt64)] {
    claims.filter { names[$0.event]?[$0.position] != $0.digest }.map { ($0.line, $0.position, $0.event) }
  }
}
