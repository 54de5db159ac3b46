import BasicTypes
import Files

/// `audit.csv`: a row a record, as RFC 4180 says, with no cell that a spreadsheet takes for a formula.
struct TableView: ~Copyable {
  private var output: BundleOutput
  private let showsReasons: Bool

  init(_ path: String, showsReasons: Bool) throws(FileError) {
    var output = try BundleOutput(path)
    var names = [
      "position", "at", "event", "actor", "organization", "resource_type", "resource", "version", "event_id",
      "has_sealed_values", "changes", "on_behalf_of",
    ]
    if showsReasons { names.append("reason (decrypted)") }
    try output.write(TableView.row(names))
    self.output = output
    self.showsReasons = showsReasons
  }

  mutating func take(_ record: ViewRecord) throws(FileError) {
    let header = record.header
    var cells = [
      "\(header.position)", header.at, header.event, header.actor, header.organization?.text ?? "",
      String(header.type), header.resource.text, "\(header.version)", header.id.text,
      record.hasSealed ? "yes" : "no", record.changeText, header.onBehalfOf?.text ?? "",
    ]
    if showsReasons { cells.append(record.reason ?? "") }
    try output.write(TableView.row(cells))
  }

  mutating func finish() throws(FileError) { try output.finish() }

  private static func row(_ cells: [String]) -> String {
    cells.map(EvidenceCell.text).joined(separator: ",") + "\r\n"
  }
}

/// A cell of a table for spreadsheets.
package enum EvidenceCell {
  /// What a cell of a spreadsheet holds at most; a longer text is cut, and ends with an ellipsis.
  private static let mostCharacters = 32_000

  /// A cell as RFC 4180 writes it: in quotes, and with an apostrophe before what would begin a formula.
  package static func text(_ text: String) -> String {
    var text = text
    if text.unicodeScalars.count > mostCharacters {
      var cut = String.UnicodeScalarView()
      cut.append(contentsOf: text.unicodeScalars.prefix(mostCharacters))
      text = String(cut) + "…"
    }
    var out = "\""
    if let first = text.unicodeScalars.first, isFormula(first) { out += "'" }
    for scalar in text.unicodeScalars {
      if scalar == "\"" { out += "\"" }
      out.unicodeScalars.append(scalar)
    }
    return out + "\""
  }

  /// Whether a spreadsheet takes what begins so for a formula, or for the end of the cell.
  private static func isFormula(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "=", "+", "-", "@", "\t", "\r", "\n", "\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}": true
    default: false
    }
  }
}
