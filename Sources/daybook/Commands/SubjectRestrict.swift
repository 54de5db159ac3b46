import ArgumentParser
import CanonicalJSON
import DaybookClient

extension Subject {
  /// `daybook subject restrict`.
  struct Restrict: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Restrict the processing of a person's data to storing it (GDPR Art. 18).",
      discussion: """
        Values of theirs are shown to the person and to officers alone, nobody else
        changes or deletes them, and no sweep takes them, until unrestrict.
        """)
    @OptionGroup var who: Person
    @Option(name: .long, help: "On what ground; kept in the event.") var reason: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let (id, result) = try await Subject.decide("subject.restrict", who, reason, connection)
      if output.json { return Terminal.say(json: result) }
      let isNew = result["events"]?.arrayValue?.isEmpty == false
      Terminal.say(isNew ? "Restricted: \(id)." : "\(id) was restricted already.")
    }
  }

  /// `daybook subject unrestrict`.
  struct Unrestrict: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End the restriction of a person's data. Tell the person before (GDPR Art. 18(3)).")
    @OptionGroup var who: Person
    @Option(name: .long, help: "On what ground; kept in the event.") var reason: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
      let (id, result) = try await Subject.decide("subject.unrestrict", who, reason, connection)
      if output.json { return Terminal.say(json: result) }
      let isNew = result["events"]?.arrayValue?.isEmpty == false
      Terminal.say(isNew ? "Restricted no longer: \(id)." : "\(id) was not restricted.")
    }
  }

  /// Gives a command about a person.
  private static func decide(
    _ method: String, _ who: Person, _ reason: String, _ connection: ConnectionOptions
  ) async throws -> (id: String, result: JSON) {
    try await connection.withClient { client in
      let id = try await who.id(client)
      return (id, try await client.call(method, ["id": .string(id), "reason": .string(reason)]))
    }
  }
}
