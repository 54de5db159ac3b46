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
        daybook call pipeline.list '{"where":{"status":"active"}}'
        daybook import openlineage events.ndjson
        daybook history pipeline "daily load"
        daybook rollback "daily load" 1 --reason "the schedule missed a day"
        daybook lineage warehouse.orders --direction up
        daybook verify --data ./daybook-data

      CONNECTING
        --connect unix:PATH, tcp:HOST:PORT or tls:HOST:PORT says where the server
        is; without it $DAYBOOK_CONNECT, and without that the socket in the
        default data folder ($DAYBOOK_DATA, else ./daybook-data). Over TCP and
        TLS an API key is needed: $DAYBOOK_API_KEY, or --api-key.

      EXIT CODES
        0   done
        1   the server refused, or some of what was asked failed
        2   damage was found
        64  the command line is wrong
        69  no server could be reached, or a part that is needed is away

      SHELL COMPLETION
        daybook --generate-completion-script bash > ~/.daybook-completion.bash
        (zsh and fish too)
      """,
    version: BuildVersion.text,
    groupedSubcommands: [
      CommandGroup(name: "Server", subcommands: [Serve.self]),
      CommandGroup(
        name: "Client",
        subcommands: [
          Call.self, Import.self, Tail.self, History.self, Versions.self, Rollback.self, Audit.self, Lineage.self,
          Status.self,
        ]),
      CommandGroup(name: "Read model", subcommands: [ProjectionsCommand.self, Rebuild.self, SQLRole.self]),
      CommandGroup(
        name: "Safekeeping",
        subcommands: [
          Verify.self, VerifyLog.self, Reindex.self, Backup.self, Restore.self, LogCommand.self, Keys.self,
          ClockCommand.self, WitnessCommand.self,
        ]),
      CommandGroup(name: "Data protection", subcommands: [Subject.self, Redact.self, Secrets.self]),
      CommandGroup(name: "Evidence", subcommands: [Export.self, VerifyBundle.self]),
      CommandGroup(name: "Catalog", subcommands: [CatalogCommand.self, GenerateCommand.self]),
    ])

  static func main() async {
    Memory.keepPrivate()
    do {
      var command = try parseAsRoot()
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
