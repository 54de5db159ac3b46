import ArgumentParser
import CanonicalJSON

/// `daybook audit`: who changed what.
struct Audit: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Search the audit trail: who did what, when, and why; the newest first.",
    discussion: """
      EXAMPLES
        daybook audit --resource-type pipeline --since 2026-11-01T00:00:00Z
        daybook audit --actor user:0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --action delete
        daybook audit --text "schedule" --changes
        daybook audit --resource-type legal_hold --include-archived
        daybook audit --person 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --changes
        daybook audit --event access.refused --actor user:0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --changes
      """)

  @Option(name: .long, help: "Who, such as user:<uuid> or local:0.") var actor: String?
  @Option(name: .long, help: "create, read, update, delete or execute.") var action: String?
  @Option(name: .long, help: "An event, such as pipeline.edited.") var event: String?
  @Option(name: .long, help: "A resource type, such as pipeline.") var resourceType: String?
  @Option(name: .long, help: "The id of a resource.") var resource: String?
  @Option(name: .long, help: "An organization, by id or slug.") var organization: String?
  @Option(name: .long, help: "Whose data was read: a person's id.") var person: String?
  @Option(name: .long, help: "The first time (RFC 3339).") var since: String?
  @Option(name: .long, help: "The time before which to search (RFC 3339).") var until: String?
  @Option(name: .long, help: "Words in the reason, the event, or the names of changed fields.") var text: String?
  @Option(name: .long, help: "How many rows at most.") var limit = 50
  @Flag(name: .long, help: "Search also what a retention sweep has archived.") var includeArchived = false
  @Flag(name: .long, help: "The oldest first.") var oldestFirst = false
  @Flag(name: .long, help: "Show each field before and after, and what is said of reads and refusals.") var changes =
    false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard limit >= 1 else { throw ValidationError("--limit must be at least 1.") }
  }

  func run() async throws {
    let (items, leftOut) = try await connection.withClient { client in
      var params: JSONObject = ["order": oldestFirst ? "position" : "-position"]
      let given = [
        "actor": actor, "action": action, "event": event, "resource_type": resourceType, "resource_id": resource,
        "person_id": person, "since": since, "until": until, "text": text,
      ]
      for (name, value) in given { if let value { params[name] = .string(value) } }
      if includeArchived { params["include_archived"] = true }
      if let organization { params["organization_id"] = .string(try await Lookup.organization(organization, client)) }
      var leftOut: Int64 = 0
      let items = try await Pages.all("audit.search", params, limit: limit, client) {
        leftOut = $0["archived_left_out"]?.integerValue ?? leftOut
      }
      return (items, leftOut)
    }
    if leftOut > 0 {
      let rows = leftOut == 1 ? "1 archived row that matches is" : "\(leftOut) archived rows that match are"
      Terminal.complain("\(rows) left out; --include-archived shows them.")
    }
    if output.json { return Terminal.say(json: .array(items)) }
    var table = Table(["POSITION", "WHEN", "WHO", "WHAT", "RESOURCE", "CHANGED", "WHY"])
    for item in items {
      let names = (item["changes"]?.objectValue ?? [:]).keys
      table.add([
        item.cell("position"), item.time("at"), item.cell("actor"), item.cell("event"), item.cell("resource_id"),
        names.joined(separator: ", "), item.cell("reason"),
      ])
      guard changes else { continue }
      for line in Changes.lines(item["changes"]) { table.note(line) }
      for line in AccessText.lines(item["data"] ?? .null, of: person) { table.note(line) }
    }
    table.show(orElse: "Nothing in the audit trail matches.")
  }
}
