import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Files
import MerkleTree

/// `daybook log policy`.
struct LogPolicyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy",
    abstract: "Write down whose signatures make a checkpoint valid, for those who verify it.",
    discussion: """
      The file is a C2SP tlog-policy, which foreign programs read as well: the log,
      the witnesses, and how many of these must have cosigned. Whoever has it needs
      no other key: daybook verify-bundle, log check and witness ask take it by
      --policy. Check the keys in it before you hand it on: it is what is trusted.

      EXAMPLES
        daybook log policy acme.policy
        daybook log policy acme.policy --quorum 2 --witness "$A" --witness "$B" \\
          --witness "$C https://witness.example"
      """)

  @Argument(help: "The file to make; it must not exist. - is standard output.", completion: .file())
  var file: String

  @Option(name: .long, help: "A witness's verifier key, and after a space its URL; may be repeated.")
  var witness: [String] = []

  @Option(name: .long, help: "How many of the witnesses must have cosigned: all, any, none or a number.")
  var quorum: String?

  @Option(name: .long, help: "A log's verifier key; without one, that of the server. May be repeated.")
  var log: [String] = []

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    var keys = try log.map(PublicKey.read)
    if keys.isEmpty {
      let answer = try await connection.withClient { try await $0.call("log.checkpoint") }
      guard let key = answer["verifier_key"]?.stringValue else {
        throw ClientError.malformed("log.checkpoint answered no verifier_key")
      }
      keys = [try NoteVerifier(vkey: key)]
    }
    let bytes = try Self.policy(logs: keys, witnesses: witness, quorum: quorum).serialized
    if file == "-" { return Terminal.say(String(decoding: bytes.dropLast(), as: UTF8.self)) }
    try FileSystem<FileError>.create(FileSystem<FileError>.absolute(file), bytes)
    Terminal.say("The policy is in \(file).")
  }

  private static func policy(logs: [NoteVerifier], witnesses: [String], quorum: String?) throws -> TrustPolicy {
    var known: [TrustPolicy.Witness] = []
    for given in witnesses {
      let parts = given.split(separator: " ", maxSplits: 1)
      let url = parts.dropFirst().first.map { Array($0.utf8) }
      known.append(TrustPolicy.Witness(try PublicKey.read(String(parts.first ?? "")), url: url))
    }
    let quorum = quorum ?? (known.isEmpty ? "none" : "all")
    let name = Array("witnesses".utf8)
    do {
      switch (quorum, known.count) {
      case ("none", _): return try TrustPolicy(logs: logs.map { TrustPolicy.Log($0) }, witnesses: known)
      case (_, 0): throw NoteError.malformed("no --witness is given")
      default:
        guard let takes = quorum == "all" ? known.count : quorum == "any" ? 1 : Int(quorum) else {
          throw NoteError.malformed("it is none of all, any, none and a number")
        }
        return try TrustPolicy(
          logs: logs.map { TrustPolicy.Log($0) }, witnesses: known,
          groups: [TrustPolicy.Group(name: name, threshold: takes, members: known.map(\.name))], quorum: name)
      }
    } catch {
      throw Failure(.usage, "There is no policy of these: \(error).", place: "--quorum \(quorum)")
    }
  }
}

/// `daybook log check`.
struct LogCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check a checkpoint, or a proof that an event is in the log, by itself.",
    discussion: """
      FILE is a signed checkpoint (log.checkpoint, witness ask) or a C2SP tlog-proof
      (daybook log proof). A proof is of an event's header: give the file that log
      proof --header wrote. The exit code is 0 where all of it holds, and 2 where
      something doesn't.

      EXAMPLES
        daybook log check march.note --policy acme.policy
        daybook log check event-1204.tlog-proof --header event-1204.json \\
          --policy acme.policy
      """)

  @Argument(help: "The checkpoint or proof.", completion: .file())
  var file: String

  @Option(name: .long, help: "The logs and witnesses that count: a C2SP tlog-policy.", completion: .file())
  var policy: String?

  @Option(name: .long, help: "Instead of a policy, the log's public key: the text, or a file of it.")
  var key: String?

  @Option(name: .long, help: "The event's header, exactly as it was written.", completion: .file())
  var header: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (policy == nil) != (key == nil) else { throw ValidationError("Give --policy or --key, one of them.") }
  }

  func run() throws {
    let policy =
      if let policy { try PolicyFile.read(policy) } else {
        try TrustPolicy(logs: try key.map { [TrustPolicy.Log(try PublicKey.read($0))] } ?? [])
      }
    guard !policy.logs.isEmpty else {
      throw Failure(
        .usage, "The policy names no log, so any log would do.", place: self.policy,
        next: "Put a line log VKEY into it.")
    }
    guard let bytes = try FileSystem<FileError>.read(file) else {
      throw Failure(.usage, "There is no such file.", place: file)
    }
    let proof: LogProof?
    let note: SignedNote
    let checkpoint: Checkpoint
    do {
      proof = bytes.starts(with: "c2sp.org/tlog-proof".utf8) ? try LogProof(parsing: bytes) : nil
      note = try proof?.note ?? SignedNote(parsing: bytes)
      checkpoint = try proof?.checkpoint ?? Checkpoint(text: note.text)
    } catch {
      throw Failure(.damaged, "This is no checkpoint and no tlog-proof: \(error).", place: file)
    }
    guard (proof == nil) == (header == nil) else {
      throw Failure(
        .usage, proof == nil ? "A checkpoint proves no event." : "A proof needs the event's header.", place: file,
        next: proof == nil ? "Leave --header out." : "Give the file that log proof --header wrote by --header.")
    }
    try tell(policy.judge(note), of: checkpoint, header: try proof.map(verdict))
  }

  /// Whether the header is proved, and where.
  private func verdict(_ proof: LogProof) throws -> (position: UInt64, isProved: Bool) {
    guard let path = header, let bytes = try FileSystem<FileError>.read(path) else {
      throw Failure(.usage, "There is no such file.", place: header)
    }
    return (proof.index + 1, proof.proves(bytes))
  }

  private func tell(
    _ verdict: TrustPolicy.Verdict, of checkpoint: Checkpoint, header: (position: UInt64, isProved: Bool)?
  ) throws {
    var proved: [String] = []
    var faults: [String] = []
    if let log = verdict.log {
      proved.append(
        "The log \(log.verifier.name) signed the tree of its first \(checkpoint.size) events, with the root "
          + "\(checkpoint.root.base64).")
    } else {
      faults.append("It bears the signature of none of the logs that count, or names another log.")
    }
    for (witness, time) in verdict.cosigned {
      proved.append("The witness \(TrustPolicy.text(witness.name)) has seen that tree, at \(time.text).")
    }
    for witness in verdict.forged {
      faults.append("The signature of the witness \(TrustPolicy.text(witness.name)) is wrong.")
    }
    if let unmet = verdict.unmet { faults.append("It doesn't meet the policy: \(unmet).") }
    if let header {
      if header.isProved {
        proved.append("The header is that of the event \(header.position) of this tree.")
      } else {
        faults.append("The header is not that of the event \(header.position) of this tree.")
      }
    }
    if output.json {
      Terminal.say(
        json: [
          "faults": .array(faults.map(JSON.string)), "proved": .array(proved.map(JSON.string)),
          "verified": .bool(faults.isEmpty),
        ])
    } else {
      for line in faults + proved { Terminal.say(Terminal.plain(line)) }
      Terminal.say(faults.isEmpty ? "It is verified." : "It is not verified.")
    }
    if !faults.isEmpty { throw ExitCode.damaged }
  }
}
