import ArgumentParser
import CanonicalJSON
import DaybookClient
import Records
import Vault

/// `daybook secrets`: what stands in the log and should not be readable there.
struct Secrets: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find secrets that stand unsealed in the log.",
    subcommands: [Scan.self], defaultSubcommand: Scan.self)

  /// `daybook secrets scan`.
  struct Scan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the places in the log that look like passwords, tokens and keys, and show none of them.",
      discussion: """
        A place counts by its name (any that ends in password, secret, token, key
        and the like) or by what it holds: a URL with a password, a connection
        string, a signed link. Change what is found where it came from, since the
        log keeps it; then put it into a credential. Exits with 1 where there is
        any.

        EXAMPLES
          daybook secrets scan
          daybook secrets scan --from 120000 --json
        """)
    @Option(name: .long, help: "The first position.") var from: Int64 = 1
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard from >= 1 else { throw ValidationError("--from must be at least 1.") }
    }

    func run() async throws {
      var found: [JSON] = []
      try await connection.withClient { client in
        let head = try await client.call("log.head")["position"]?.integerValue ?? 0
        var bar = ProgressBar("positions", isSilent: output.json)
        var next = from
        while next <= head {
          let page = try await client.call("log.read", ["from": .integer(next), "limit": 10_000])
          for record in page["records"]?.arrayValue ?? [] { found += Self.places(in: record) }
          guard let following = page["next"]?.integerValue, following > next else { break }
          next = following
          bar.show(UInt64(min(next - 1, head)), of: UInt64(head))
        }
        bar.end()
      }
      if output.json {
        Terminal.say(json: .array(found))
      } else {
        var table = Table(["POSITION", "EVENT", "RESOURCE", "PLACE", "WHY"])
        for place in found {
          table.add([
            place.cell("position"), place.cell("event"), place.cell("resource_id"), place.cell("pointer"),
            place.cell("why"),
          ])
        }
        table.show(orElse: "Nothing in the log looks like a secret that stands unsealed.")
      }
      if !found.isEmpty { throw ExitCode.refused }
    }

    /// The places of one record. What an event replaced stood in an earlier one.
    static func places(in record: JSON) -> [JSON] {
      let header = record["header"] ?? .null
      // The catalog's own language speaks of secrets and holds none.
      if header["event"] == "catalog.revised" { return [] }
      return ["set", "data"].flatMap { part in
        SecretPattern.places(in: record["body"]?[part] ?? .null).map { place -> JSON in
          [
            "position": header["position"] ?? .null, "event": header["event"] ?? .null,
            "resource_id": header["resource"] ?? .null, "pointer": .string("/\(part)\(place.pointer)"),
            "why": .string(place.isByName ? "its name" : "what it holds"),
          ]
        }
      }
    }
  }
}
