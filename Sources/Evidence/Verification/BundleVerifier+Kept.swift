import BasicTypes
import CanonicalJSON
import MerkleTree

extension BundleVerifier {
  /// Compares the log of the bundle with checkpoints that somebody has kept: a log that was cut or forked contradicts
  /// them.
  mutating func checkKept(_ manifest: BundleManifest) {
    for one in kept { check(one, manifest) }
  }

  private mutating func check(_ one: Kept, _ manifest: BundleManifest) {
    guard let key else { return }
    func fault(_ what: String) -> EvidenceFault { EvidenceFault(one.name, what) }
    guard let checkpoint = key.checkpoint(of: one.note, origin: manifest.origin) else {
      return report.add(fault("is no checkpoint of the log \(manifest.origin), signed by \(key.vkey)"))
    }
    let terms = manifest.terms
    let root: Digest
    if checkpoint.size > terms.treeSize {
      return report.add(
        fault(
          "is of a tree of \(checkpoint.size) events, and the bundle of one of \(terms.treeSize): either it was made "
            + "after the bundle, or the log was cut"))
    } else if checkpoint.size == terms.treeSize {
      root = terms.root
    } else if let rebuilt = roots[checkpoint.size] {
      root = rebuilt
    } else if let hashes = consistency(from: checkpoint.size) {
      guard
        MerkleProof.verifyConsistency(
          from: checkpoint.size, to: terms.treeSize, oldRoot: checkpoint.root, newRoot: terms.root, proof: hashes)
      else { return report.add(forked(one, checkpoint)) }
      root = checkpoint.root
    } else {
      return report.add(
        fault(
          "is of a tree of \(checkpoint.size) events, about which this bundle says nothing: its headers begin at "
            + "\(terms.first) and end at \(terms.last). Make one with --checkpoint \(one.name), or a wider one"))
    }
    guard root == checkpoint.root else { return report.add(forked(one, checkpoint)) }
    report.prove(
      .history,
      "The log is the one of \(one.name), grown from \(checkpoint.size) to \(terms.treeSize) events without a change: it "
        + "was neither cut nor forked since.")
  }

  private func forked(_ one: Kept, _ checkpoint: Checkpoint) -> EvidenceFault {
    EvidenceFault(
      one.name,
      "is of another history: its tree of \(checkpoint.size) events has the root \(checkpoint.root.base64), which the "
        + "log of this bundle never had. The log was forked, and its key signed both")
  }

  /// The hashes of a consistency proof that the bundle has for a kept checkpoint.
  private mutating func consistency(from size: UInt64) -> [Digest]? {
    guard let bytes = read(BundleFile.proofs), let json = try? JSON.parse(bytes.dropLast()) else { return nil }
    let proofs = json["consistency"]?.arrayValue ?? []
    let found = proofs.first { $0["from_size"]?.integerValue == Int64(clamping: size) }
    return found.flatMap { Digest.list($0["hashes"]) }
  }
}
