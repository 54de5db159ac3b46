import CanonicalJSON
import Files
import MerkleTree

/// The files that are made of the records, to be read by people and by other programs.
enum BundleViews {
  /// What the records tell that the manifest says.
  struct Summary {
    var catalog: String?
    var period: (first: String, last: String)?
    var sealedRecords: UInt64 = 0
    var droppedRecords: UInt64 = 0
    /// Whether each record that is shown is later than the one before it.
    var isOrderedByTime = true
  }

  /// Makes them all, in one pass over `events.jsonl`.
  static func write(
    _ folder: BundleFolder, _ terms: ExportTerms, _ request: BundleRequest, key: NoteVerifier, program: String,
    progress: (UInt64) -> Void
  ) throws -> Summary {
    var summary = Summary()
    var table = try TableView(folder.file(BundleFile.table), showsReasons: request.isDecrypted)
    var report = ReportView(terms, purpose: request.purpose, origin: key.name, showsReasons: request.isDecrypted)
    var reasons = try request.isDecrypted ? DecryptedReasons(folder.file(BundleFile.decrypted)) : nil
    var done: UInt64 = 0
    try records(of: folder) { record in
      var record = record
      record.reason = try reasons?.reason(at: record.header.position)
      try table.take(record)
      report.take(record)
      if let last = summary.period?.last, !last.utf8.lexicographicallyPrecedes(record.header.at.utf8) {
        summary.isOrderedByTime = false
      }
      summary.catalog = record.header.schema
      summary.period = (summary.period?.first ?? record.header.at, record.header.at)
      if record.hasSealed { summary.sealedRecords += 1 }
      if record.droppedBy != nil { summary.droppedRecords += 1 }
      done += 1
      if done & 0x3FF == 0 { progress(done) }
    }
    try table.finish()
    try report.write(to: folder.file(BundleFile.report))
    if request.mappings.contains(.ocsf) { try writeOCSF(folder, origin: key.name) }
    if request.mappings.contains(.prov) { try PROVView.write(folder, origin: key.name) }
    return summary
  }

  private static func writeOCSF(_ folder: BundleFolder, origin: String) throws {
    var view = try OCSFView(folder.file(BundleFile.ocsf), origin: origin)
    try records(of: folder) { try view.take($0) }
    try view.finish()
  }

  /// Goes through the records of a bundle.
  static func records(of folder: BundleFolder, _ visit: (ViewRecord) throws -> Void) throws {
    var lines = try BundleLines(folder.file(BundleFile.events))
    while let line = try lines.next() {
      guard let record = ViewRecord(line: line) else {
        throw EvidenceError(
          .folder, "Line \(lines.number) of \(folder.file(BundleFile.events)) is no record.",
          next: "Remove the folder, and make the bundle again.")
      }
      try visit(record)
    }
  }

  /// What is to be known of a file before it is read.
  static func remark(on name: String, _ request: BundleRequest) -> String? {
    switch name {
    case BundleFile.decrypted: "decrypted: values and reasons in the clear"
    case BundleFile.table, BundleFile.report:
      request.isDecrypted
        ? "made of the records, to be read; decrypted: has reasons in the clear"
        : "made of the records, to be read"
    case BundleFile.drops: "the events that dropped bodies of the records, each with its proof"
    case BundleFile.ocsf: "OCSF \(OCSFView.version)"
    case BundleFile.prov: "W3C PROV-JSON (2013-04-24)"
    case BundleFile.oscal: "OSCAL \(OSCALView.version) assessment results"
    default: nil
    }
  }
}
