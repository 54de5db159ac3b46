import BasicTypes
import CanonicalJSON
import Evidence
import MerkleTree

/// What must hold of every file of an evidence bundle that a verifier reads whole: the manifest with the terms and the
/// filter, and the proof of a range.
enum EvidencePromises {
  static func target() throws -> FuzzTarget {
    let roots = (1...3).map { number in Array("node \(number)".utf8).withUnsafeBytes { RFC6962.sha256($0) } }
    let organization = Identifier.version5(namespace: .urlNamespace, name: "evidence")
    var filter = ExportFilter()
    filter.organization = organization
    filter.events = ["pipeline.*", "run.finished"]
    filter.actor = "local:0"
    let terms = ExportTerms(
      id: organization, actor: "local:0", at: Timestamp(microseconds: 1_764_374_400_000_000), filter: filter,
      first: 2, last: 3, treeSize: 4, root: roots[0], events: 1, headersOf: organization, withheld: 1)
    let manifest = BundleManifest(
      terms: terms, purpose: "an audit", origin: "daybook/fuzz", catalog: nil,
      period: (first: "2025-11-29T00:00:00.000000Z", last: "2025-11-29T00:00:01.000000Z"),
      redactions: [BundleManifest.Redaction(what: "headers", count: 1, why: "they are others'")],
      files: [BundleManifest.File(name: "events.jsonl", bytes: 9, digest: roots[1], remark: "a remark")],
      program: "a test")
    let proof = RangeProof(first: 2, last: 3, treeSize: 4, left: [roots[0]], right: [roots[1]])
    let words = [
      "9223372036854775807", "-1", "1", "null", "\"first\":", "\"last\":", "\"tree_size\":", "\"bytes\":", "..", "/",
    ]
    return FuzzTarget(
      .evidence, seeds: [manifest.bytes, terms.json.canonicalBytes, proof.json.canonicalBytes], words: words
    ) { try check($0) }
  }

  static func check(_ input: [UInt8]) throws -> Bool {
    var isRead = false
    // What is no manifest is refused by a fault, which is what a verifier tells.
    if let manifest = try? BundleManifest(bytes: input) {
      isRead = true
      try promise("a manifest prints to the same bytes", manifest.bytes == input)
      try promise("its files are in the folder", manifest.files.allSatisfy { !$0.name.contains("/") })
      let total = manifest.files.reduce(UInt64(0)) { $0 + $1.bytes }
      try promise("its files can be counted together", total < 1 << 62)
    }
    // Most inputs are no JSON.
    guard let json = try? JSON.parse(input) else { return isRead }
    if let terms = ExportTerms(json) {
      isRead = true
      try promise("terms print to what they were read of", .object(terms.json) == json)
      try promise("a range lies in its tree", terms.first >= 1 && terms.first <= terms.last)
      try promise("the text that is signed is no checkpoint", isNoCheckpoint(terms.statement(manifest: terms.root)))
    }
    if let proof = RangeProof(json) {
      isRead = true
      if var rebuild = RangeRebuild(proof) {
        try promise("an unfinished range has no root", rebuild.wholeRoot() == nil)
        for _ in 0..<min(proof.last - proof.first + 1, 50) { rebuild.append(leaf: .zero) }
        try promise("a tree has the leaves that it was given", rebuild.size >= proof.first)
        _ = rebuild.wholeRoot()
      }
    }
    return isRead
  }

  private static func isNoCheckpoint(_ text: String) -> Bool { (try? Checkpoint(text: text)) == nil }
}
