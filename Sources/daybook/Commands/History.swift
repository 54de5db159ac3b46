import ArgumentParser
import BasicTypes
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
        daybook history pipeline "daily load" --since "last tuesday"
      """)

  @Argument(help: "The resource type, such as pipeline.", completion: Completions.types)
  var type: String

  @Argument(help: "Its id, or its name where only one has it.", completion: Completions.names)
  var id: String

  @Option(name: .long, help: "Only what happened from then on: a date, yesterday, 24h …") var since: String?
  @Option(name: .long, help: "Only what happened until then.") var until: String?

  @Option(name: .long, help: "How many events at most.")
  var limit: Int?

  @Flag(name: .long, help: "The newest event first.")
  var newestFirst = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let since = try since.map { try Moment.parameter($0, .since) }
    let until = try until.map { try Moment.parameter($0, .until) }
    try await connection.withClient { client in
      let type = try await ServerTypes.type(type, client)
      let id = try await Lookup.resource(id, type: type, client)
      var items = try await Pages.all(
        "\(type).history", ["id": .string(id), "order": newestFirst ? "-position" : "position"],
        limit: since == nil && until == nil ? limit : nil, client)
      items = items.filter { item in
        guard let at = item["at"]?.stringValue.flatMap({ Timestamp($0) }) else { return true }
        return Self.isWithin(at, since, until)
      }
      if let limit { items = Array(items.prefix(limit)) }
      if output.json { return Terminal.say(json: .array(items)) }
      let names = await Names.of(actors: items.actors, [], client)
      var table = Table([
        .whole("VERSION"), .whole("POSITION"), .whole("WHEN"), .whole("EVENT"), "WHO", .aside("WHY"),
      ])
      for item in items {
        table.add([
          item.cell("version"), item.cell("position"), item.when("at"), item.cell("event"),
          names.who(item), item.cell("reason"),
        ])
        table.note(Changes.shown(item["changes"]))
      }
      table.show(orElse: "Nothing has happened to it.")
    }
  }

  private static func isWithin(_ at: Timestamp, _ since: JSON?, _ until: JSON?) -> Bool {
    if let first = since?.stringValue.flatMap({ Timestamp($0) }), at < first { return false }
    if let last = until?.stringValue.flatMap({ Timestamp($0) }), at > last { return false }
    return true
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
