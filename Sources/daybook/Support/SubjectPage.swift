import CanonicalJSON
import Evidence
import Files

/// A person's report as a page that stands alone and prints.
struct SubjectPage {
  private let report: JSON

  init(_ report: JSON) { self.report = report }

  /// Writes the page into a new file that only its owner reads.
  /// - Throws: `FileError`; a file of that name is an error.
  func write(to path: String) throws {
    try FileSystem<FileError>.create(FileSystem<FileError>.absolute(path), Array(text.utf8))
  }

  /// The page.
  var text: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>What is held on you</title>
    <style>
    body { font: 11pt/1.45 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #111; }
    table { border-collapse: collapse; width: 100%; margin: 0 0 2em; }
    caption { text-align: left; font-weight: 600; font-size: 1.2em; padding: .5em 0; }
    th, td { text-align: left; vertical-align: top; padding: .3em .6em .3em 0; border-bottom: 1px solid #bbb; overflow-wrap: anywhere; }
    tr { break-inside: avoid; }
    </style>
    </head>
    <body>
    <h1>What is held on you</h1>
    <p>Your id here is \(Markup.escaped(report.cell("id"))). This is the state of the log at position \
    \(Markup.escaped(report.cell("position"))). You may ask for a correction, a restriction or the erasure of your data, and
    complain to a supervisory authority (GDPR Art. 15(1)).\(restriction)</p>
    \(Self.table(
      "Your data", ["Where", "What", "Value", "Why", "On what basis", "For how long", "Who receives it"], values))
    \(Self.table("Where your id stands", ["Resource", "Field", "How often"], rows(report["references"]) { [
      $0.cell("resource_type"), $0.cell("field"), $0.cell("count"),
    ] }))
    \(Self.table("Who has read your data", ["When", "Who", "How often", "By what"], reads))
    \(Self.table("What happened", ["When", "Event", "By you", "Values of yours", "Why", "From where"], rows(report["events"]) { [
      $0.time("at"), $0.cell("event"),
      $0["is_actor"] == true ? $0["on_behalf_of"] == nil ? "yes" : "yes, by \($0.cell("actor"))" : "",
      (Changes.lines($0["changes"]) + AccessText.lines($0["data"] ?? .null, of: nil)).joined(separator: "; "),
      $0.cell("reason"),
      [$0["origin"]?.cell("ip"), $0["origin"]?.cell("user_agent")].compactMap { $0 }.joined(separator: " "),
    ] }))
    </body>
    </html>

    """
  }

  /// That the data is only stored, where it is.
  private var restriction: String {
    guard let person = report["person"], person["restricted_at"]?.isNull == false else { return "" }
    return " Since \(Markup.escaped(person.time("restricted_at"))) your data is only stored (GDPR Art. 18)."
  }

  /// Reads by others, each hour's as far as it was recorded together.
  private var reads: [[String]] {
    (report["events"]?.arrayValue ?? []).compactMap { event in
      guard event["event"] == "access.read", event["is_actor"] != true, let data = event["data"] else { return nil }
      return [event.time("at"), event.cell("actor"), data.cell("reads"), data.cell("purpose")]
    }
  }

  private var values: [[String]] {
    let processing = report["processing"]?.arrayValue ?? []
    return rows(report["values"]) { value in
      let record =
        processing.first { $0["resource_type"] == value["resource_type"] && $0["field"] == value["field"] } ?? .null
      return [
        value.cell("resource_type"), value.cell("field"),
        value["value"]?.stringValue ?? value["value"]?.canonicalString ?? "", record.cell("purpose"),
        record.cell("legal_basis"), record.cell("retention"), record.cell("recipients"),
      ]
    }
  }

  private func rows(_ list: JSON?, _ cells: (JSON) -> [String]) -> [[String]] { (list?.arrayValue ?? []).map(cells) }

  private static func table(_ caption: String, _ headings: [String], _ rows: [[String]]) -> String {
    guard !rows.isEmpty else { return "<p>\(Markup.escaped(caption)): nothing.</p>" }
    func line(_ cells: [String], _ tag: String) -> String {
      "<tr>" + cells.map { "<\(tag)>\(Markup.escaped($0))</\(tag.prefix(2))>" }.joined() + "</tr>"
    }
    return
      "<table><caption>\(Markup.escaped(caption))</caption><thead>\(line(headings, "th scope=\"col\""))</thead><tbody>\n"
      + rows.map { line($0, "td") }.joined(separator: "\n") + "\n</tbody></table>"
  }
}
