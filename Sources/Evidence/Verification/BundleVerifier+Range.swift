import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

extension BundleVerifier {
  /// Goes through headers and records side by side: rebuilds the root of all headers, applies the filter to each, and
  /// compares the records with what it asks for.
  mutating func checkRange(_ manifest: BundleManifest) {
    let before = report.faults.count + report.furtherFaults
    guard let bytes = read(BundleFile.proofs) else { return }
    let terms = manifest.terms
    guard bytes.last == 0x0A, let json = try? JSON.parse(bytes.dropLast()), let proof = RangeProof(json),
      var rebuild = RangeRebuild(proof)
    else { return report.add(EvidenceFault(BundleFile.proofs, "is no proof of a range")) }
    guard proof.first == terms.first, proof.last == terms.last, proof.treeSize == terms.treeSize else {
      return report.add(
        EvidenceFault(
          BundleFile.proofs,
          "is about the positions \(proof.first) to \(proof.last) of \(proof.treeSize), and the manifest about "
            + "\(terms.first) to \(terms.last) of \(terms.treeSize)"))
    }
    do throws(FileError) {
      var walk = try RangeWalk(self, terms)
      try walk.run(&rebuild)
      report = walk.report
      roots = walk.roots
      guard walk.isContiguous else { return }
      guard let root = rebuild.wholeRoot(), root == terms.root else {
        return report.add(
          EvidenceFault(
            before == report.faults.count + report.furtherFaults ? BundleFile.proofs : BundleFile.headers,
            "doesn't lead to the root that the log signed: a header, or a hash of the proof, is another one"))
      }
      let drops = checkDrops(walk.drops, manifest)
      tellRange(terms, walk, drops, isWhole: before == report.faults.count + report.furtherFaults)
    } catch {
      report.add(EvidenceFault(BundleFile.headers, "or the records can't be read: \(error)"))
    }
  }

  /// Holds bodies that stand for dropped ones against the events that name them.
  private mutating func checkDrops(_ found: BundleDrops, _ manifest: BundleManifest) -> BundleDrops {
    var drops = found
    if FileSystem<FileError>.exists(path(BundleFile.drops)) {
      do throws(FileError) {
        var lines = try BundleLines(path(BundleFile.drops))
        while let line = try lines.next() {
          guard let problem = drops.take(line: line, manifest.terms) else { continue }
          report.add(EvidenceFault(BundleFile.drops, line: lines.number, position: nil, problem))
        }
      } catch {
        report.add(EvidenceFault(BundleFile.drops, "can't be read: \(error)"))
      }
    }
    for claim in drops.unproven {
      report.add(
        EvidenceFault(
          BundleFile.events, line: claim.line, position: claim.position,
          "has another body than its header commits to, and the event \(claim.event), which is said to have dropped "
            + "that one, isn't proved to name it"))
    }
    return drops
  }

  /// Says what the headers and the records prove together.
  private mutating func tellRange(
    _ terms: ExportTerms, _ walk: borrowing RangeWalk, _ drops: BundleDrops, isWhole: Bool
  ) {
    report.prove(
      .range,
      "The headers of the positions \(terms.first) to \(terms.last) are all there, in order, and lead to the signed "
        + "root: none was left out, added, changed or moved.")
    guard isWhole else { return }
    if drops.count == 0 {
      report.prove(
        .records,
        "Each of the \(walk.records) records has the body that its header commits to, byte for byte, in canonical JSON."
      )
    } else {
      report.prove(
        .records,
        "Of the \(walk.records) records all but \(drops.count) have the body that their header commits to, byte for "
          + "byte, in canonical JSON.")
      report.prove(
        .records,
        "The bodies of these \(drops.count) were dropped from the log by the events at the positions "
          + "\(drops.events.map(String.init).joined(separator: ", ")), which are in the signed tree and name, by its hash, "
          + "what stands in the place of each.")
      report.notProved.append(
        "What the \(drops.count) dropped bodies said besides what stands in their place: it was taken out for good, and "
          + "their headers, which are proved, keep its hash alone.")
    }
    let what = terms.filter.words
    if walk.withheld == 0 {
      report.prove(
        .completeness,
        "The bundle holds all \(what) from \(terms.first) to \(terms.last) that the log of \(terms.treeSize) had: "
          + "\(walk.records).")
    } else {
      report.prove(
        .records,
        "Of the \(walk.shown) headers that are shown, the bundle holds every record that is among \(what): "
          + "\(walk.records).")
      report.notProved.append(
        "That none of the \(walk.withheld) headers that are shown as a hash alone is among \(what): their "
          + "content is not for the one who asked. The log's own count, which it signed, is \(terms.events).")
    }
    if terms.since != nil || terms.until != nil {
      report.notProved.append(
        "That the times which were asked for (\(terms.since?.text ?? "the beginning") to "
          + "\(terms.until?.text ?? "the end")) are the positions \(terms.first) to \(terms.last): the log says so.")
    }
  }

  /// Says what no bundle proves.
  mutating func tellLimits(_ manifest: BundleManifest) {
    if kept.isEmpty {
      report.notProved.append(
        "That the log was never cut or forked: give a checkpoint that you kept from before with --checkpoint.")
    }
    let views = manifest.files.map(\.name).filter { !(BundleFile.needed + [BundleFile.drops]).contains($0) }
    if !views.isEmpty {
      report.notProved.append(
        "What \(views.joined(separator: ", ")) say: these are made of the records, to be read; the records are the "
          + "evidence.")
    }
    report.notProved.append(
      "What for, why parts are left out, and by which program: the manifest says so in the words of whoever made it.")
    report.notProved.append("What sealed values say: they are encrypted, and stand in the records as they are hashed.")
  }
}

extension ExportFilter {
  /// What it asks for, as it follows "all".
  package var words: String {
    var text = "events"
    if let organization { text += " of the organization \(organization.text)" }
    if !resourceTypes.isEmpty { text += " about \(resourceTypes.joined(separator: ", "))" }
    if !resources.isEmpty { text += " of the resources \(resources.map(\.text).joined(separator: ", "))" }
    if !events.isEmpty { text += " named \(events.joined(separator: ", "))" }
    if let actor { text += " by \(actor)" }
    return text
  }
}
