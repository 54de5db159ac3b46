import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook history`: everything that happened to one resource.
struct History: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show every event of one resource: who, when, why, from what to what.",
    discussion: """
      EXAMPLES
        daybook history pipeline 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b
        daybook history pipeline "daily load" --limit 5 --newest-first
      """)

  @Argument(help: "The resource type, such as pipeline.")
  var type: String

  @Argument(help: "Its id, or its name where only one has it.")
  var id: String

  @Option(name: .long, help: "How many events at most.")
  var limit: Int?

  @Flag(name: .long, help: "The newest event first.")
  var newestFirst = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let items = try await connection.withClient { client in
      let id = try await Lookup.resource(id, type: type, client)
      return try await Pages.all(
        "\(type).history", ["id": .string(id), "order": newestFirst ? "-position" : "position"], limit: limit, client)
    }
    if output.json { return Terminal.say(json: .array(items)) }
    var table = Table(["VERSION", "POSITION", "WHEN", "EVENT", "WHO", "WHY"])
    for item in items {
      table.add([
        item.cell("version"), item.cell("position"), item.time("at"), item.cell("event"), item.cell("actor"),
        item.cell("reason"),
      ])
      for line in Changes.lines(item["changes"]) { table.note(line) }
    }
    table.show(orElse: "Nothing has happened to it.")
  }
}

/// Changed fields as people read them.
enum Changes {
  static func lines(_ changes: JSON?) -> [String] {
    (changes?.objectValue ?? [:]).map { name, change in
      let from = change["from"] ?? .null
      let to = change["to"] ?? .null
      return from.isNull ? "\(name): \(short(to))" : "\(name): \(short(from)) → \(short(to))"
    }
  }

  /// A value in one line; a long one cut, since `--json` has the whole.
  static func short(_ value: JSON) -> String {
    if value.isNull { return "(none)" }
    return Terminal.fitted(Terminal.plain(value.canonicalString), to: 200)
  }
}

/// Follows cursors.
enum Pages {
  /// The items of all pages, up to a limit.
  /// - Parameter look: Gets each page as it was answered.
  static func all(
    _ method: String, _ params: JSONObject, limit: Int?, _ client: DaybookClient, look: (JSON) -> Void = { _ in }
  ) async throws -> [JSON] {
    var items: [JSON] = []
    var params = params
    while true {
      params["limit"] = .integer(Int64(min(1000, max(1, (limit ?? .max) - items.count))))
      let page = try await client.callAfterWrites(method, params)
      look(page)
      items += page["items"]?.arrayValue ?? []
      guard let next = page["next_cursor"]?.stringValue, limit.map({ items.count < $0 }) ?? true else { return items }
      params["cursor"] = .string(next)
    }
  }
}
