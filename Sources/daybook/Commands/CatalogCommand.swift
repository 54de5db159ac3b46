import ArgumentParser
import CanonicalJSON
import Catalog
import DaybookClient

/// `daybook catalog`: what the catalog says.
struct CatalogCommand: AsyncParsableCommand {
  /// How it is written.
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case text, markdown
    case jsonSchema = "json-schema"
    case openrpc
  }

  /// For which library models are written.
  enum Library: String, EnumerableFlag {
    case django, sqlalchemy, dbt

    static func help(for library: Library) -> ArgumentHelp? {
      switch library {
      case .django: "Write the platform's models for Django (needs --platform)."
      case .sqlalchemy: "Write the platform's models for SQLAlchemy 2 (needs --platform)."
      case .dbt: "Write the platform's tables as a dbt source (needs --platform)."
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "catalog",
    abstract: "Show the resource types, and where each platform's tables and columns went.",
    discussion: """
      Of each type: fields, commands with their parameters, events, permissions,
      sealed facts, personal data. It reads the folder schema/ itself; openrpc asks
      the server, whose document it is.

      EXAMPLES
        daybook catalog pipeline
        daybook catalog --platform etl_builder
        daybook catalog --platform django_etl --django > models.py
        daybook catalog --format markdown > catalog.md
        daybook catalog --format openrpc > openrpc.json
      """)

  @Argument(help: "Resource types; all where none is named.", completion: Completions.types)
  var types: [String] = []

  @Option(
    name: .long, help: "Only that platform's document; all platforms come after all types.",
    completion: .list(["data_aggregator", "django_etl", "etl_builder", "etlab", "mecapy"]))
  var platform: String?

  @Option(name: .long, help: "text, markdown, json-schema or openrpc.")
  var format = Format.text

  @Flag(exclusivity: .exclusive)
  var library: Library?

  @Flag(
    name: .long, help: "With --django: models whose save() and delete() send commands, by the package daybook_django.")
  var written = false

  @Option(
    name: .long, help: "The folder with the resource types (default: found in $DAYBOOK_HOME, or above the program).",
    completion: .directory)
  var schema: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    if format == .openrpc {
      let document = try await connection.withClient { try await $0.call("rpc.discover") }
      return Terminal.say(output.json ? document.canonicalString : document.indented())
    }
    let folder = try schema ?? Program.folder("schema", containing: ".yaml", option: "--schema")
    let catalog = try Catalog.load(folder: folder)
    if let library { return try writeModels(for: library, catalog) }
    let chosen = try types.isEmpty ? (platform == nil ? catalog.types : []) : types.map { try type($0, in: catalog) }
    let platforms =
      try platform.map { [try self.platform($0, in: catalog)] } ?? (types.isEmpty ? catalog.platforms : [])
    switch output.json ? .jsonSchema : format {
    case .jsonSchema, .openrpc:
      let schemas = chosen.map { (key: $0.name, value: schema(of: $0)) }
      var document: JSONObject = [
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": .object(JSONObject(members: schemas)),
      ]
      if !platforms.isEmpty {
        document["x-platforms"] = .object(
          JSONObject(members: platforms.map { (key: $0.name, value: PlatformListing($0).json) }))
      }
      Terminal.say(output.json ? JSON.object(document).canonicalString : JSON.object(document).indented())
    case .text, .markdown:
      let isMarkdown = format == .markdown
      for type in chosen { CatalogListing(type).lines(isMarkdown: isMarkdown).forEach(Terminal.say) }
      for platform in platforms { PlatformListing(platform).lines(isMarkdown: isMarkdown).forEach(Terminal.say) }
    }
  }

  private func writeModels(for library: Library, _ catalog: Catalog) throws {
    guard let name = platform else {
      throw Failure(
        .usage, "--\(library.rawValue) needs a platform.",
        next: "Add --platform, one of \(catalog.platforms.map(\.name).joined(separator: ", ")).")
    }
    let models = PlatformModels(try platform(name, in: catalog), in: catalog)
    let lines =
      switch library {
      case .django: DjangoModels(models: models, areWritten: written).lines
      case .sqlalchemy: SQLAlchemyModels(models: models).lines
      case .dbt: DbtSources(models: models).lines
      }
    for line in lines { Terminal.say(line) }
  }

  private func platform(_ name: String, in catalog: Catalog) throws -> Platform {
    if let platform = catalog.platform(name) { return platform }
    let known = catalog.platforms.map(\.name)
    throw Failure(
      .usage, "There is no platform \(name).",
      next: Suggestion.nearest(to: name, in: known).map { "Did you mean \($0)?" }
        ?? "There are \(known.joined(separator: ", ")).")
  }

  private func type(_ name: String, in catalog: Catalog) throws -> ResourceType {
    if let type = catalog.type(name) { return type }
    let nearest = Suggestion.nearest(to: name, in: catalog.types.map(\.name))
    throw Failure(
      .usage, "There is no resource type \(name).",
      next: nearest.map { "Did you mean \($0)?" } ?? "daybook catalog lists them all.")
  }

  private func schema(of type: ResourceType) -> JSON {
    guard case .object(var item) = type.itemSchema else { return type.itemSchema }
    let commands = type.commands.filter { !$0.isInternal }
      .map { (key: "\(type.name).\($0.name)", value: type.parametersSchema(of: $0)) }
    item["x-commands"] = .object(JSONObject(members: commands))
    return .object(item)
  }
}
