import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook list`: what there is of a type.
struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List what there is of a type: pipelines, runs, people, datasets …",
    discussion: """
      CONDITIONS
        --where takes field=value, field!=value, field>value, field>=value,
        field<value, field<=value, field~text (contains), field^text (begins
        with), and field= for what has none. All must hold; one field that is to
        equal several values may have any of them. Names stand for ids
        (pipeline="daily load"), and times are as people say them
        (started_at>yesterday).

      EXAMPLES
        daybook list
        daybook list pipelines
        daybook list runs --where status=failed --where started_at>=yesterday
        daybook list users --columns email,role,last_login_at
        daybook list pipelines --as-of "last tuesday"
      """)

  @Argument(
    help: "The resource type, such as pipeline or pipelines; without one, which there are.",
    completion: Completions.types)
  var type: String?

  @Option(name: .customLong("where"), help: "A condition, such as status=failed; may be repeated.")
  var conditions: [String] = []

  @Option(name: .long, help: "Fields to show, separated by commas (default: those that tell most).")
  var columns: String?

  @Option(name: .long, help: "The field to order by; with - before it the largest first.")
  var order: String?

  @Option(name: .long, help: "How many at most.")
  var limit = 100

  @Option(name: .long, help: "Only of this organization, by slug, name or id.", completion: Completions.organizations)
  var organization: String?

  @Option(name: .long, help: "As it was then: a date, last tuesday, 2 days ago, a position …") var asOf: String?

  @Flag(name: .long, help: "Deleted ones, too.") var includeDeleted = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard limit >= 1 else { throw ValidationError("--limit must be at least 1.") }
  }

  func run() async throws {
    try await connection.withClient { client in
      let types = try await ServerTypes(client)
      guard let word = type else { return listTypes(types) }
      let type = try types.type(word)
      var filter = Filter(type, types, client)
      for condition in conditions { try await filter.add(condition) }
      if let organization { try await filter.add("organization_id=\(organization)") }
      var params: JSONObject = [:]
      if !filter.parameter.isEmpty { params["where"] = .object(filter.parameter) }
      if let order { params["order"] = .string(order) }
      if let asOf { params["as_of"] = try Moment.parameter(asOf, .asOf) }
      if includeDeleted { params["include_deleted"] = true }
      var isWhole = true
      let items = try await Pages.all("\(type).list", params, limit: limit, client) {
        isWhole = $0["next_cursor"]?.isNull ?? true
      }
      if output.json { return Terminal.say(json: .array(items)) }
      let listing = ResourceListing(
        type, types, columns: columns?.split(separator: ",").map { String($0).trimmed })
      try listing.check()
      try await listing.table(of: items, client).show(orElse: "There is none.")
      if !isWhole { Terminal.complain("There are more than \(items.count); --limit shows more of them.") }
    }
  }
}

extension ListCommand {
  /// Which types there are, and what each is.
  private func listTypes(_ types: ServerTypes) {
    if output.json { return Terminal.say(json: .array(types.names.map(JSON.string))) }
    var table = Table([.whole("TYPE"), "WHAT"])
    for name in types.names { table.add([name, types.summary(of: name)]) }
    table.show(orElse: "There are no types.")
  }
}

/// A table of resources: which of their fields it shows, with names in place of the ids that they refer to.
struct ResourceListing {
  private let type: String
  private let types: ServerTypes
  private let chosen: [String]?

  /// What tells most, of the types that have it: what it is called, how it is, whose it is, and when.
  private static let named = ["name", "title", "email", "key_prefix", "token_prefix", "metric", "alert_type"]
  private static let states = [
    "status", "kind", "type", "role", "severity", "level", "job_type", "is_active", "platform",
  ]
  private static let owners = [
    "pipeline_id", "run_id", "workspace_id", "tool_id", "file_id", "rule_id", "user_id", "owner_id", "triggered_by",
    "organization_id",
  ]
  private static let times = [
    "expires_at", "started_at", "completed_at", "joined_at", "last_login_at", "last_used_at", "reported_at",
    "updated_at",
  ]
  private static let asides = ["error_message", "message"]

  init(_ type: String, _ types: ServerTypes, columns: [String]?) {
    self.type = type
    self.types = types
    chosen = columns
  }

  /// - Throws: ``Failure`` for a column that the type hasn't.
  func check() throws {
    for column in chosen ?? [] where types.field(column, of: type) == nil {
      throw Failure(
        .usage, "A \(type) has no field “\(Terminal.plain(column))”.",
        next: "Its fields are \(types.fields(of: type).joined(separator: ", ")).")
    }
  }

  private func columns(for items: [JSON]) -> [String] {
    if let chosen { return chosen }
    func told(_ field: String) -> Bool {
      types.field(field, of: type) != nil && items.contains { !($0[field]?.isNull ?? true) }
    }
    func differs(_ field: String) -> Bool { Set(items.map { $0[field] ?? .null }).count > 1 || items.count == 1 }
    let own = Self.owners.filter { field in
      told(field) && (field != "organization_id" || Set(items.map { $0[field] ?? .null }).count > 1)
    }
    return Array(Self.named.filter(told).prefix(1)) + Array(Self.states.filter { told($0) && differs($0) }.prefix(2))
      + Array(own.prefix(2)) + Array(Self.times.filter(told).prefix(1)) + Self.asides.filter(told) + ["id"]
  }

  /// The table; the names that it shows are asked for.
  func table(of items: [JSON], _ client: DaybookClient) async throws -> Table {
    let columns = columns(for: items)
    var mentions: Set<Names.Mention> = []
    for column in columns where column != "id" {
      guard let referred = types.reference(column) else { continue }
      for id in items.texts(column) { mentions.insert(Names.Mention(type: referred, id: id)) }
    }
    let names = await Names.of(Array(mentions), client)
    let ids = Names.Endings(items.texts("id"))
    var table = Table(columns.map(heading))
    for item in items {
      table.add(
        columns.map { column in
          if column == "id" { return ids.shown(item.cell("id")) }
          if types.reference(column) != nil {
            let id = item.cell(column)
            // The name is enough for a person; what is piped has the id as well.
            return Terminal.isInteractive ? names.name(of: id) ?? names.shown(id: id) : names.resource(id)
          }
          if column.hasSuffix("_at") { return item.when(column) }
          return item.cell(column)
        })
    }
    return table
  }

  private func heading(_ field: String) -> Table.Column {
    let name =
      field.hasSuffix("_id") ? String(field.dropLast(3)) : field.hasSuffix("_at") ? String(field.dropLast(3)) : field
    let heading = name.map { $0 == "_" ? " " : String($0) }.joined().uppercased()
    if field == "id" { return .whole("ID") }
    if field == "status" || field == "state" || field == "severity" { return .status(heading) }
    if field.hasSuffix("_at") { return .whole(heading) }
    return Self.asides.contains(field) ? .aside(heading) : Table.Column(stringLiteral: heading)
  }
}
