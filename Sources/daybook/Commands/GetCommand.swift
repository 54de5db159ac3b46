import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook get`: one resource, as it is or as it was.
struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Show one resource, as it is or as it was at a moment.",
    discussion: """
      EXAMPLES
        daybook get pipeline "daily load"
        daybook get pipeline "daily load" --as-of "last tuesday"
        daybook get user ann@acme.example
      """)

  @Argument(help: "The resource type, such as pipeline.", completion: Completions.types)
  var type: String

  @Argument(help: "Its id, or its name where only one has it.", completion: Completions.names)
  var name: String

  @Option(name: .long, help: "As it was then: a date, last tuesday, 2 days ago, a position …") var asOf: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let moment = try asOf.map { try Moment.parameter($0, .asOf) }
    try await connection.withClient { client in
      let types = try await ServerTypes(client)
      let type = try types.type(type)
      let (result, _) = try await Past.resource(name, type, as: moment, client)
      let item = result["item"] ?? .null
      if output.json { return Terminal.say(json: result) }
      if moment != nil {
        Terminal.complain("As it was at position \(result.cell("position")), version \(result.cell("version")).")
      }
      await ResourcePage(type, types).show(item, client)
    }
  }
}

/// Resources as they were.
enum Past {
  /// What `TYPE.get` answers of a resource that is named by its present name, or by the one that it had at the moment.
  /// - Throws: ``Failure`` that says when it came to be, where it wasn't there at the moment.
  static func resource(
    _ name: String, _ type: String, as moment: JSON?, _ client: DaybookClient
  ) async throws -> (result: JSON, id: String) {
    guard let moment else {
      let id = try await Lookup.resource(name, type: type, client)
      return (try await client.call("\(type).get", ["id": .string(id)]), id)
    }
    let id = try await id(name, type, moment, client)
    let params: JSONObject = ["id": .string(id), "as_of": moment, "include_deleted": true]
    do {
      return (try await client.call("\(type).get", params), id)
    } catch ClientError.remote(let refusal) where refusal.code == .notFound {
      let now = try await client.call("\(type).get", ["id": .string(id), "include_deleted": true])
      let made = now["item"]?["created_at"]?.stringValue.flatMap { Timestamp($0) }
      let shown = moment.stringValue.flatMap { Timestamp($0) }.map(LocalTime.minute) ?? "position \(moment.cell)"
      throw Failure(
        .refused, "“\(Terminal.plain(name))” wasn't there at \(shown).",
        next: made.map { "It was created at \(LocalTime.minute($0)): ask for a moment after that." })
    }
  }

  /// Who is called so now, else who was called so then.
  private static func id(
    _ name: String, _ type: String, _ moment: JSON, _ client: DaybookClient
  ) async throws -> String {
    do {
      return try await Lookup.resource(name, type: type, client)
    } catch let failure as Failure where failure.status == .refused {
      var params: JSONObject = ["where": ["name": .string(name)], "as_of": moment, "include_deleted": true]
      params["limit"] = 2
      guard let items = try? await client.call("\(type).list", params)["items"]?.arrayValue, items.count == 1,
        let id = items.first?["id"]?.stringValue
      else { throw failure }
      return id
    }
  }
}

/// A resource's fields one below the other; what has no value is left out.
struct ResourcePage {
  private let type: String
  private let types: ServerTypes

  init(_ type: String, _ types: ServerTypes) {
    self.type = type
    self.types = types
  }

  func show(_ item: JSON, _ client: DaybookClient) async {
    let fields = (item.objectValue ?? [:]).filter { !$0.value.isNull && !Self.isEmpty($0.value) }
    var mentions: [Names.Mention] = []
    for (key, value) in fields {
      if let referred = types.reference(key), let id = value.stringValue {
        mentions.append(Names.Mention(type: referred, id: id))
      }
    }
    let names = await Names.of(mentions, client)
    // What it is called and how it is comes first; the rest by name.
    let first = ["name", "title", "email", "id", "status", "description"].filter { fields.contains($0) }
    let order = first + fields.keys.filter { !first.contains($0) }
    let width = order.map { $0.utf8.count }.max() ?? 0
    for key in order {
      guard let value = fields[key] else { continue }
      let title = Paint.faint.on(key + String(repeating: " ", count: width - key.utf8.count))
      for (index, line) in lines(key, value, names, room: Terminal.width.map { max(20, $0 - width - 2) }).enumerated() {
        Terminal.say((index == 0 ? title : String(repeating: " ", count: width)) + "  " + line)
      }
    }
  }

  private static func isEmpty(_ value: JSON) -> Bool {
    value.arrayValue?.isEmpty == true || value.objectValue?.isEmpty == true
  }

  private func lines(_ key: String, _ value: JSON, _ names: Names, room: Int?) -> [String] {
    switch value {
    case .object, .array:
      let line = Terminal.plain(value.canonicalString)
      guard let room, Terminal.columns(line) > room else { return [line] }
      return value.indented().split(separator: "\n").flatMap {
        Terminal.broken(Terminal.plain(String($0)), to: room, indent: 2)
      }
    case .string(let text):
      if types.reference(key) != nil { return [names.resource(text)] }
      if types.field(key, of: type)?.isSchema("string", format: "date-time") == true, let time = Timestamp(text) {
        guard Terminal.isInteractive, let ago = LocalTime.relative(text) else { return [text] }
        return ["\(LocalTime.minute(time)) (\(ago))"]
      }
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Terminal.plain(String($0)) }
      guard let room else { return [Terminal.plain(text)] }
      let shown = lines.flatMap { Terminal.broken($0, to: room) }
      if key == "status", let paint = Paint.of(status: text) { return shown.map(paint.on) }
      return shown
    default: return [value.cell]
    }
  }
}
