import ArgumentParser
import CanonicalJSON
import Evidence
import Files
import MerkleTree

/// `daybook verify-bundle`: what an evidence bundle proves.
struct VerifyBundle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify-bundle",
    abstract: "Verify an evidence bundle by itself, without a server and without a network.",
    discussion: """
      It recomputes the SHA-256 of every file, the signatures, the root of the
      log's tree from every header of the range, each record's hash, and whether
      the filter asks for a record that isn't there; and it says in words what that
      proves and what it doesn't. tools/verify_bundle.py does the same in Python.

      The exit code is 0 where nothing contradicts the bundle, and 2 where
      something does. Give --key or --policy: without them the key is that of the
      bundle itself. A policy (C2SP tlog-policy) names the logs and witnesses that
      count, and how many of these must have cosigned; daybook log policy makes one.

      EXAMPLES
        daybook verify-bundle ./evidence --key daybook/0123+89abcdef+AQ…
        daybook verify-bundle ./evidence --key "$KEY" --checkpoint march.note
        daybook verify-bundle ./evidence --policy acme.policy
      """)

  @Argument(help: "The folder of the bundle.", completion: .directory)
  var folder: String

  @Option(name: .long, help: "The log's public key, as you got it another way: the text, or a file of it.")
  var key: String?

  @Option(name: .long, help: "The public key of a witness whose cosignature counts: the text, or a file of it.")
  var witness: [String] = []

  @Option(name: .long, help: "The logs and witnesses that count: a C2SP tlog-policy.", completion: .file())
  var policy: String?

  @Option(name: .long, help: "A checkpoint of the log that you kept from before.", completion: .file())
  var checkpoint: [String] = []

  @OptionGroup var output: OutputOptions

  func run() throws {
    guard FileSystem<FileError>.isFolder(folder) else {
      throw Failure(.usage, "There is no such folder.", place: folder)
    }
    let bar = SharedBar(ProgressBar("verifying", isSilent: output.json))
    defer { bar.end() }
    let report = try BundleVerifier.verify(
      folder, trusting: try key.map(PublicKey.read), witnesses: try witness.map(PublicKey.read),
      policy: try policy.map(PolicyFile.read), comparing: try checkpoint.map { try KeptCheckpoint($0).kept }
    ) { bar.show("", $0, of: $1) }
    bar.end()
    if output.json {
      Terminal.say(json: .object(report.json))
    } else {
      for line in report.lines { Terminal.say(Terminal.plain(line)) }
      Terminal.say(report.isProved ? "The bundle is verified." : "The bundle is not verified.")
    }
    if !report.isProved { throw ExitCode.damaged }
  }
}

/// A public key as a person gives it: the text of it, or a file that holds that.
enum PublicKey {
  static func read(_ given: String) throws -> NoteVerifier {
    var text = given
    if FileSystem<FileError>.exists(given), let bytes = try FileSystem<FileError>.read(given) {
      text = String(decoding: bytes, as: UTF8.self)
    }
    while let last = text.utf8.last, last == 0x0A || last == 0x0D || last == 0x20 { text.removeLast() }
    do {
      return try NoteVerifier(vkey: text)
    } catch {
      throw Failure(
        .usage, "This is no public key: \(error).", place: given,
        next: "It is one line, name+key id+base64; daybook call log.checkpoint shows the log's as verifier_key.")
    }
  }
}

/// A policy in a file.
enum PolicyFile {
  static func read(_ path: String) throws -> TrustPolicy {
    guard let bytes = try FileSystem<FileError>.read(path) else {
      throw Failure(.usage, "There is no such file.", place: path)
    }
    do {
      return try TrustPolicy(parsing: bytes)
    } catch {
      throw Failure(
        .usage, "This is no policy: \(error).", place: path,
        next: "It is lines of log, witness, group and quorum (C2SP tlog-policy); daybook log policy makes one.")
    }
  }
}

/// A checkpoint in a file.
struct KeptCheckpoint {
  let kept: BundleVerifier.Kept
  let size: UInt64

  init(_ path: String) throws {
    guard let bytes = try FileSystem<FileError>.read(path) else {
      throw Failure(.usage, "There is no such file.", place: path)
    }
    do {
      size = try Checkpoint(text: try SignedNote(parsing: bytes).text).size
    } catch {
      throw Failure(
        .usage, "This is no checkpoint: \(error).", place: path,
        next: "It is what daybook call log.checkpoint shows as note.")
    }
    kept = BundleVerifier.Kept(name: path, note: bytes)
  }
}
