import ArgumentParser
import CanonicalJSON
import DaybookClient

extension Subject {
  /// `daybook subject exports`.
  struct Exports: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List what was handed out that holds records about or by a person (GDPR Art. 19).",
      discussion: """
        Who has one of these is told of a correction, an erasure or a restriction.
        After an erasure the receipt has the list, too.
        """)
    @OptionGroup var who: Person
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        try await client.callAfterWrites("subject.list_exports", ["id": .string(try await who.id(client))])
      }
      if output.json { return Terminal.say(json: result) }
      var table = Table(["WHEN", "WHAT", "ID", "WHO", "IN THE CLEAR", "STATUS", "WHY"])
      for item in result["items"]?.arrayValue ?? [] {
        table.add([
          item.time("at"), item.cell("kind"), item.cell("id"), item.cell("actor"),
          item["decrypted"] == true ? "yes" : "", item.cell("status"), item.cell("purpose"),
        ])
      }
      table.show(orElse: "Nothing that holds records of this person was handed out.")
      if let others = result["other_organizations"]?.integerValue, others > 0 {
        Terminal.say("Other organizations have handed some out, too: \(others).")
      }
    }
  }
}

/// An export in a receipt, for people.
enum SubjectExportText {
  static func line(_ export: JSON) -> String {
    let clear = export["decrypted"] == true ? ", in the clear" : ""
    let id = export["id"]?.stringValue.map { " \($0)" } ?? ""
    return "was handed out: \(export.cell("kind"))\(id) of \(export.time("at")) by \(export.cell("actor"))\(clear)"
  }
}
