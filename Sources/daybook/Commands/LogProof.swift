import ArgumentParser
import CanonicalJSON
import DaybookClient
import Files

/// `daybook log proof`.
struct LogProofCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "proof",
    abstract: "Write a proof that an event is in the log, which foreign programs check.",
    discussion: """
      The file is a C2SP tlog-proof: the place, the RFC 6962 hashes and the signed
      checkpoint. The entry that it proves is the event's header, exactly as
      log.read gives it; --header writes that too. Where a witness has cosigned
      the checkpoint, its signature line can be added at the end.

      EXAMPLES
        daybook log proof 1204 event-1204.tlog-proof --header event-1204.json
      """)

  @Argument(help: "The event's position.") var position: Int64
  @Argument(help: "The file to make; it must not exist.", completion: .file()) var file: String
  @Option(name: .long, help: "Write the header that is proved into this new file.", completion: .file())
  var header: String?
  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard position >= 1 else { throw ValidationError("A position is at least 1.") }
  }

  func run() async throws {
    let (proof, entry) = try await connection.withClient { client in
      let proof = try await client.call("log.proof", ["position": .integer(position), "tlog_proof": true])
      guard header != nil else { return (proof, JSON.null) }
      let page = try await client.call("log.read", ["from": .integer(position), "limit": 1])
      return (proof, page["records"]?.arrayValue?.first?["header"] ?? .null)
    }
    guard let text = proof["tlog_proof"]?.stringValue else {
      throw ClientError.malformed("log.proof answered no file")
    }
    if let header {
      guard entry["position"] == .integer(position) else {
        throw Failure(.refused, "The event's header is not for you to read.", next: "Leave --header out.")
      }
      try FileSystem<FileError>.create(FileSystem<FileError>.absolute(header), entry.canonicalBytes)
    }
    try FileSystem<FileError>.create(FileSystem<FileError>.absolute(file), Array(text.utf8))
    if output.json { return Terminal.say(json: ["file": .string(file), "tree_size": proof["tree_size"] ?? .null]) }
    Terminal.say("The proof is in \(file); it leads to the checkpoint of size \(proof.cell("tree_size")).")
  }
}
