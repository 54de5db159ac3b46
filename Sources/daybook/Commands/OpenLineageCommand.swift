import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook openlineage`: to which organization events go.
struct OpenLineageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "openlineage",
    abstract: "Say to which organization the OpenLineage events of a namespace go.",
    discussion: """
      It is for events that an administrator sends without naming an organization.
      A rule for the whole namespace comes before one for its beginning, and a
      longer beginning before a shorter one. What no rule speaks of goes to the
      organization of daybook serve --openlineage-organization.

      EXAMPLES
        daybook openlineage map airflow_ --prefix --organization acme
        daybook openlineage map postgres://warehouse:5432 --datasets \\
          --organization acme
        daybook openlineage rules
        daybook openlineage move airflow_ --prefix --from openlineage --to acme
        daybook import openlineage events.ndjson
      """, subcommands: [Rules.self, Map.self, Unmap.self, Move.self], defaultSubcommand: Rules.self)

  /// What names a rule.
  struct RuleOptions: ParsableArguments {
    @Argument(help: "The namespace, or how it begins.") var namespace: String
    @Flag(name: .long, help: "Every namespace that begins so.") var prefix = false
    @Flag(
      name: .long, help: "Namespaces of datasets, for events that are about a dataset alone, instead of those of jobs.")
    var datasets = false

    var params: JSONObject {
      [
        "namespace": .string(namespace), "match": prefix ? "prefix" : "exact", "kind": datasets ? "dataset" : "job",
      ]
    }

    var sentence: String {
      let subject = datasets ? "events about a dataset alone" : "events of jobs"
      return "\(subject) in \(prefix ? "namespaces that begin with " : "the namespace ")\(Terminal.plain(namespace))"
    }
  }

  /// `daybook openlineage rules`.
  struct Rules: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the rules.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let (items, names) = try await connection.withClient { client in
        let items = try await client.call("openlineage.rules")["items"]?.arrayValue ?? []
        let mentions = items.texts("organization_id").map { Names.Mention(type: "organization", id: $0) }
        return (items, output.json ? Names() : await Names.of(mentions, client))
      }
      if output.json { return Terminal.say(json: .array(items)) }
      var table = Table([.whole("NAMESPACE OF"), .whole("MATCH"), .named("NAMESPACE"), .named("ORGANIZATION")])
      for item in items {
        table.add([
          item.cell("kind"), item.cell("match"), item.cell("namespace"), names.resource(item.cell("organization_id")),
        ])
      }
      table.show(orElse: "There are no rules.")
    }
  }

  /// `daybook openlineage map`.
  struct Map: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Put what is reported of a namespace from now on.")
    @OptionGroup var rule: RuleOptions
    @Option(name: .long, help: "The organization, by id, slug or name.", completion: Completions.organizations)
    var organization: String
    @Option(name: .long, help: "Why; kept in the event.") var reason: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        var params = rule.params
        params["organization_id"] = .string(try await Lookup.organization(organization, client))
        if let reason { params["reason"] = .string(reason) }
        return try await client.call("openlineage.map", params)
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("From now on, \(rule.sentence) go to \(Terminal.plain(organization)).")
    }
  }

  /// `daybook openlineage unmap`.
  struct Unmap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take a rule away.")
    @OptionGroup var rule: RuleOptions
    @Option(name: .long, help: "Why; kept in the event.") var reason: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        var params = rule.params
        if let reason { params["reason"] = .string(reason) }
        return try await client.call("openlineage.unmap", params)
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("There is no rule any more for \(rule.sentence).")
    }
  }
}
