import ArgumentParser
import CanonicalJSON
import DaybookClient

extension Subject {
  /// `daybook subject erase`.
  struct Erase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Erase a person for good (GDPR Art. 17), and show the receipt.",
      discussion: """
        Shows first what goes, what stays on which ground, and what expires when,
        and asks; --yes doesn't ask, --dry-run only shows. Nobody can bring an
        erased person back.
        """)
    @OptionGroup var who: Person
    @Option(name: .long, help: "On what ground; kept in the event.") var reason: String
    @Flag(name: .long, help: "Only show what would go and what would stay.") var dryRun = false
    @Flag(name: .long, help: "Don't ask.") var yes = false
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      try await connection.withClient { client in
        let id = try await who.id(client)
        let params: JSONObject = ["id": .string(id), "reason": .string(reason)]
        if dryRun || !yes {
          let plan = try await client.call("subject.erase", params.merging(["dry_run": true]))["plan"] ?? .null
          if dryRun, output.json { return Terminal.say(json: plan) }
          if !output.json {
            Terminal.say("Of \(id):")
            for line in ErasurePlanText.lines(plan) { Terminal.say("  " + Terminal.plain(line)) }
          }
          if dryRun { return }
          guard let typed = Terminal.ask("Type the id to erase this person for good: ") else {
            throw Failure(.usage, "There is no terminal at which to ask; nothing was erased.", next: "Give --yes.")
          }
          guard typed.lowercased() == id else {
            throw Failure(.refused, "That is not the id; nothing was erased.", place: Terminal.plain(typed))
          }
        }
        let result = try await client.call("subject.erase", params)
        if output.json { return Terminal.say(json: result) }
        Terminal.say("Erased: \(id). daybook subject receipt \(id) shows the receipt.")
      }
    }
  }
}

/// What an erasure takes and leaves, for people.
enum ErasurePlanText {
  static func lines(_ plan: JSON) -> [String] {
    var lines: [String] = []
    func counts(_ json: JSON?) -> [String] {
      (json?.objectValue ?? [:]).map { "\($1.canonicalString) × \($0)" }
    }
    let erased = plan["erased"] ?? .null
    lines.append(
      "goes: "
        + (counts(erased["values"]) + ["\(erased.cell("reasons")) reasons", "\(erased.cell("origins")) addresses"])
        .joined(separator: ", "))
    let dropped = counts(plan["dropped"]?["values"])
    if !dropped.isEmpty {
      lines.append(
        "is taken out of \(plan["dropped"]?.cell("events") ?? "") events, from before it was sealed: "
          + dropped.joined(separator: ", "))
    }
    let deleted = counts(plan["deleted"])
    if !deleted.isEmpty { lines.append("goes with the account: " + deleted.joined(separator: ", ")) }
    let cleared = counts(plan["cleared"])
    if !cleared.isEmpty { lines.append("loses its reference: " + cleared.joined(separator: ", ")) }
    if let keys = plan["revoked_api_keys"]?.integerValue, keys > 0 { lines.append("is revoked: \(keys) API keys") }
    for organization in plan["left_without_owner"]?.arrayValue ?? [] {
      lines.append("is left without an owner: organization \(organization.stringValue ?? "")")
    }
    for kept in plan["kept"]?.arrayValue ?? [] {
      let type = kept["resource_type"]?.stringValue.map { " of \(kept.cell("count")) × \($0)" } ?? ""
      lines.append("stays: \(kept.cell("what"))\(type); \(kept.cell("ground"))")
    }
    for export in plan["exports"]?.arrayValue ?? [] { lines.append(SubjectExportText.line(export)) }
    for entry in plan["expires"]?.arrayValue ?? [] {
      let what = "\(entry.cell("class")) of organization \(entry.cell("organization_id"))"
      lines.append(
        entry["gone_by"]?.stringValue == nil
          ? "expires by no rule: \(what); a retention_policy or redactions take it"
          : "expires by \(entry.time("gone_by")): \(what)")
    }
    return lines
  }
}
