import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient

/// `daybook invite`: people who have an account already become members of an organization by accepting.
struct InviteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invite",
    abstract: "Ask people to become members of an organization, and answer such invitations.",
    discussion: """
      Whoever is asked by an e-mail address gets a token, which is shown once: send
      it to that address. Daybook doesn't say whether anybody has the address, and
      only who signs in with it can use the token.

      EXAMPLES
        daybook invite send ann@other.example --organization acme --role admin
        daybook invite list --organization acme
        daybook invite withdraw 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b
        daybook invite accept dbi_…
        daybook invite decline dbi_…
      """, subcommands: [Show.self, Send.self, Accept.self, Decline.self, Withdraw.self], defaultSubcommand: Show.self)

  /// `daybook invite list`.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the invitations that nobody has answered.")
    @Option(name: .long, help: "Only those of this organization, by id, slug or name.")
    var organization: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let (items, names) = try await connection.withClient { client in
        var params: JSONObject = ["order": "-created_at"]
        if let organization {
          params["where"] = ["organization_id": .string(try await Lookup.organization(organization, client))]
        }
        let items = try await Pages.all("invitation.list", params, limit: nil, client)
        let mentions = items.flatMap { item in
          [("organization", "organization_id"), ("user", "user_id"), ("user", "created_by")].map {
            Names.Mention(type: $0.0, id: item.cell($0.1))
          }
        }
        return (items, output.json ? Names() : await Names.of(mentions, client))
      }
      if output.json { return Terminal.say(json: .array(items)) }
      let now = Timestamp.now.text
      let ids = Names.Endings(items.texts("id"))
      var table = Table([
        "ORGANIZATION", "WHO", .whole("AS"), .whole("SINCE"), .whole("UNTIL"), .status("STATE"), "BY", .whole("ID"),
      ])
      for item in items {
        let expiry = item["expires_at"]?.stringValue
        table.add([
          item["organization_name"]?.stringValue ?? names.resource(item.cell("organization_id")),
          item["user_id"]?.stringValue.map { names.name(of: $0) ?? names.shown(id: $0) } ?? item.cell("token_prefix")
            + "…",
          item["is_guest"] == true ? "guest" : item.cell("role"), item.when("created_at"),
          expiry == nil ? "" : item.when("expires_at"), expiry.map { $0 <= now } ?? false ? "expired" : "valid",
          names.name(of: item.cell("created_by")) ?? names.shown(id: item.cell("created_by")),
          ids.shown(item.cell("id")),
        ])
      }
      table.show(orElse: "No invitation waits for an answer.")
    }
  }

  /// `daybook invite send`.
  struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ask whoever has an e-mail address.")
    @Argument(help: "The e-mail address.") var email: String
    @Option(name: .long, help: "The organization, by id, slug or name.", completion: Completions.organizations)
    var organization: String
    @Option(name: .long, help: "The role there: owner, admin or member.") var role = "member"
    @Flag(name: .long, help: "As a guest.") var guest = false
    @Option(name: .long, help: "Until when it may be accepted, RFC 3339; 14 days where nothing is said.")
    var expires: String?
    @Option(name: .long, help: "Why; kept in the event.") var reason: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        var params: JSONObject = [
          "email": .string(email), "organization_id": .string(try await Lookup.organization(organization, client)),
          "role": .string(role),
        ]
        if guest { params["is_guest"] = true }
        if let expires { params["expires_at"] = .string(expires) }
        if let reason { params["reason"] = .string(reason) }
        return try await client.call("invitation.create", params)
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("Send this token to that address; it is shown this once:")
      Terminal.say(result.cell("token"))
      Terminal.say("Who has the address accepts with: daybook invite accept TOKEN")
    }
  }

  /// What an answer to an invitation needs.
  struct TokenOptions: ParsableArguments {
    @Argument(help: "The token that came to your address.") var token: String
  }

  /// `daybook invite accept`.
  struct Accept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Become a member, after signing in.")
    @OptionGroup var invitation: TokenOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient {
        try await $0.call("invitation.redeem", ["token": .string(invitation.token)])
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("You are a member now, by the membership \(result.cell("membership_id")).")
    }
  }

  /// `daybook invite decline`.
  struct Decline: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say no; the token is worth nothing any more.")
    @OptionGroup var invitation: TokenOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient {
        try await $0.call("invitation.decline", ["token": .string(invitation.token)])
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("The invitation is declined.")
    }
  }

  /// `daybook invite withdraw`.
  struct Withdraw: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take an invitation back.")
    @Argument(help: "Its id, as list shows it with --json.") var id: String
    @Option(name: .long, help: "Why; kept in the event.") var reason: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { client in
        var params: JSONObject = ["id": .string(id)]
        if let reason { params["reason"] = .string(reason) }
        return try await client.call("invitation.delete", params)
      }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("The invitation is withdrawn.")
    }
  }
}
