import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook subject`: what an officer does for a person.
struct Subject: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look a person up, tell them what is held on them, restrict its processing, erase them.",
    discussion: """
      These are for persons of the platform role officer, who sign in with
      --email; a person asks for their own report in the same way.

      EXAMPLES
        daybook subject find ann@example.org --email dpo@example.org
        daybook subject report ann@example.org --html ann.html
        daybook subject restrict ann@example.org --reason "Art. 18(1)(a)"
        daybook subject erase ann@example.org --reason "Art. 17(1)(b)" --dry-run
        daybook subject receipt 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b
        daybook subject breach --actor api_key:0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b \\
          --since 2026-11-01T00:00:00Z
      """,
    subcommands: [
      Find.self, Report.self, Restrict.self, Unrestrict.self, Exports.self, Erase.self, Receipt.self, Breach.self,
    ])

  /// Who is meant.
  struct Person: ParsableArguments {
    @Argument(help: "The person: an id, or an e-mail address.") var person: String

    /// The id.
    /// - Throws: ``Failure`` where there is nobody whom the caller may know of.
    func id(_ client: DaybookClient) async throws -> String {
      if Lookup.isIdentifier(person) { return person.lowercased() }
      let found = try await client.call("subject.find", ["email": .string(person)])
      guard let id = found["items"]?.arrayValue?.first?["id"]?.stringValue else {
        throw Failure(
          .refused, "There is nobody of this e-mail address whom you may know of.", place: person,
          next: "An erased person is found by their id alone.")
      }
      return id
    }
  }

  /// `daybook subject find`.
  struct Find: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say who somebody is, and what was decided about them.")
    @OptionGroup var who: Person
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        let key = Lookup.isIdentifier(who.person) ? "id" : "email"
        return try await client.call("subject.find", [key: .string(who.person)])
      }
      if output.json { return Terminal.say(json: result) }
      var table = Table(["ID", "E-MAIL", "NAME", "ORGANIZATIONS", "ERASURE", "SINCE", "RESTRICTED"])
      for item in result["items"]?.arrayValue ?? [] {
        let account = item["account"] ?? .null
        table.add([
          item.cell("id"), account.cell("email"), account.cell("full_name"),
          "\(item["organizations"]?.arrayValue?.count ?? 0)", item.cell("status"),
          item.time(item["erased_at"]?.isNull == false ? "erased_at" : "requested_at"), item.time("restricted_at"),
        ])
      }
      table.show(orElse: "There is nobody of this name whom you may know of.")
    }
  }

  /// `daybook subject report`.
  struct Report: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell everything that is held on a person (GDPR Art. 15 and 20).",
      discussion: """
        With --html, a page that can be printed and handed over; with --json, the
        same for a program. rpc.discover has the JSON Schema of subject.report.
        """)
    @OptionGroup var who: Person
    @Option(name: .long, help: "Write a page for the person into this new file.", completion: .file())
    var html: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let report = try await connection.withClient { client in try await Self.whole(try await who.id(client), client) }
      if let html {
        try SubjectPage(report).write(to: html)
        if output.json { return Terminal.say(json: ["file": .string(html)]) }
        return Terminal.say("The report is in \(html).")
      }
      if output.json { return Terminal.say(json: report) }
      Self.show(report)
    }

    /// All pages of a report as one.
    static func whole(_ id: String, _ client: DaybookClient) async throws -> JSON {
      var whole: JSONObject?
      var events: [JSON] = []
      var from: JSON = 1
      while !from.isNull {
        let page = try await client.callAfterWrites("subject.report", ["id": .string(id), "from": from, "limit": 1000])
        whole = whole ?? page.objectValue
        events += page["events"]?.arrayValue ?? []
        from = page["next"] ?? .null
      }
      var report = whole ?? [:]
      report["events"] = .array(events)
      report.removeValue(forKey: "next")
      return .object(report)
    }

    private static func show(_ report: JSON) {
      if report["person"]?["restricted_at"]?.isNull == false {
        Terminal.say("Restricted since \(report["person"]?.time("restricted_at") ?? ""): only stored.")
      }
      var values = Table(["VALUE OF", "FIELD", "VALUE"])
      for value in report["values"]?.arrayValue ?? [] {
        values.add([
          value.cell("resource_type"), value.cell("field"),
          value["value"]?.stringValue ?? Changes.short(value["value"] ?? .null),
        ])
      }
      values.show(orElse: "No value is held.")
      Terminal.say("")
      var references = Table(["NAMED BY", "FIELD", "COUNT"])
      for reference in report["references"]?.arrayValue ?? [] {
        references.add([reference.cell("resource_type"), reference.cell("field"), reference.cell("count")])
      }
      references.show(orElse: "Nothing refers to this person.")
      Terminal.say("")
      var events = Table(["POSITION", "WHEN", "EVENT", "BY THE PERSON", "RESOURCE", "WHY"])
      for event in report["events"]?.arrayValue ?? [] {
        events.add([
          event.cell("position"), event.time("at"), event.cell("event"), event["is_actor"] == true ? "yes" : "",
          event.cell("resource_id"), event.cell("reason"),
        ])
        for line in AccessText.lines(event["data"] ?? .null, of: nil) { events.note(line) }
      }
      events.show(orElse: "No event is about or by this person.")
    }
  }

  /// `daybook subject receipt`.
  struct Receipt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what became of a request for erasure, with its proofs (--json).")
    @OptionGroup var who: Person
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        try await client.call("subject.receipt", ["id": .string(try await who.id(client))])
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("\(result.cell("id")): \(result.cell("status"))")
      var table = Table(["POSITION", "WHEN", "EVENT", "WHO", "WHY"])
      for event in result["events"]?.arrayValue ?? [] {
        table.add([
          event.cell("position"), event.time("at"), event.cell("event"), event.cell("actor"), event.cell("reason"),
        ])
        if let data = event["data"]?.objectValue, data["erased"] != nil {
          for line in ErasurePlanText.lines(.object(data)) { table.note(line) }
        }
        if event["event"] == "subject.erased" {
          for export in event["data"]?["exports"]?.arrayValue ?? [] { table.note(SubjectExportText.line(export)) }
        }
      }
      table.show(orElse: "Nothing was decided about this person.")
    }
  }
}
