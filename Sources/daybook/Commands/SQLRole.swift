import ArgumentParser
import CanonicalJSON
import DaybookClient
import Server

/// `daybook sql-role`: who may read the read models with SQL.
struct SQLRole: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sql-role",
    abstract: "Let people and tools read one organization's rows with SQL.",
    discussion: """
      A role sees the rows of its organization and no other's, by row-level
      security; personal columns are NULL to it unless it was granted them
      (--personal), and the grant is recorded.

      EXAMPLES
        daybook sql-role add acme_reports --organization acme
        daybook sql-role add acme_dpo --organization acme --personal
        daybook sql-role remove acme_reports
      """,
    subcommands: [Add.self, List.self, Remove.self, Password.self], defaultSubcommand: List.self)

  /// `daybook sql-role add`.
  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a role for one organization.")
    @Argument(help: "The role's name: lower-case letters, digits, - and _.") var name: String
    @Option(name: .long, help: "The organization, by slug or id.", completion: Completions.organizations)
    var organization: String
    @Flag(name: .long, help: "Let it read personal columns; recorded.") var personal = false
    @Option(name: .long, help: "Why; kept in the event.") var reason: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let (result, url) = try await connection.withClient { client in
        var params: JSONObject = [
          "name": .string(name), "personal": .bool(personal),
          "organization_id": .string(try await Lookup.organization(organization, client)),
        ]
        if let reason { params["reason"] = .string(reason) }
        let result = try await client.call("sql_role.create", params)
        // Who may make a role is an administrator, to whom the status tells it.
        return (result, try await client.call("server.status")["postgres"]?["sql_roles_url"]?.stringValue)
      }
      let roleURL = url.flatMap { $0.isEmpty ? nil : PostgresSettings.url($0, for: name) }
      if output.json {
        var object = result.objectValue ?? [:]
        if let roleURL { object["url"] = .string(roleURL) }
        return Terminal.say(json: .object(object))
      }
      Terminal.say("The role \(name) may read the rows of \(organization)\(personal ? ", personal columns too" : "").")
      if let roleURL {
        Terminal.say("It connects to \(roleURL)")
        if roleURL.contains("host=%2F") {
          Terminal.say(
            "That is a socket of the server's own users: daybook serve --postgres-listen HOST:PORT lets others in.")
        }
      }
      Terminal.say("Next: daybook sql-role password \(name) gives it a password.")
    }
  }

  /// `daybook sql-role list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the roles.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let (items, names) = try await connection.withClient { client in
        let items = try await Pages.all("sql_role.list", ["order": "name"], limit: nil, client)
        let organizations = items.map { Names.Mention(type: "organization", id: $0.cell("organization_id")) }
        return (items, output.json ? Names() : await Names.of(organizations, client))
      }
      if output.json { return Terminal.say(json: .array(items)) }
      var table = Table([.whole("ROLE"), .named("ORGANIZATION"), "PERSONAL COLUMNS", .whole("SINCE")])
      for item in items {
        table.add([
          item.cell("name"), names.resource(item.cell("organization_id")), item.cell("personal"),
          item.when("created_at"),
        ])
      }
      table.show(orElse: "There are no SQL roles.")
    }
  }

  /// `daybook sql-role remove`.
  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take a role away.")
    @Argument(help: "The role's name.") var name: String
    @Option(name: .long, help: "Why; kept in the event.") var reason: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        var params: JSONObject = ["id": .string(try await Lookup.resource(name, type: "sql_role", client))]
        if let reason { params["reason"] = .string(reason) }
        return try await client.call("sql_role.delete", params)
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("The role \(name) is gone.")
    }
  }

  /// `daybook sql-role password`.
  struct Password: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give a role a new password, which is shown once.",
      discussion: "PostgreSQL keeps only its SCRAM verifier, and the log keeps nothing of it.")
    @Argument(help: "The role's name.") var name: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient {
        try await $0.call("sql_role.set_password", ["name": .string(name)])
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say(result.cell("password"))
    }
  }
}
