import ArgumentParser
import BasicTypes
import CanonicalJSON
import EventLog
import Files
import MerkleTree
import Server
import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook log`: a log as text and back, and proofs of it.
struct LogCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log",
    abstract: "Write a log as text that needs no LMDB to be read; prove what is in it, and check such proofs.",
    subcommands: [
      LogDumpCommand.self, LogLoadCommand.self, LogProofCommand.self, LogPolicyCommand.self, LogCheckCommand.self,
    ])
}

/// `daybook log dump`.
struct LogDumpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump",
    abstract: "Write a log as lines of JSON: every record as it is hashed, and what the records don't tell.",
    discussion: """
      The text depends on no database file, so it can be kept longer than any
      program, and moved to where this log's file can't be opened. Its records
      prove themselves: the first line has the root of the tree and the signed
      head, the last one the SHA-256 of all lines before it. Sealed values stay
      sealed, and no keys are in it.

      It is made of a backup, which a running server makes by daybook backup; or
      of a data folder that no server has open. - writes to standard output.

      EXAMPLES
        daybook log dump log.ndjson --backup /backups/2026-11-21
        daybook log dump - --data ./daybook-data | zstd > log.ndjson.zst
      """)

  @Argument(help: "The file to make; it must not exist. - is standard output.", completion: .file())
  var file: String

  @Option(name: .long, help: "A folder that daybook backup made.", completion: .directory)
  var backup: String?

  @Option(name: .long, help: "A data folder that no server has open.", completion: .directory)
  var data: String?

  @Option(name: .long, help: "The file with the root key, for --data.", completion: .file())
  var rootKeyFile: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (backup == nil) != (data == nil) else { throw ValidationError("Give --backup or --data, one of them.") }
  }

  func run() async throws {
    let target = try NewFile(file)
    let bar = SharedBar(ProgressBar("dumping", isSilent: output.json || target.isStandardOutput))
    defer { bar.end() }
    let head: LogHead
    if let backup {
      head = try LogDump.write(ofBackup: backup, to: target.write) { bar.show($0) }
    } else {
      let folder = DataFolder(data ?? "")
      try LogPlace(dataFolder: folder.path).requireLog()
      let vault = try Vault.openReadOnly(folder: folder.vault, rootKeyFile: rootKeyFile)
      defer { vault.close() }
      let log = try EventLog.open(folder.logConfiguration(vault: vault, logger: Quiet.logger))
      defer { log.close() }
      let note = try log.signedHead()?.note
      let now = log.clock.at
      head = try log.read { try LogDump.write($0, note: note, at: now, to: target.write) { bar.show($0) } }
    }
    try target.finish()
    bar.end()
    if target.isStandardOutput { return }
    if output.json {
      return Terminal.say(json: [
        "file": .string(Program.absolute(file)), "position": .integer(Int64(clamping: head.position)),
        "root": .string(head.root.base64),
      ])
    }
    Terminal.say("Wrote \(head.position) events to \(file).")
    Terminal.say("Root: \(head.root.base64)")
    Terminal.say("It holds no keys: keep an export of them too (daybook keys export FILE).")
  }
}

/// `daybook log load`.
struct LogLoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Make a backup of a log's text, which daybook restore puts into a data folder.",
    discussion: """
      Every record is hashed again, the tree is built of them, states and history
      are made anew, and the whole is verified; a text of which a byte is another
      one, or whose end is missing, is refused with the line. - reads standard
      input.

      EXAMPLES
        daybook log load log.ndjson /backups/from-text
        daybook restore /backups/from-text --data ./new --keys /vaults/11-21.keys
      """)

  @Argument(help: "A file that daybook log dump made. - is standard input.", completion: .file())
  var file: String

  @Argument(help: "The folder to make; it must be new or empty.", completion: .directory)
  var folder: String

  @OptionGroup var output: OutputOptions

  func run() async throws {
    var reader = try ByteReader(path: file)
    let bar = SharedBar(ProgressBar("loading", isSilent: output.json))
    defer { bar.end() }
    let manifest: BackupManifest
    do {
      var information = stat()
      let isFile = stat(file, &information) == 0 && information.st_mode & S_IFMT == S_IFREG
      let bytes = isFile ? UInt64(information.st_size) : nil
      manifest = try LogDump.load(into: Program.absolute(folder), bytes: bytes) {
        bar.show($0)
      } next: {
        try reader.line()
      }
    } catch let error as EventLogError where error.code == .damaged {
      throw Failure(
        .damaged, error.message, place: file,
        next: "Nothing can be restored of \(folder): remove it, and use another copy of the text.")
    }
    bar.end()
    if output.json {
      return Terminal.say(json: [
        "at": .string(manifest.at.text), "folder": .string(Program.absolute(folder)),
        "position": .integer(Int64(clamping: manifest.position)), "root": .string(manifest.root),
      ])
    }
    Terminal.say("Made a backup of \(manifest.position) events in \(folder), and verified it.")
    Terminal.say("Root: \(manifest.root)")
    Terminal.say("Next: daybook restore \(folder) --data FOLDER --keys FILE")
  }
}

/// A file that is there once it is whole, or standard output.
private final class NewFile {
  let isStandardOutput: Bool
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private var offset: Int64 = 0

  init(_ path: String) throws {
    isStandardOutput = path == "-"
    self.path = path
    temporary = path + ".new"
    if isStandardOutput {
      descriptor = STDOUT_FILENO
      return
    }
    guard access(path, F_OK) != 0 else {
      throw Failure(.usage, "This file exists; nothing was changed.", place: path, next: "Name a new one.")
    }
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw Failure(.usage, "The file can't be made: \(String(cString: strerror(errno))).", place: temporary)
    }
  }

  deinit {
    if !isStandardOutput { close(descriptor) }
  }

  func write(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let written = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        throw Failure(.refused, "Writing failed: \(String(cString: strerror(errno))).", place: path)
      }
      done += written
    }
  }

  /// Makes the file durable, under its name.
  func finish() throws {
    if isStandardOutput { return }
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
      throw Failure(.refused, "The file can't be finished: \(String(cString: strerror(errno))).", place: path)
    }
    try FileSystem<FileError>.syncFolder(FileSystem<FileError>.parent(of: Program.absolute(path)) ?? ".")
  }
}
