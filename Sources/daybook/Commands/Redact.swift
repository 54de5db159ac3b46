import ArgumentParser
import CanonicalJSON
import DaybookClient

/// `daybook redact`: values that were written in the clear are taken out again.
struct Redact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take values out of a resource, now and in all its past versions, for good.",
    discussion: """
      For what should never have been written down, such as a name in a
      description. Every answer has {"redacted":true} in its place from then on;
      the log's files and the read models are written anew without it, and every
      proof holds. It is for persons of the platform role officer, who sign in
      with --email. Shows first what goes, and asks; --yes doesn't ask, --dry-run
      only shows. Nobody can bring a value back.

      EXAMPLES
        daybook redact pipeline "daily load" --field description \\
          --reason "Art. 17(1)(d)"
        daybook redact pipeline "daily load" --pointer '/steps/*/config/owner' \\
          --reason "…"
        daybook redact alert 0193f0e2-5f3e-7c1a-9b39-6f3e2c1d0a4b --field message \\
          --reason "…" --dry-run
        daybook redact pipeline "daily load" --field name --past-only --reason "…"
      """)

  @Argument(help: "The type, such as pipeline.") var type: String
  @Argument(help: "The resource's id, living or deleted, or its name where only one has it.") var resource: String
  @Option(name: .long, help: "A field that goes as a whole; may be given again.") var field: [String] = []
  @Option(
    name: .long,
    help: "A value inside a field, as a JSON Pointer; a step * goes everywhere; may be given again.")
  var pointer: [String] = []
  @Option(name: .long, help: "The same for facts of events, such as /name of a version; may be given again.")
  var fact: [String] = []
  @Flag(name: .long, help: "Leave what the resource holds now, and take out what it held before.") var pastOnly = false
  @Option(name: .long, help: "On what ground; kept in the event, so it must not repeat the value.") var reason: String
  @Flag(name: .long, help: "Only show what would go.") var dryRun = false
  @Flag(name: .long, help: "Don't ask.") var yes = false
  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard !(field.isEmpty && pointer.isEmpty && fact.isEmpty) else {
      throw ValidationError("Say what is to go: --field, --pointer or --fact.")
    }
  }

  func run() async throws {
    try await connection.withClient { client in
      let id = try await Lookup.resource(resource, type: type, client)
      let fields = field.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }
      var params: JSONObject = ["resource_id": .string(id), "reason": .string(reason)]
      if !(fields + pointer).isEmpty { params["pointers"] = .array((fields + pointer).map(JSON.string)) }
      if !fact.isEmpty { params["facts"] = .array(fact.map(JSON.string)) }
      if pastOnly { params["past_only"] = true }
      if dryRun || !yes {
        let plan = try await client.call("redaction.create", params.merging(["dry_run": true]))["plan"] ?? .null
        if dryRun, output.json { return Terminal.say(json: plan) }
        try show(plan, id)
        if dryRun || plan["events"] == 0 { return }
        guard let typed = Terminal.ask("Type the id to take these values out for good: ") else {
          throw Failure(.usage, "There is no terminal at which to ask; nothing was taken out.", next: "Give --yes.")
        }
        guard typed.lowercased() == id else {
          throw Failure(.refused, "That is not the id; nothing was taken out.", place: Terminal.plain(typed))
        }
      }
      let result = try await client.call("redaction.create", params)
      if output.json { return Terminal.say(json: result) }
      guard let events = result["redacted"]?["events"]?.integerValue, events > 0 else {
        return Terminal.say("Nothing was to be taken out.")
      }
      Terminal.say("Taken out of \(events) events, by the event at position \(result.cell("position")): \(id).")
    }
  }

  private func show(_ plan: JSON, _ id: String) throws {
    let found = plan.cell("resource_type")
    guard found == type else {
      throw Failure(.refused, "This is a \(found), not a \(type); nothing was taken out.", place: id)
    }
    if output.json { return }
    let state = plan["is_deleted"] == true ? "deleted " : ""
    Terminal.say("Of the \(state)\(Terminal.plain(found)) \(id), in \(plan.cell("events")) events:")
    for value in plan["values"]?.arrayValue ?? [] {
      Terminal.say("  \(Terminal.plain(value.cell("pointer"))): \(value.cell("count"))")
    }
    for other in plan["elsewhere"]?.arrayValue ?? [] {
      Terminal.say(
        "Stays elsewhere: \(other.cell("resource_type")) \(other.cell("resource_id")), "
          + "\(Terminal.plain(other.cell("pointer"))).")
    }
  }
}
