import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Files
import MerkleTree
import Witness

/// `daybook witness`: a second party that cosigns a log's checkpoints.
struct WitnessCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "witness",
    abstract: "Cosign a log's checkpoints, so that nobody can show two histories.",
    discussion: """
      A witness keeps a key of its own and, of each log, the checkpoint that it
      cosigned last. It cosigns a tree only where a proof shows that it continues
      that one (C2SP tlog-witness, cosignature/v1). Run it where the log's own
      people can't reach.

      EXAMPLES
        daybook witness key --name witness.example --key-file witness.key
        daybook witness serve --key-file witness.key --state ./witness --log VKEY
        daybook witness ask http://witness.example:7600 --witness-key VKEY \\
          --output checkpoint.note
        daybook witness ask --policy acme.policy --output checkpoint.note
      """,
    subcommands: [Key.self, Serve.self, Cosign.self, Ask.self])

  /// `daybook witness key`.
  struct Key: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a witness's key, and print what checks it.")
    @Option(name: .long, help: "The witness's name, such as a host name.") var name: String
    @Option(name: .long, help: "The file to make; only its owner reads it.", completion: .file()) var keyFile: String

    func run() async throws { Terminal.say(try WitnessKey.make(name: name, file: keyFile).verifier.vkey) }
  }

  /// What a witness needs.
  struct WitnessOptions: ParsableArguments {
    @Option(name: .long, help: "The witness's key.", completion: .file()) var keyFile: String
    @Option(name: .long, help: "Where it keeps what it cosigned last.", completion: .directory) var state: String
    @Option(name: .long, help: "A log's verifier key (log.checkpoint tells it); may be repeated.") var log: [String]

    func witness() throws -> Witness {
      try Witness(
        signer: try WitnessKey.read(keyFile), logs: try log.map { try NoteVerifier(vkey: $0) }, folder: state)
    }
  }

  /// `daybook witness serve`.
  struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Cosign over HTTP until it is stopped.")
    @OptionGroup var options: WitnessOptions
    @Option(name: .long, help: "HOST:PORT to listen on; put TLS before it.") var listen = "127.0.0.1:7600"

    func run() async throws {
      let parts = listen.split(separator: ":")
      guard parts.count >= 2, let port = parts.last.flatMap({ UInt16($0) }) else {
        throw Failure(.usage, "This is no HOST:PORT.", place: listen)
      }
      let witness = try options.witness()
      let listener = try await WitnessListener.open(
        witness, host: parts.dropLast().joined(separator: ":"), port: Int(port))
      Terminal.say("daybook witness \(witness.verifier.name) ready on \(listener.url)")
      try await listener.closed()
    }
  }

  /// `daybook witness cosign`.
  struct Cosign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Cosign a request that came as a file, and print the cosignature.",
      discussion: "A request is what add-checkpoint takes: daybook witness ask --request makes one.")
    @Argument(help: "The file of the request.", completion: .file()) var file: String
    @OptionGroup var options: WitnessOptions

    func run() async throws {
      guard let bytes = try FileSystem<FileError>.read(file) else {
        throw Failure(.usage, "There is no such file.", place: file)
      }
      switch try options.witness().answer(bytes) {
      case .cosigned(let signature): Terminal.say(signature.line)
      case .conflict(let size):
        throw Failure(
          .refused, "The tree of size \(size) was cosigned last, and this request doesn't continue it.", place: file,
          next: "daybook witness ask --request FILE --old-size \(size) makes one that does.")
      case let answer:
        throw Failure(.refused, String(answer.body.dropLast()), place: file)
      }
    }
  }

  /// `daybook witness ask`.
  struct Ask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Have a server's present checkpoint cosigned, and keep it with the cosignature.",
      discussion: """
        With --policy, every witness of it that has a URL is asked, and it fails
        where its quorum isn't met. A checkpoint that meets it is written even where
        a witness was not to be had, which is told.
        """)
    @Argument(help: "The witness's URL; without it, --request writes what to send by hand.") var url: String?
    @Option(name: .long, help: "The witness's verifier key.") var witnessKey: String?
    @Option(name: .long, help: "Ask the witnesses of this C2SP tlog-policy, until it is met.", completion: .file())
    var policy: String?
    @Option(name: .long, help: "Where to write the cosigned checkpoint; must not exist.", completion: .file())
    var output: String?
    @Option(name: .long, help: "Write a request into this new file instead of sending one.", completion: .file())
    var request: String?
    @Option(name: .long, help: "The size that the witness cosigned last, for --request.") var oldSize: UInt64 = 0
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
      guard [url, request, policy].count(where: { $0 != nil }) == 1 else {
        throw ValidationError("Give a URL, --policy or --request, one of them.")
      }
      guard url == nil || witnessKey != nil else { throw ValidationError("A URL needs --witness-key.") }
    }

    func run() async throws {
      try await connection.withClient { client in
        let note = try await Self.checkpoint(client)
        if let request {
          let made = try await Self.request(note, from: oldSize, client)
          return try FileSystem<FileError>.create(
            FileSystem<FileError>.absolute(request), Array(made.serialized.utf8))
        }
        let cosigned: SignedNote
        if let policy {
          cosigned = try await Self.meeting(try PolicyFile.read(policy), note, client)
        } else if let url, let witnessKey {
          let witness = try WitnessClient(url: url, verifier: try NoteVerifier(vkey: witnessKey))
          cosigned = try await Self.cosigned(note, by: witness, client)
        } else {
          return
        }
        guard let output else { return Terminal.say(String(cosigned.serialized.dropLast())) }
        try FileSystem<FileError>.create(FileSystem<FileError>.absolute(output), Array(cosigned.serialized.utf8))
        Terminal.say("The cosigned checkpoint is in \(output).")
      }
    }

    /// The note with the signatures of the policy's witnesses.
    private static func meeting(
      _ policy: TrustPolicy, _ note: SignedNote, _ client: DaybookClient
    ) async throws -> SignedNote {
      guard policy.logs.isEmpty || policy.judge(note).log != nil else {
        throw Failure(
          .refused, "This server's log is none of the policy's.",
          next: "Compare the verifier_key of daybook call log.checkpoint with the policy's log lines.")
      }
      var signatures: [NoteSignature] = []
      for witness in policy.witnesses {
        guard let url = witness.url.map({ String(decoding: $0, as: UTF8.self) }) else { continue }
        do {
          let asked = try WitnessClient(url: url, verifier: witness.verifier)
          signatures += try await cosigned(note, by: asked, client).signatures.dropFirst(note.signatures.count)
        } catch let failure as Failure where failure.status == .damaged {
          // A witness has seen another history: that is no witness that was not to be had.
          throw failure
        } catch {
          Terminal.complain("\(TrustPolicy.text(witness.name)) has not cosigned: \(error)")
        }
      }
      let result = try SignedNote(text: note.text, signatures: note.signatures + signatures)
      if let unmet = policy.judge(result).unmet {
        throw Failure(
          .refused, "The policy isn't met: \(unmet).",
          next: "Only witnesses with a URL in the policy are asked; ask the others by --request.")
      }
      return result
    }

    private static func checkpoint(_ client: DaybookClient) async throws -> SignedNote {
      let text = try await client.call("log.checkpoint")["note"]?.stringValue ?? ""
      return try SignedNote(parsing: Array(text.utf8))
    }

    private static func request(
      _ note: SignedNote, from old: UInt64, _ client: DaybookClient
    ) async throws -> WitnessRequest {
      let size = try Checkpoint(text: note.text).size
      guard old > 0, old < size else { return WitnessRequest(oldSize: old, proof: [], note: note) }
      let proof = try await client.call(
        "log.proof", ["from_size": .integer(Int64(clamping: old)), "to_size": .integer(Int64(clamping: size))])
      return WitnessRequest(
        oldSize: old,
        proof: (proof["hashes"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { Digest(base64: $0) } },
        note: note)
    }

    /// The note with the witness's signature: asked again with a proof where the witness knows an earlier tree.
    private static func cosigned(
      _ note: SignedNote, by witness: WitnessClient, _ client: DaybookClient
    ) async throws -> SignedNote {
      var old: UInt64 = 0
      for _ in 0..<4 {
        switch try await witness.send(try await request(note, from: old, client)) {
        case .cosigned(let signatures): return try SignedNote(text: note.text, signatures: note.signatures + signatures)
        case .conflict(let size):
          guard size != old, size <= (try Checkpoint(text: note.text)).size else {
            throw Failure(
              .damaged, "The witness cosigned a tree of size \(size) that this log does not continue.",
              next:
                "Compare this log with a checkpoint that was kept elsewhere: daybook export FOLDER --reason … --checkpoint FILE."
            )
          }
          old = size
        }
      }
      throw Failure(.refused, "Others have this log cosigned at the same moment; ask again.")
    }
  }
}
