import BasicTypes
import Crypto

/// What a table was made and filled by, as two hashes (SHA-256, in hexadecimal): one of all that its rows follow from,
/// one of what its columns are said to mean. Comments, a summary, and how a file is laid out are in neither, or in the
/// second only, so that better words cost no rebuild.
struct ProjectionFingerprint {
  /// Of the statements without `COMMENT`, and of what the front matter says besides the summary.
  let rows: String
  /// Of the `COMMENT` statements.
  let wording: String

  init(matter: [String: String], sections: [(name: String, statements: [String])]) {
    var rows: [String] = []
    var wording: [String] = []
    for key in ["from", "events", "opens", "needs", "removes", "partitioned"] {
      if let value = matter[key] { rows.append("\(key): \(value)") }
    }
    // What was folded by the data of another Unicode version has to be folded anew.
    if sections.contains(where: { $0.statements.contains { $0.contains("_folded") } }) {
      rows.append("folding: \(UnicodeForm.version)")
    }
    for section in sections {
      rows.append("section: \(section.name)")
      for statement in section.statements {
        let essence = SQLText.essence(statement)
        if SQLText.isComment(statement) { wording.append(essence) } else { rows.append(essence) }
      }
    }
    self.rows = ProjectionFingerprint.hash(rows)
    self.wording = ProjectionFingerprint.hash(wording)
  }

  private static func hash(_ lines: [String]) -> String {
    Hex.encode(Array(SHA256.hash(data: Array(lines.joined(separator: "\n").utf8))))
  }
}
