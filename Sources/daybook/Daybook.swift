import ArgumentParser

/// The command line.
@main
struct Daybook: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "daybook",
    abstract: "An event-sourced metadata service for data platforms, and the client of one.",
    discussion: """
      EXAMPLES
        daybook serve --data ./daybook-data
        daybook list pipelines --where status=active
        daybook failed --since "last night"
        daybook history pipeline "daily load"
        daybook get pipeline "daily load" --as-of "last tuesday"
        daybook rollback "daily load" 1 --reason "the schedule missed a day"
        daybook who "daily load"
        daybook lineage warehouse.orders --direction up
        daybook import openlineage events.ndjson
        daybook verify --data ./daybook-data

      CONNECTING
        --connect unix:PATH, tcp:HOST:PORT or tls:HOST:PORT says where the server
        is; without it $DAYBOOK_CONNECT, the socket in $DAYBOOK_DATA, the server
        of the last daybook login (daybook context), and without all these the
        socket in ./daybook-data. Over TCP and TLS somebody signs in: by daybook
        login, --email, or an API key ($DAYBOOK_API_KEY, --api-key). These options
        may stand before the command's name too.

      EXIT CODES
        0   done
        1   the server refused, or some of what was asked failed
        2   damage was found
        64  the command line is wrong
        69  no server could be reached, or a part that is needed is away

      SHELL COMPLETION
        daybook --generate-completion-script bash > ~/.daybook-completion.bash
        echo '. ~/.daybook-completion.bash' >> ~/.bashrc
        (zsh and fish too; types, names and methods are asked of the server)
      """,
    version: BuildVersion.text,
    groupedSubcommands: [
      CommandGroup(name: "Server", subcommands: [Serve.self]),
      CommandGroup(
        name: "Client",
        subcommands: [
          ListCommand.self, GetCommand.self, History.self, DiffCommand.self, Versions.self, Rollback.self,
          Failed.self, Who.self, AccessCommand.self, Expiring.self, Audit.self, Lineage.self, Tail.self,
          Import.self, OpenLineageCommand.self, InviteCommand.self, Call.self, Status.self, NextCommand.self,
          Login.self,
          ContextCommand.self,
        ]),
      CommandGroup(name: "Read model", subcommands: [ProjectionsCommand.self, Rebuild.self, SQLRole.self]),
      CommandGroup(
        name: "Safekeeping",
        subcommands: [
          Verify.self, VerifyLog.self, Reindex.self, Backup.self, Restore.self, LogCommand.self, Keys.self,
          ClockCommand.self, WitnessCommand.self, Destroy.self,
        ]),
      CommandGroup(name: "Data protection", subcommands: [Subject.self, Redact.self, Secrets.self]),
      CommandGroup(name: "Evidence", subcommands: [Export.self, VerifyBundle.self]),
      CommandGroup(name: "Catalog", subcommands: [CatalogCommand.self, GenerateCommand.self, Version.self]),
    ])

  static func main() async {
    Memory.keepPrivate()
    do {
      // ArgumentParser would answer with its whole help, and with success.
      if CommandLine.arguments.dropFirst().first == "help",
        let unknown = CommandWords.unknown(CommandLine.arguments.dropFirst(2))
      {
        throw unknown.failure
      }
      var command = try await asyncParseAsRoot(CommandWords.inOrder(Array(CommandLine.arguments.dropFirst())))
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      Failure.end(with: error)
    }
  }
}
