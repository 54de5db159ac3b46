import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook clock`: whether the server believes its machine's clock.
struct ClockCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clock",
    abstract: "Show whether the server believes its machine's clock, and confirm that it is right.",
    discussion: """
      A clock that is ahead of what the time since the machine's start explains
      isn't believed: events go on with the explained time, and nothing is swept,
      expired or escalated by itself. A clock that is behind the log's last event
      stops writes. Either ends when the clock is put right, or by confirm.

      EXAMPLES
        daybook clock
        daybook clock confirm --reason "the machine was away for two months"
      """,
    subcommands: [Show.self, Confirm.self], defaultSubcommand: Show.self)

  /// `daybook clock show`.
  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what the clock says, and what is wrong with it.")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let clock = try await connection.withClient { try await $0.call("server.status") }["clock"] ?? [:]
      if output.json { return Terminal.say(json: clock) }
      Terminal.say("The server's clock says \(clock.cell("now")): \(clock.cell("standing")).")
      if let problem = clock["problem"]?.stringValue { Terminal.say(problem) }
    }
  }

  /// `daybook clock confirm`.
  struct Confirm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say that the server's clock is right as it stands; administrators only.")
    @Option(name: .long, help: "Why it is right; recorded.") var reason: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let params: JSONObject = ["reason": .string(reason)]
      let result = try await connection.withClient { try await $0.call("clock.confirm", params) }
      if output.json { return Terminal.say(json: result) }
      let isRecorded = result["events"]?.arrayValue?.isEmpty == false
      Terminal.say(
        isRecorded
          ? "The clock is confirmed at \(result.cell("clock"))."
          : "Nothing is wrong with the clock, which says \(result.cell("clock")): nothing was recorded.")
    }
  }
}
