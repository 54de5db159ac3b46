import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook access`: who may see or do what, and why.
struct AccessCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "access",
    abstract: "Tell who may read, write, execute or administer something, and why.",
    discussion: """
      Of a resource, everybody who may do something with it: people by their
      place in its organization or their office, API keys, SQL roles. Of a user,
      what they may do in each organization. With --as-of, as it was then.

      EXAMPLES
        daybook access pipeline "daily load"
        daybook access pipeline "daily load" --person bob@acme.example
        daybook access organization acme --as-of "last tuesday"
        daybook access user ann@acme.example
      """)

  @Argument(help: "The resource type, such as pipeline.", completion: Completions.types)
  var type: String

  @Argument(help: "Its id, or its name where only one has it.", completion: Completions.names)
  var name: String

  @Option(name: .long, help: "As it was then: a date, last tuesday, 2 days ago, a position …") var asOf: String?

  @Option(name: .long, help: "Only what this person may do, and why: an e-mail, a name or an id.") var person: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let moment = try asOf.map { try Moment.parameter($0, .asOf) }
    try await connection.withClient { client in
      let type = try await ServerTypes(client).type(type)
      let id = try await Lookup.resource(name, type: type, client)
      guard type == "user" else {
        guard let items = try await Access.of(id, as: moment, for: try await whom(client), client) else {
          throw Failure(.refused, Access.isNotForYou)
        }
        if output.json { return Terminal.say(json: .array(items)) }
        let names = await Names.of(actors: items.texts("principal") + items.texts("made_by"), [], client)
        return Access.table(items, names).show(orElse: "Nobody may do anything with it.")
      }
      try await showPlaces(of: id, moment, client)
    }
  }

  /// The id of the person who is asked about.
  private func whom(_ client: DaybookClient) async throws -> String? {
    guard let person else { return nil }
    return try await Lookup.resource(person, type: try await ServerTypes(client).type("user"), client)
  }

  /// What a person may do in each organization that they have a place in.
  private func showPlaces(of person: String, _ moment: JSON?, _ client: DaybookClient) async throws {
    var params: JSONObject = ["where": ["user_id": .string(person)]]
    if let moment { params["as_of"] = moment }
    let places = try await Pages.all("membership.list", params, limit: nil, client)
    var organizations: [String] = []
    for id in places.texts("organization_id") where !organizations.contains(id) { organizations.append(id) }
    var found: [JSON] = []
    for organization in organizations {
      for item in try await Access.of(organization, as: moment, client) ?? []
      where item["principal"] == .string("user:\(person)") {
        found.append(.object((item.objectValue ?? [:]).merging(["organization_id": .string(organization)])))
      }
    }
    if output.json { return Terminal.say(json: .array(found)) }
    let account = try await client.call("user.get", ["id": .string(person)])["item"] ?? .null
    let names = await Names.of(organizations.map { Names.Mention(type: "organization", id: $0) }, client)
    var table = Table([.named("ORGANIZATION"), "BY", "MAY", .whole("SINCE")])
    for item in found {
      table.add([
        names.resource(item.cell("organization_id")), Access.reason(item), Access.permissions(item), item.when("since"),
      ])
    }
    if account["role"]?.stringValue == "admin" { Terminal.say("An administrator of the service: may do everything.") }
    table.show(orElse: "No place in an organization that you may look into.")
  }
}

/// Who may do what with a resource, as `permissions.as_of` tells it.
enum Access {
  static let isNotForYou =
    "Who may do what with it is told to officers, auditors and those who administer the organization's members."

  /// Everybody who may do something; nil where that isn't for the caller to know.
  static func of(
    _ id: String, as moment: JSON?, for person: String? = nil, _ client: DaybookClient
  ) async throws -> [JSON]? {
    var params: JSONObject = ["id": .string(id)]
    if let person { params["user_id"] = .string(person) }
    if let moment { params["as_of"] = moment }
    do {
      return try await client.call("permissions.as_of", params)["items"]?.arrayValue ?? []
    } catch ClientError.remote(let refusal) where refusal.code == .forbidden {
      return nil
    }
  }

  static func table(_ items: [JSON], _ names: Names) -> Table {
    var table = Table(["WHO", "MAY", "BECAUSE", .whole("SINCE")])
    for item in items {
      let principal = item.cell("principal")
      table.add([
        principal == "local" ? "root on the machine" : names.actor(principal), permissions(item), reason(item),
        item.when("since"),
      ])
    }
    return table
  }

  /// What may be done; the four permissions together as one word at a terminal.
  static func permissions(_ item: JSON) -> String {
    let all = (item["permissions"]?.arrayValue ?? []).compactMap(\.stringValue)
    if item.cell("principal").hasPrefix("share_link:") { return "join" }
    if all.isEmpty { return "nothing" }
    return Terminal.isInteractive && all.count == 4 ? "everything" : all.joined(separator: ", ")
  }

  /// Why: a role, an office, a key and who made it; in a workspace the role there, and what is their own.
  static func reason(_ item: JSON) -> String {
    var reason = place(item)
    if let member = item.objectValue, member.contains("workspace_role") {
      reason += "; \(item["workspace_role"]?.stringValue ?? "no place") in the workspace"
    }
    if item["is_own"] == true { reason += "; it is their own" }
    if item["acts_for_people"] == true { reason += "; acts for people, with what they may too" }
    if item["restricted"] == true {
      reason += "; a person's data in it may only be stored: neither seen nor changed by them"
    }
    if let not = item["why_not"]?.stringValue { reason += "; \(not)" }
    return reason
  }

  /// The place in the organization, or what stands for it.
  private static func place(_ item: JSON) -> String {
    let by = item.cell("by")
    if item.cell("principal").hasPrefix("share_link:") { return "\(by) (\(item.cell("name"))…)" }
    if item.cell("principal") == "local" { return "runs as the server's user or as root, through the Unix socket" }
    if let name = item["name"]?.stringValue, by == "API key" { return "API key \(name)" }
    let platform = item.cell("platform_role")
    guard !platform.isEmpty, platform != "user" else { return by }
    return by == "owner" || by == "admin" ? by : "\(by), \(platform)"
  }
}
