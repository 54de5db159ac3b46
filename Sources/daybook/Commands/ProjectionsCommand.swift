import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook projections`: the read models, and what to do about one that stopped.
struct ProjectionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "projections",
    abstract: "Show how far each read model is, and get one that stopped going again.",
    discussion: """
      EXAMPLES
        daybook projections
        daybook projections retry runs
        daybook projections skip runs 4711 \\
          --reason "a result that no column can hold; ticket 42"
        daybook projections unskip runs 4711 --reason "the column holds it now"
      """,
    subcommands: [List.self, Retry.self, Skip.self, Unskip.self], defaultSubcommand: List.self)

  static func table(_ status: JSON) -> Table {
    var table = Table(["READ MODEL", "STATE", "POSITION", "BEHIND", "SECONDS", "STOPPED AT"])
    for item in status["items"]?.arrayValue ?? [] {
      table.add([
        item.cell("name"), item.cell("state"), item.cell("position"), item.cell("lag_events"), item.cell("lag_seconds"),
        item["error"]?.cell("position") ?? "",
      ])
      if let message = item["error"]?["message"]?.stringValue { table.note(message) }
    }
    return table
  }

  /// `daybook projections list`.
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how far each read model is.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let status = try await connection.withClient { try await $0.call("projection.status") }
      if output.json { return Terminal.say(json: status) }
      ProjectionsCommand.table(status).show(orElse: "There are no read models.")
    }
  }

  /// `daybook projections retry`.
  struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let a read model try the event again that it stopped at.")
    @Argument(help: "The read model.") var name: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let result = try await connection.withClient { try await $0.call("projection.retry", ["name": .string(name)]) }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("\(name) tries again; daybook projections shows whether it goes on.")
    }
  }

  /// `daybook projections skip`.
  struct Skip: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let a read model pass over the event that it stopped at; who did so and why is recorded.")
    @Argument(help: "The read model.") var name: String
    @Argument(help: "The position of the event that it stopped at.") var position: Int64
    @Option(name: .long, help: "Why; kept in the event.") var reason: String
    @Flag(name: .long, help: "Also where it did not stop there: its rows then lack what the event says.")
    var force = false
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      var params: JSONObject = ["name": .string(name), "position": .integer(position), "reason": .string(reason)]
      if force { params["force"] = true }
      let result = try await connection.withClient { try await $0.call("projection.skip", params) }
      if output.json { return Terminal.say(json: result) }
      Terminal.say("\(name) passes over position \(position); recorded at position \(result.cell("position")).")
    }
  }

  /// `daybook projections unskip`.
  struct Unskip: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let a read model take an event again that it was told to pass over; recorded as well.")
    @Argument(help: "The read model.") var name: String
    @Argument(help: "The position of the event.") var position: Int64
    @Option(name: .long, help: "Why; kept in the event.") var reason: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let params: JSONObject = ["name": .string(name), "position": .integer(position), "reason": .string(reason)]
      let result = try await connection.withClient { try await $0.call("projection.unskip", params) }
      if output.json { return Terminal.say(json: result) }
      Terminal.say(
        "\(name) no longer passes over position \(position); recorded at position \(result.cell("position")).")
      Terminal.say("Next: daybook rebuild \(name), which gives it the event.")
    }
  }
}
