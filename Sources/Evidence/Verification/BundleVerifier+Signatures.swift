import BasicTypes
import MerkleTree

extension BundleVerifier {
  /// Decides with which key signatures are checked.
  mutating func chooseKey(_ manifest: BundleManifest) {
    var enclosed: NoteVerifier?
    if let bytes = read(BundleFile.verifierKey) {
      let text = String(decoding: bytes, as: UTF8.self)
      enclosed = text.hasSuffix("\n") ? try? NoteVerifier(vkey: String(text.dropLast())) : nil
      if enclosed == nil { report.add(EvidenceFault(BundleFile.verifierKey, "is no public key")) }
    }
    if trusted == nil, let policy, !policy.logs.isEmpty, let enclosed {
      trusted = policy.logs.first { $0.verifier == enclosed }?.verifier
      if trusted == nil {
        report.add(EvidenceFault(BundleFile.verifierKey, "is the key of no log of the policy: it is \(enclosed.vkey)"))
      }
    }
    key = trusted ?? enclosed
    guard let key else { return }
    if let trusted, let enclosed, trusted != enclosed {
      report.add(
        EvidenceFault(
          BundleFile.verifierKey, "is not the key that you trust: it is \(enclosed.vkey), and yours is \(trusted.vkey)")
      )
    }
    if !key.name.utf8.elementsEqual(manifest.origin.utf8) {
      report.add(
        EvidenceFault(BundleFile.manifest, "names the log \(manifest.origin), and the key is that of \(key.name)"))
    }
    if trusted == nil {
      report.notProved.append(
        "That the key is that of the log you mean: it came with the bundle. Compare it with one that you got another "
          + "way, or give that one with --key. It is \(key.vkey)")
    }
  }

  /// Checks what the log has signed of the manifest.
  mutating func checkStatement(_ manifest: BundleManifest, digest: Digest) {
    guard let bytes = read(BundleFile.note), let key else { return }
    guard let note = try? SignedNote(parsing: bytes) else {
      return report.add(EvidenceFault(BundleFile.note, "is no signed note (C2SP signed-note)"))
    }
    guard note.signatures.count == 1, key.verifies(note) else {
      return report.add(EvidenceFault(BundleFile.note, "doesn't bear the signature of \(key.vkey), and no other"))
    }
    let terms = manifest.terms
    guard note.text.utf8.elementsEqual(terms.statement(manifest: digest).utf8) else {
      let lines = note.text.split(separator: "\n", omittingEmptySubsequences: false)
      if lines.count == 5, lines[0].utf8.elementsEqual(ExportTerms.heading.utf8), lines[2] == digest.hex {
        return report.add(
          EvidenceFault(BundleFile.manifest, "has terms that are not those which the log recorded and signed"))
      }
      return report.add(
        EvidenceFault(BundleFile.manifest, "is not the manifest that the log signed: its SHA-256 is \(digest.hex)"))
    }
    report.prove(
      .statement,
      "The log \(manifest.origin) signed this manifest as that of the export \(terms.id.text), which \(terms.actor) "
        + "asked for at \(terms.at.text).")
  }

  /// Checks the signed head of the tree in which the range is proved.
  mutating func checkCheckpoint(_ manifest: BundleManifest) {
    guard let bytes = read(BundleFile.checkpoint), let key else { return }
    guard let note = try? SignedNote(parsing: bytes) else {
      return report.add(EvidenceFault(BundleFile.checkpoint, "is no signed note (C2SP signed-note)"))
    }
    guard key.verifies(note) else {
      return report.add(EvidenceFault(BundleFile.checkpoint, "doesn't bear the signature of \(key.vkey)"))
    }
    let terms = manifest.terms
    guard let checkpoint = key.checkpoint(of: bytes, origin: manifest.origin) else {
      return report.add(EvidenceFault(BundleFile.checkpoint, "is no checkpoint of the log \(manifest.origin)"))
    }
    guard checkpoint.size == terms.treeSize, checkpoint.root == terms.root else {
      return report.add(
        EvidenceFault(
          BundleFile.checkpoint,
          "is of a tree of \(checkpoint.size) events with the root \(checkpoint.root.base64), and the manifest of one of "
            + "\(terms.treeSize) with \(terms.root.base64)"))
    }
    report.prove(
      .checkpoint,
      "The log \(manifest.origin) signed the tree of its first \(terms.treeSize) events, with the root "
        + "\(terms.root.base64).")
    checkWitnesses(note, key)
  }

  /// Tells who cosigned the checkpoint, and when. Every witness whose key was given must have.
  private mutating func checkWitnesses(_ note: SignedNote, _ key: NoteVerifier) {
    for witness in witnesses {
      let hasSigned = note.signatures.contains {
        $0.keyID == witness.keyID && $0.name.utf8.elementsEqual(witness.name.utf8)
      }
      guard !hasSigned else { continue }
      report.add(EvidenceFault(BundleFile.checkpoint, "bears no cosignature of \(witness.name), whose key was given"))
    }
    let known = witnesses + (policy?.witnesses.map(\.verifier) ?? [])
    let others = note.signatures.filter { $0.keyID != key.keyID || !$0.name.utf8.elementsEqual(key.name.utf8) }
    for other in others {
      guard
        let witness = known.first(where: { $0.keyID == other.keyID && $0.name.utf8.elementsEqual(other.name.utf8) })
      else {
        report.notProved.append(
          "The signature of \(other.name) on the checkpoint: its key was not given (--witness, --policy).")
        continue
      }
      if let time = witness.cosignatureTime(note) {
        report.prove(.witness, "The witness \(witness.name) has seen that tree, at \(time.text).")
      } else {
        report.add(EvidenceFault(BundleFile.checkpoint, "bears a signature of \(witness.name) that is wrong"))
      }
    }
    if let policy, policy.quorum != nil {
      if let unmet = policy.judge(note).unmet {
        report.add(EvidenceFault(BundleFile.checkpoint, "doesn't meet the policy: \(unmet)"))
      } else {
        report.prove(.witness, "The policy is met: the quorum of witnesses that it asks for has seen that tree.")
      }
    }
    if others.isEmpty {
      report.notProved.append(
        "That the log showed the same tree to others, and when: no witness has cosigned the checkpoint.")
    }
  }
}
