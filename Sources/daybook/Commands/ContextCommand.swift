import ArgumentParser
import CanonicalJSON

/// `daybook context`: the servers that somebody has signed in to.
struct ContextCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "context",
    abstract: "List the servers that you have signed in to, and choose which one commands ask.",
    discussion: """
      --context NAME (or $DAYBOOK_CONTEXT) chooses one for a single command.
      --connect, $DAYBOOK_CONNECT and $DAYBOOK_DATA go before the chosen one, and
      nothing of a context is sent to an address that is given in these ways.

      EXAMPLES
        daybook context
        daybook context use daybook.acme.example
        daybook failed --context local
      """,
    subcommands: [List.self, Use.self, Remove.self], defaultSubcommand: List.self)

  /// `daybook context list`.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List them; keys are not shown.")
    @OptionGroup var output: OutputOptions

    func run() throws {
      let contexts = try Contexts.read()
      if output.json {
        let all = contexts.names.compactMap { name -> JSON? in
          guard let context = contexts[name] else { return nil }
          return [
            "connect": .string(context.connect), "current": .bool(name == contexts.current),
            "email": context.email.map(JSON.string) ?? .null, "has_key": .bool(context.apiKey != nil),
            "oidc_issuer": context.provider.map { .string($0.issuer) } ?? .null,
            "name": .string(name), "tls_ca": context.certificateAuthorities.map(JSON.string) ?? .null,
          ]
        }
        return Terminal.say(json: .array(all))
      }
      var table = Table(["", .whole("NAME"), .whole("SERVER"), "SIGNS IN AS"])
      for name in contexts.names {
        guard let context = contexts[name] else { continue }
        let key = context.apiKey.map { "key \($0.prefix(8))…" }
        table.add([
          name == contexts.current ? "*" : "", name, context.connect,
          [context.email, key, context.provider.map { $0.issuer }].compactMap { $0 }.joined(separator: ", "),
        ])
      }
      table.show(orElse: "There are no contexts: daybook login makes one.")
    }
  }

  /// `daybook context use`.
  struct Use: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Choose the one that commands ask.")
    @Argument(help: "Its name.", completion: Completions.contexts) var name: String

    func run() throws {
      let context = try Contexts.change { contexts in
        let context = try contexts.named(name)
        contexts.current = name
        return context
      }
      Terminal.say("Commands ask \(context.connect) from now on.")
    }
  }

  /// `daybook context remove`.
  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget one, and the key that was kept for it.",
      discussion: "The key itself stays good until it is revoked or expires: daybook list api_keys shows it.")
    @Argument(help: "Its name.", completion: Completions.contexts) var name: String

    func run() throws {
      let context = try Contexts.change { contexts in
        let context = try contexts.named(name)
        contexts.remove(name)
        return context
      }
      Terminal.say("\(name) is forgotten.")
      if context.apiKey != nil {
        Terminal.say("Next: revoke its key, daybook call api_key.revoke, unless something else uses it.")
      }
    }
  }
}
