import ArgumentParser
import CanonicalJSON
import Catalog
import DaybookClient

/// `daybook audit`: who changed what.
struct Audit: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Search the audit trail: who did what, when, and why; the newest first.",
    discussion: """
      EXAMPLES
        daybook audit --resource-type pipeline --since yesterday
        daybook audit --actor ann@acme.example --action delete
        daybook audit --event pipeline.rolled_back --changes
        daybook audit --resource-type legal_hold --include-archived
        daybook audit --person 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --changes
        daybook audit --event access.refused \\
          --actor user:0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --changes
      """)

  @Option(name: .long, help: "Who: an e-mail address, or as the log has it, user:<uuid>, api_key:<uuid>, local:0.")
  var actor: String?
  @Option(name: .long, help: "create, read, update, delete or execute.") var action: String?
  @Option(name: .long, help: "An event, such as pipeline.edited.") var event: String?
  @Option(name: .long, help: "A resource type, such as pipeline.", completion: Completions.types)
  var resourceType: String?
  @Option(name: .long, help: "A resource: its id, or its name where --resource-type is given.")
  var resource: String?
  @Option(name: .long, help: "An organization, by id or slug.", completion: Completions.organizations)
  var organization: String?
  @Option(name: .long, help: "Whose data was read: an e-mail address, or a person's id.") var person: String?
  @Option(name: .long, help: "The first time: a date, yesterday, 24h …") var since: String?
  @Option(name: .long, help: "The last time; a day is searched to its end.") var until: String?
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
    var params: JSONObject = ["order": oldestFirst ? "position" : "-position"]
    if let since { params["since"] = try Moment.parameter(since, .since) }
    if let until { params["until"] = try Moment.parameter(until, .until) }
    let (items, leftOut, names, subject) = try await connection.withClient { client in
      var given = ["action": action, "event": event, "text": text]
      given["resource_type"] = resourceType
      for (name, value) in given { if let value { params[name] = .string(value) } }
      if let actor { params["actor"] = .string(try await Self.actor(actor, client)) }
      var subject: String?
      if let person { subject = try await Self.person(person, client) }
      if let subject { params["person_id"] = .string(subject) }
      if let resource { params["resource_id"] = .string(try await id(of: resource, client)) }
      if includeArchived { params["include_archived"] = true }
      if let organization { params["organization_id"] = .string(try await Lookup.organization(organization, client)) }
      var leftOut: Int64 = 0
      let items = try await Pages.all("audit.search", params, limit: limit, client) {
        leftOut = $0["archived_left_out"]?.integerValue ?? leftOut
      }
      if items.isEmpty, let event { try await Self.refuseUnknown(event, client) }
      guard !output.json else { return (items, leftOut, Names(), subject) }
      let mentions = items.map { Names.Mention(type: $0.cell("resource_type"), id: $0.cell("resource_id")) }
      return (items, leftOut, await Names.of(actors: items.actors, mentions, client), subject)
    }
    if leftOut > 0 {
      let rows = leftOut == 1 ? "1 archived row that matches is" : "\(leftOut) archived rows that match are"
      Terminal.complain("\(rows) left out; --include-archived shows them.")
    }
    if output.json { return Terminal.say(json: .array(items)) }
    var table = Table([
      .whole("POSITION"), .whole("WHEN"), "WHO", .whole("WHAT"), .named("RESOURCE"), .aside("CHANGED"), .aside("WHY"),
    ])
    for item in items {
      let changed = (item["changes"]?.objectValue ?? [:]).keys
      table.add([
        item.cell("position"), item.when("at"), names.who(item), item.cell("event"),
        names.resource(item.cell("resource_id")),
        changes && Terminal.isInteractive ? "" : changed.joined(separator: ", "),
        item.cell("reason"),
      ])
      guard changes else { continue }
      table.note(Changes.shown(item["changes"]))
      for line in AccessText.lines(item["data"] ?? .null, of: subject) { table.note(line) }
    }
    table.show(orElse: "Nothing in the audit trail matches.")
  }

  /// The actor that is meant: an actor as the log has it, or a person by their e-mail address or name.
  private static func actor(_ word: String, _ client: DaybookClient) async throws -> String {
    if word == "server" || word.contains(":") { return word }
    return "user:\(try await person(word, client))"
  }

  /// A person's id.
  private static func person(_ word: String, _ client: DaybookClient) async throws -> String {
    Lookup.isIdentifier(word) ? word.lowercased() : try await Lookup.resource(word, type: "user", client)
  }

  private func id(of resource: String, _ client: DaybookClient) async throws -> String {
    if Lookup.isIdentifier(resource) { return resource.lowercased() }
    guard let resourceType else {
      throw Failure(
        .usage, "“\(Terminal.plain(resource))” is no id.",
        next: "Say of which type it is with --resource-type, and it is found by its name.")
    }
    return try await Lookup.resource(resource, type: resourceType, client)
  }

  /// Where nothing was found and no event of this name was ever recorded: says which may have been meant, and fails
  /// where no event is written so. One that is may still come: what the server records by itself is in no list here.
  private static func refuseUnknown(_ event: String, _ client: DaybookClient) async throws {
    let found = try await client.callAfterWrites(
      "audit.search", ["event": .string(event), "limit": 1, "include_archived": true])
    guard found["items"]?.arrayValue?.isEmpty == true else { return }
    let events = try await ServerTypes(client).events
    guard !events.contains(event) else { return }
    let what = "No event “\(Terminal.plain(event))” was ever recorded."
    let parts = event.split(separator: ".", omittingEmptySubsequences: false)
    let isWellFormed =
      parts.count == 2
      && parts.allSatisfy { part in
        !part.isEmpty && part.utf8.allSatisfy { $0 == UInt8(ascii: "_") || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }
      }
    guard isWellFormed else { throw Failure(.usage, what, next: "An event is written as pipeline.edited.") }
    var near = Set(events.filter { $0.hasPrefix("\(parts[0]).") }).sorted()
    if near.isEmpty { near = Suggestion.nearest(to: event, in: events, atMost: 3) }
    Terminal.complain(near.isEmpty ? what : "\(what) There are \(near.joined(separator: ", ")).")
  }
}
