import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook expiring`: what soon can't be used any more.
struct Expiring: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show which credentials, keys, share links and certificates expire soon.",
    discussion: """
      The soonest first; what was revoked is left out. Where the server is reached
      by TLS, its certificate is looked at, too. With --check the exit
      code is 1 where anything is shown, for monitors.

      EXAMPLES
        daybook expiring
        daybook expiring --within 90d
        daybook expiring --within 7d --check
      """)

  @Option(name: .long, help: "How far ahead to look: 30d, 2 weeks, 12h …") var within = "30d"
  @Option(name: .long, help: "Only of this organization, by slug, name or id.", completion: Completions.organizations)
  var organization: String?
  @Flag(name: .long, help: "End with 1 where anything is shown.") var check = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  /// What expires, and whether it can be taken back before.
  private static let kinds = [("credential", false), ("api_key", true), ("share_link", true)]

  func run() async throws {
    guard let seconds = Moment.seconds(within) else {
      throw Failure(
        .usage, "--within doesn't understand “\(Terminal.plain(within))”.", next: "Give 30d, 2 weeks, 12h or the like.")
    }
    let until = Timestamp.now.adding(seconds: seconds)
    let (items, names) = try await connection.withClient { client in
      var found: [JSON] = []
      for (type, isRevocable) in Self.kinds {
        var conditions: JSONObject = ["expires_at": ["lte": .string(until.text)]]
        if isRevocable { conditions["is_active"] = true }
        if let organization {
          conditions["organization_id"] = .string(try await Lookup.organization(organization, client))
        }
        do {
          let items = try await Pages.all(
            "\(type).list", ["where": .object(conditions), "order": "expires_at"], limit: nil, client)
          found += items.map { .object(($0.objectValue ?? [:]).merging(["resource_type": .string(type)])) }
        } catch ClientError.remote(let refusal) where refusal.code == .forbidden {
          Terminal.complain("Not looked at: \(type). \(refusal.message)")
        }
      }
      if let end = await client.certificateEnd(), Timestamp(microseconds: end * 1_000_000) <= until {
        found.append([
          "expires_at": .string(Timestamp(microseconds: end * 1_000_000).text), "name": "of the server",
          "resource_type": "certificate",
        ])
      }
      found.sort { $0.cell("expires_at") < $1.cell("expires_at") }
      var mentions = found.texts("organization_id").map { Names.Mention(type: "organization", id: $0) }
      mentions += found.texts("user_id").map { Names.Mention(type: "user", id: $0) }
      mentions += found.texts("workspace_id").map { Names.Mention(type: "workspace", id: $0) }
      return (found, output.json ? Names() : await Names.of(mentions, client))
    }
    if output.json {
      Terminal.say(json: .array(items))
    } else {
      show(items, names)
    }
    if check, !items.isEmpty { throw ExitCode.refused }
  }

  private func show(_ items: [JSON], _ names: Names) {
    let now = Timestamp.now.text
    let ids = Names.Endings(items.texts("id"))
    var table = Table([.whole("EXPIRES"), .status("STATE"), "WHAT", "ORGANIZATION", "WHOSE", .whole("ID")])
    for item in items {
      let type = item.cell("resource_type")
      let name = item["name"]?.stringValue ?? names.name(of: item.cell("workspace_id")) ?? item.cell("token_prefix")
      let owner = item["user_id"]?.stringValue.flatMap(names.name)
      table.add([
        item.when("expires_at"), item.cell("expires_at") <= now ? "expired" : "valid",
        "\(type.map { $0 == "_" ? " " : String($0) }.joined()) \(name)",
        names.name(of: item.cell("organization_id")) ?? names.shown(id: item.cell("organization_id")), owner ?? "",
        ids.shown(item.cell("id")),
      ])
    }
    table.show(orElse: "Nothing expires within \(within).")
  }
}
