import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook diff`: what differs between two moments or versions of a resource.
struct DiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what differs between two moments, or two versions, of a resource.",
    discussion: """
      A moment is a date, a word, how long ago, or a position of the log; without
      a second one, now. Versions are those of `daybook history`; those of
      `daybook versions` are compared by its --diff.

      EXAMPLES
        daybook diff pipeline "daily load" "last tuesday"
        daybook diff pipeline "daily load" "3 days ago" yesterday
        daybook diff pipeline "daily load" --versions 3 5
      """)

  @Argument(help: "The resource type, such as pipeline.", completion: Completions.types)
  var type: String

  @Argument(help: "Its id, or its name where only one has it.", completion: Completions.names)
  var name: String

  @Argument(help: "The earlier moment (default: before the last change).") var from: String?
  @Argument(help: "The later moment (default: now).") var to: String?

  @Option(name: .long, parsing: .upToNextOption, help: "Two versions to compare, instead of moments.")
  var versions: [Int] = []

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard versions.isEmpty || versions.count == 2 else { throw ValidationError("--versions takes two numbers.") }
    guard versions.isEmpty || from == nil else { throw ValidationError("Give moments or --versions, not both.") }
  }

  /// What changes with every event, and says nothing of its own.
  private static let bookkeeping = ["updated_at", "version", "position"]

  func run() async throws {
    let moments = (
      try from.map { try Moment.parameter($0, .asOf) }, try to.map { try Moment.parameter($0, .asOf) }
    )
    try await connection.withClient { client in
      let type = try await ServerTypes(client).type(type)
      guard let from = moments.0 else {
        var params: JSONObject = ["id": .string(try await Lookup.resource(name, type: type, client))]
        if versions.count == 2 {
          params["from_version"] = .integer(Int64(versions[0]))
          params["to_version"] = .integer(Int64(versions[1]))
        }
        return show(try await client.call("\(type).diff", params))
      }
      let before = try await Past.resource(name, type, as: from, client).result
      let id = before["item"]?.cell("id") ?? ""
      let after = try await Past.resource(id, type, as: moments.1, client).result
      show(
        .object([
          "changes": .object(Self.changes(before["item"] ?? .null, after["item"] ?? .null)), "from": Self.end(before),
          "id": .string(id), "to": Self.end(after),
        ]))
    }
  }

  private static func end(_ result: JSON) -> JSON {
    ["position": result["position"] ?? .null, "version": result["version"] ?? .null]
  }

  private static func changes(_ before: JSON, _ after: JSON) -> JSONObject {
    let (old, new) = (before.objectValue ?? [:], after.objectValue ?? [:])
    var changes = JSONObject()
    for name in old.merging(new).keys where !bookkeeping.contains(name) {
      let (from, to) = (old[name] ?? .null, new[name] ?? .null)
      if from != to { changes[name] = ["from": from, "to": to] }
    }
    return changes
  }

  private func show(_ result: JSON) {
    if output.json { return Terminal.say(json: result) }
    let lines = Changes.shown(result["changes"], width: Terminal.width)
    if lines.isEmpty { return Terminal.say("Nothing differs.") }
    for line in lines { Terminal.say(line) }
  }
}
