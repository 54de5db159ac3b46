import ArgumentParser
import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook next`: what to try with what is there.
struct NextCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "next",
    abstract: "Propose three commands that show something of what is on the server, to be pasted as they stand.",
    discussion: """
      EXAMPLES
        daybook next
        daybook next --json
      """)

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let commands = try await connection.withClient { try await Self.commands($0) }
    let setting = try setting()
    if output.json {
      return Terminal.say(
        json: ["setting": setting.map(JSON.string) ?? .null, "commands": .array(commands.map(JSON.string))])
    }
    Terminal.say("To try next, in another terminal:")
    for line in [setting].compactMap({ $0 }) + commands { Terminal.say("  \(line)") }
  }

  /// What another terminal needs to find this program and this server; nil where that is found anyway.
  private func setting() throws -> String? {
    var variables: [String] = []
    let isFound = (Terminal.environment("PATH") ?? "").split(separator: ":").contains { folder in
      access("\(folder)/\(Program.name)", X_OK) == 0
    }
    if !isFound { variables.append("PATH=\(Self.quoted(Program.folder)):$PATH") }
    if let address = try connection.placeForOthers() { variables.append("DAYBOOK_CONNECT=\(Self.quoted(address))") }
    return variables.isEmpty ? nil : "export \(variables.joined(separator: " "))"
  }

  /// Three commands about what there is; the first steps where there is nothing.
  private static func commands(_ client: DaybookClient) async throws -> [String] {
    var commands = try await aboutPipelines(client)
    let datasets = try await items("dataset", ["limit": 1, "order": "-updated_at"], client)
    if let id = datasets.first?["id"]?.stringValue { commands.append("daybook lineage \(id)") }
    let failed = try await items("run", ["where": ["status": "failed"], "limit": 1], client)
    if !failed.isEmpty { commands.append("daybook failed --since 30d --limit 3") }
    let organizations = try await items("organization", ["limit": 1, "order": "-created_at"], client)
    guard let slug = organizations.first?["slug"]?.stringValue else { return firstSteps }
    commands += [
      "daybook audit --organization \(quoted(slug)) --limit 10", "daybook list organizations", "daybook status",
    ]
    return Array(commands.prefix(3))
  }

  /// What the pipeline that changed last shows: its latest change, and what it was like before.
  private static func aboutPipelines(_ client: DaybookClient) async throws -> [String] {
    let pipelines = try await items("pipeline", ["limit": 20, "order": "-updated_at"], client)
    guard let latest = pipelines.first?["id"]?.stringValue else { return [] }
    for pipeline in pipelines {
      guard let id = pipeline["id"]?.stringValue else { continue }
      let versions = try await client.call("pipeline.versions", ["id": .string(id), "limit": 100])
      let numbers = (versions["items"]?.arrayValue ?? []).compactMap { $0["version_number"]?.integerValue }.sorted()
      guard numbers.count > 1, let begin = pipeline["created_at"]?.stringValue else { continue }
      let diff = "daybook versions \(id) --diff \(numbers[numbers.count - 2]) \(numbers[numbers.count - 1])"
      return [diff, "daybook get pipeline \(id) --as-of \(begin)"]
    }
    return ["daybook history pipeline \(latest)"]
  }

  private static var firstSteps: [String] {
    let organization = #"daybook call organization.create '{"name":"Acme","slug":"acme"}'"#
    guard let sample = Program.sample("tools/demo-data/nightly.ndjson") else {
      return [organization, "daybook list organizations", "daybook audit --limit 5"]
    }
    return [
      organization, "daybook import openlineage \(quoted(sample)) --organization acme",
      "daybook lineage warehouse.mart.revenue_by_country",
    ]
  }

  private static func items(_ type: String, _ params: JSONObject, _ client: DaybookClient) async throws -> [JSON] {
    try await client.call("\(type).list", params)["items"]?.arrayValue ?? []
  }

  /// A word as a shell reads it back.
  private static func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "_-./:,@%+=".utf8.contains(byte)
      }
    }
    guard !plain || word.isEmpty else { return word }
    return "'\(word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#))'"
  }
}
