import ArgumentParser
import CanonicalJSON
import DaybookClient

extension Subject {
  /// `daybook subject breach`.
  struct Breach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell whose data somebody, or anybody in a period, has read or changed (GDPR Art. 33).",
      discussion: """
        For officers and administrators. An officer of one organization is told of
        its people. Below them stands what was taken as a whole: exports, backups,
        reading the whole log, and credentials that were revealed.

        EXAMPLES
          daybook subject breach --actor user:0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b
          daybook subject breach --since 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z
        """)
    @Option(name: .long, help: "Whose doing, such as user:<uuid>, api_key:<uuid> or local:0.") var actor: String?
    @Option(name: .long, help: "The first time (RFC 3339).") var since: String?
    @Option(name: .long, help: "The time before which (RFC 3339).") var until: String?
    @Option(name: .long, help: "How many persons at most.") var limit = 1000
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard limit >= 1 else { throw ValidationError("--limit must be at least 1.") }
      guard actor != nil || since != nil else { throw ValidationError("Give --actor or --since.") }
    }

    func run() async throws {
      var besides: JSON = .null
      let items = try await connection.withClient { client in
        var params = JSONObject()
        for (name, value) in [("actor", actor), ("since", since), ("until", until)] {
          if let value { params[name] = .string(value) }
        }
        return try await Pages.all("gdpr.breach_report", params, limit: limit, client) { besides = $0 }
      }
      let taken = besides["taken"]?.arrayValue ?? []
      if output.json {
        return Terminal.say(json: [
          "items": .array(items), "taken": .array(taken), "taken_left_out": besides["taken_left_out"] ?? 0,
          "unnamed_reads": besides["unnamed_reads"] ?? 0,
        ])
      }
      var persons = Table(["PERSON", "READS", "CHANGES", "BY", "FIRST", "LAST", "HOW"])
      for item in items {
        persons.add([
          item.cell("person_id"), item.cell("reads"), item.cell("changes"), item.cell("actors"),
          item.time("first_at"), item.time("last_at"),
          (item["purposes"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", "),
        ])
      }
      persons.show(orElse: "Nobody's data was read or changed.")
      if let unnamed = besides["unnamed_reads"]?.integerValue, unnamed > 0 {
        Terminal.say("Besides \(unnamed) reads of persons who were too many to be named.")
      }
      Terminal.say("")
      var whole = Table(["POSITION", "WHEN", "WHO", "TAKEN AS A WHOLE"])
      for event in taken {
        whole.add([event.cell("position"), event.time("at"), event.cell("actor"), event.cell("event")])
      }
      whole.show(orElse: "Nothing was taken as a whole.")
      if let more = besides["taken_left_out"]?.integerValue, more > 0 {
        Terminal.say("\(more) earlier ones are left out: ask for a shorter period.")
      }
    }
  }
}

/// What events say of reads and refused calls, for people.
enum AccessText {
  /// The facts of an event in the order of their names, those about persons as one line each.
  /// - Parameter person: The one person of whom to tell; nil for a number of all.
  static func lines(_ data: JSON, of person: String?) -> [String] {
    guard let facts = data.objectValue, !facts.isEmpty else { return [] }
    var lines: [String] = []
    let plain = facts.filter { $0.key != "persons" && $0.key != "organization_id" }
    if !plain.isEmpty {
      lines.append(
        plain.map { "\($0.key) \($0.value.stringValue ?? Changes.short($0.value))" }.joined(separator: ", "))
    }
    let persons = facts["persons"]?.arrayValue ?? []
    if let person {
      for entry in persons where entry["id"]?.stringValue == person.lowercased() {
        lines.append("of this person: \(entry.cell("reads"))")
      }
    } else if !persons.isEmpty {
      lines.append("persons: \(persons.count)")
    }
    return lines
  }
}
