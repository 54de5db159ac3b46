import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// One way through the headers and the records of a bundle.
struct RangeWalk: ~Copyable {
  private let terms: ExportTerms
  private let wantedSizes: [UInt64]
  private let progress: BundleVerifier.Progress
  private let total: UInt64
  private var headers: BundleLines
  private var events: BundleLines
  private var event: [UInt8]?
  /// The position that the next line of the records names; nil where it names none.
  private var eventPosition: UInt64?

  private(set) var report: BundleReport
  /// The roots of the sizes that were wanted.
  private(set) var roots: [UInt64: Digest] = [:]
  /// Whether every line of the headers gave a leaf, one for each position of the range.
  private(set) var isContiguous = true
  /// How many records there are that the filter asks for.
  private(set) var records: UInt64 = 0
  /// The bodies among these that were dropped.
  private(set) var drops = BundleDrops()
  /// How many headers are shown, and how many only by their hash.
  private(set) var shown: UInt64 = 0
  private(set) var withheld: UInt64 = 0

  init(_ verifier: BundleVerifier, _ terms: ExportTerms) throws(FileError) {
    let headers = try BundleLines(verifier.path(BundleFile.headers))
    let events = try BundleLines(verifier.path(BundleFile.events))
    self.headers = headers
    self.events = events
    self.terms = terms
    wantedSizes = verifier.kept.compactMap { kept in
      (try? SignedNote(parsing: kept.note)).flatMap { try? Checkpoint(text: $0.text) }?.size
    }
    progress = verifier.progress
    total = verifier.total
    report = verifier.report
  }

  mutating func run(_ rebuild: inout RangeRebuild) throws(FileError) {
    try nextEvent()
    noteRoot(rebuild)
    var position = terms.first
    while let line = try headers.next() {
      guard position <= terms.last else {
        add(BundleFile.headers, headers.number, position, "is beyond the last position of the range, \(terms.last)")
        isContiguous = false
        break
      }
      guard let leaf = try check(line, at: position) else {
        isContiguous = false
        break
      }
      rebuild.append(leaf: leaf)
      noteRoot(rebuild)
      if position & 0x3FF == 0 { showProgress(at: position) }
      position += 1
    }
    if headers.isTorn { add(BundleFile.headers, headers.number, nil, "has no line break at its end") }
    if isContiguous, position <= terms.last {
      add(BundleFile.headers, nil, position, "is missing, and every position up to \(terms.last)")
      isContiguous = false
    }
    guard isContiguous else { return }
    while event != nil {
      add(
        BundleFile.events, events.number, eventPosition,
        "is a record that the filter doesn't ask for, or is there twice")
      try nextEvent()
    }
    if events.isTorn { add(BundleFile.events, events.number, nil, "has no line break at its end") }
    checkCounts()
  }

  private mutating func checkCounts() {
    if withheld != terms.withheld {
      add(BundleFile.headers, nil, nil, "withholds \(withheld) headers, and the log recorded \(terms.withheld)")
    }
    if records != terms.events {
      add(BundleFile.events, nil, nil, "has \(records) records, and the log counted \(terms.events)")
    }
  }

  /// The leaf of one line of the headers; nil, and a fault, where it is none.
  private mutating func check(_ line: [UInt8], at position: UInt64) throws(FileError) -> Digest? {
    let number = headers.number
    guard let json = try? JSON.parse(line) else {
      add(BundleFile.headers, number, position, "is not JSON")
      return nil
    }
    if json.canonicalBytes != line {
      add(BundleFile.headers, number, position, "is not in canonical form (RFC 8785)")
    }
    guard let named = json["position"]?.integerValue, named == Int64(clamping: position) else {
      let found = json["position"]?.integerValue.map { "the position \($0)" } ?? "no position"
      add(BundleFile.headers, number, position, "has \(found): headers are missing, twice or in another order")
      return nil
    }
    if let leaf = json["leaf"], json.objectValue?.count == 2 {
      guard let digest = leaf.stringValue.flatMap({ Digest(base64: $0) }) else {
        add(BundleFile.headers, number, position, "has a hash that is none")
        return nil
      }
      if terms.showsAll {
        add(BundleFile.headers, number, position, "is withheld, though every header was to be shown")
      }
      withheld += 1
      return digest
    }
    guard let header = EvidenceHeader(json) else {
      add(BundleFile.headers, number, position, "lacks a member that every header has")
      return nil
    }
    if !terms.shows(header) {
      add(BundleFile.headers, number, position, "is shown, though the terms withhold such headers")
    }
    shown += 1
    if terms.filter.accepts(header) { try checkRecord(of: header, line) }
    return RFC6962.leafHash(line)
  }

  /// Compares the next record with a header that the filter asks for.
  private mutating func checkRecord(of header: EvidenceHeader, _ line: [UInt8]) throws(FileError) {
    // What stands before the record that must come now doesn't belong there.
    while event != nil, let found = eventPosition, found < header.position {
      add(BundleFile.events, events.number, found, "is a record that the filter doesn't ask for, or is there twice")
      try nextEvent()
    }
    guard let record = event else {
      return add(BundleFile.events, nil, header.position, "is missing: a record that the filter asks for was left out")
    }
    if let found = eventPosition, found > header.position {
      return add(BundleFile.events, nil, header.position, "is missing: a record that the filter asks for was left out")
    }
    records += 1
    let number = events.number
    let position = header.position
    if let body = EvidenceRecord.body(of: record, header: line) {
      let digest = body.withUnsafeBytes { RFC6962.sha256($0) }
      let json = try? JSON.parse(body)
      let isOwn = digest == header.bodyHash
      if !isOwn, !(json.map { drops.take($0, digest, at: position, line: number) } ?? false) {
        add(BundleFile.events, number, position, "has another body than its header commits to")
      } else if json?.canonicalBytes != Array(body) {
        add(BundleFile.events, number, position, "has a body that is not in canonical form (RFC 8785)")
      }
      if isOwn, let json { drops.take(namesIn: json, of: position) }
    } else {
      add(BundleFile.events, number, position, "is not the record of its header in headers.jsonl")
    }
    try nextEvent()
  }

  private mutating func nextEvent() throws(FileError) {
    event = try events.next()
    eventPosition = event.flatMap { EvidenceRecord.position(of: $0) }
  }

  private mutating func noteRoot(_ rebuild: RangeRebuild) {
    if wantedSizes.contains(rebuild.size) { roots[rebuild.size] = rebuild.root() }
  }

  /// The second half of the work: the first one was the files' hashes.
  private func showProgress(at position: UInt64) {
    let share = Double(position - terms.first) / Double(terms.last - terms.first + 1)
    progress(total / 2 + UInt64(Double(total / 2) * share), total)
  }

  private mutating func add(_ file: String, _ line: Int?, _ position: UInt64?, _ what: String) {
    report.add(EvidenceFault(file, line: line, position: position, what))
  }
}
