import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

/// `report.html`: one page without anything from elsewhere, for people, on a screen, on paper and read aloud. It holds
/// the first records; the numbers are about all.
struct ReportView {
  /// How many records the page shows.
  private static let mostRecords = 1000
  /// How many actors are told by name.
  private static let mostActors = 10_000

  private let terms: ExportTerms
  private let purpose: String
  private let origin: String
  private let showsReasons: Bool
  private var timeline = Timeline()
  private var events = Tally()
  private var actors = Tally(most: mostActors)
  private var rows: [String] = []
  private var period: (first: String, last: String)?

  init(_ terms: ExportTerms, purpose: String, origin: String, showsReasons: Bool) {
    self.terms = terms
    self.purpose = purpose
    self.origin = origin
    self.showsReasons = showsReasons
  }

  mutating func take(_ record: ViewRecord) {
    let header = record.header
    if let time = Timestamp(header.at) { timeline.add(time) }
    events.count(header.event)
    actors.count(header.who)
    period = (period?.first ?? header.at, header.at)
    if rows.count < Self.mostRecords { rows.append(row(record)) }
  }

  private func row(_ record: ViewRecord) -> String {
    let header = record.header
    var cells = [
      "<th scope=\"row\">\(header.position)</th>", "<td>\(Markup.escaped(header.at))</td>",
      "<td>\(Markup.escaped(header.event))</td>", "<td class=\"id\">\(Markup.escaped(header.who))</td>",
      "<td class=\"id\">\(header.resource.text)</td>",
      "<td>\(Markup.escaped(record.changes.map(\.field).joined(separator: ", ")))</td>",
    ]
    if showsReasons { cells.append("<td>\(Markup.escaped(record.reason ?? ""))</td>") }
    return "<tr>\(cells.joined())</tr>"
  }

  func write(to path: String) throws(FileError) {
    var output = try BundleOutput(path)
    try output.write(head)
    try output.write(summary)
    try output.write(TimelinePicture(timeline).markup)
    try output.write(tally("What was done", "Event", events))
    try output.write(tally("Who did it", "Actor", actors))
    try output.write(recordsTable)
    try output.write(verification)
    try output.finish()
  }

  private var head: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
    <title>Evidence: export \(terms.id.text)</title>
    <style>
    \(ReportStyle.sheet)
    </style>
    </head>
    <body>
    <main>
    <h1>Evidence from the log \(Markup.escaped(origin))</h1>

    """
  }

  private var summary: String {
    let times = period.map { "\($0.first) to \($0.last)" } ?? "no event"
    let decrypted =
      terms.isDecrypted
      ? "<p class=\"mark\">Decrypted: this page shows reasons in the clear that are sealed in the log.</p>\n" : ""
    return """
      \(decrypted)<dl>
      <dt>Holds</dt><dd>\(terms.events) \(Markup.escaped(terms.filter.words))</dd>
      <dt>Positions</dt><dd>\(terms.first) to \(terms.last) of the \(terms.treeSize) that the log had</dd>
      <dt>When they happened</dt><dd>\(Markup.escaped(times))</dd>
      <dt>Asked for by</dt><dd>\(Markup.escaped(terms.actor)), at \(terms.at.text)</dd>
      <dt>Purpose</dt><dd>\(Markup.escaped(purpose))</dd>
      <dt>Not shown</dt><dd>\(terms.withheld == 0 ? "No header is withheld." : "\(terms.withheld) headers, of what is not for the one who asked: their hashes stand in headers.jsonl.") Sealed values are shown as sealed.</dd>
      <dt>Export</dt><dd class="id">\(terms.id.text)</dd>
      <dt>Root of the tree</dt><dd class="id">\(terms.root.base64)</dd>
      </dl>

      """
  }

  private func tally(_ title: String, _ column: String, _ tally: Tally) -> String {
    let rows = tally.sorted.map { "<tr><th scope=\"row\">\(Markup.escaped($0.name))</th><td>\($0.count)</td></tr>" }
    let others = tally.others == 0 ? "" : "<tr><th scope=\"row\">others</th><td>\(tally.others)</td></tr>\n"
    return """
      <h2>\(title)</h2>
      <table>
      <caption>\(column)s by their number</caption>
      <thead><tr><th scope="col">\(column)</th><th scope="col">Events</th></tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      \(others)</tbody>
      </table>

      """
  }

  private var recordsTable: String {
    let shown =
      UInt64(rows.count) < terms.events
      ? "The first \(rows.count) of \(terms.events) records" : "All \(rows.count) records"
    return """
      <h2>Records</h2>
      <table>
      <caption>\(shown), in the order of the log. All of them are in audit.csv and events.jsonl.</caption>
      <thead><tr><th scope="col">Position</th><th scope="col">When</th><th scope="col">Event</th><th scope="col">Who</th>\
      <th scope="col">Resource</th><th scope="col">Fields set</th>\(showsReasons ? "<th scope=\"col\">Reason (decrypted)</th>" : "")</tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody>
      </table>

      """
  }

  private var verification: String {
    """
    <h2>How to verify it</h2>
    <p>This page is made to be read; the evidence is in the files beside it. A verifier of Python 3 needs nothing but its
    standard library, and neither a server nor a network. Give it the log's public key as you got it another way:</p>
    <pre>python3 verify_bundle.py FOLDER --key KEY
    daybook verify-bundle FOLDER --key KEY</pre>
    <p>Both recompute the SHA-256 of every file, the signatures, the root of the log's tree from every header of the range,
    and whether the filter asks for any record that is not here.</p>
    </main>
    </body>
    </html>

    """
  }
}
