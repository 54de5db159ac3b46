import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook versions`: the numbered versions of a pipeline.
struct Versions: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the versions of a pipeline; with two numbers, what differs between them.",
    discussion: """
      EXAMPLES
        daybook versions "daily load"
        daybook versions 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --diff 1 3
      """)

  @Argument(help: "The pipeline's id, or its name where only one has it.", completion: Completions.pipelines)
  var pipeline: String

  @Option(name: .long, parsing: .upToNextOption, help: "Two version numbers to compare.")
  var diff: [Int] = []

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard diff.isEmpty || diff.count == 2 else { throw ValidationError("--diff takes two version numbers.") }
  }

  func run() async throws {
    try await connection.withClient { client in
      let id = try await Lookup.resource(pipeline, type: "pipeline", client)
      guard diff.isEmpty else {
        let result = try await client.call(
          "pipeline.diff",
          [
            "id": .string(id), "from_version_number": .integer(Int64(diff[0])),
            "to_version_number": .integer(Int64(diff[1])),
          ])
        return output.json ? Terminal.say(json: result) : show(result)
      }
      let items = try await Pages.all("pipeline.versions", ["id": .string(id)], limit: nil, client)
      if output.json { return Terminal.say(json: .array(items)) }
      let names = await Names.of(actors: items.actors, [], client)
      var table = Table([
        .whole("VERSION"), "NAME", .whole("WHEN"), "WHO", .aside("CHANGED"), .aside("WHY"),
      ])
      for item in items {
        var changed = (item["changes"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", ")
        if let source = item["rolled_back_to"] { changed = "back to \(source.cell)" }
        table.add([
          item.cell("version_number"), item.cell("name"), item.when("at"), names.who(item), changed,
          item.cell("reason"),
        ])
      }
      table.show(orElse: "It has no versions.")
    }
  }

  private func show(_ result: JSON) {
    let lines = Changes.shown(result["changes"], width: Terminal.width)
    if lines.isEmpty { return Terminal.say("Nothing differs.") }
    for line in lines { Terminal.say(line) }
  }
}

/// `daybook rollback`: brings an earlier version of a pipeline back, as a new version.
struct Rollback: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Bring an earlier version of a pipeline back, as a new version.",
    discussion: """
      Nothing is lost: the versions between stay, and can be brought back too.

      EXAMPLE
        daybook rollback "daily load" 1 --reason "the new schedule missed a day"
      """)

  @Argument(help: "The pipeline's id, or its name where only one has it.", completion: Completions.pipelines)
  var pipeline: String

  @Argument(help: "The version number to bring back.")
  var version: Int

  @Option(name: .long, help: "Why; kept in the event.")
  var reason: String

  @Flag(name: .long, help: "Only say what would be recorded.")
  var dryRun = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    try await connection.withClient { client in
      let id = try await Lookup.resource(pipeline, type: "pipeline", client)
      var params: JSONObject = [
        "id": .string(id), "to_version": .integer(Int64(version)), "reason": .string(reason),
      ]
      if dryRun { params["dry_run"] = true }
      let result = try await client.call("pipeline.rollback", params)
      if output.json { return Terminal.say(json: result) }
      if result["events"]?.arrayValue?.isEmpty == true {
        Terminal.say("Its content is that of version \(version) already; nothing was recorded.")
      } else if dryRun {
        Terminal.say("This would bring version \(version) back, and change:")
        let now = try await client.call("pipeline.get", ["id": .string(id)])["item"]?["version_number"] ?? .null
        let difference = try await client.call(
          "pipeline.diff",
          ["id": .string(id), "from_version_number": now, "to_version_number": .integer(Int64(version))])
        let lines = Changes.shown(difference["changes"], width: Terminal.width.map { $0 - 2 })
        for line in lines { Terminal.say(line, indent: 2) }
      } else {
        let versions = try await Pages.all("pipeline.versions", ["id": .string(id)], limit: nil, client)
        let latest = versions.last?.cell("version_number") ?? "?"
        Terminal.say("Version \(version) is back, as version \(latest) (position \(result.cell("position"))).")
      }
    }
  }
}
