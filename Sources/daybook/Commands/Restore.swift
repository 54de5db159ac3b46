import ArgumentParser
import BasicTypes
import CanonicalJSON
import EventLog
import Files
import Server
import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook restore`: puts a backup into a data folder.
struct Restore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a backup into a data folder that has no log.",
    discussion: """
      The backup is verified first. The keys are those of the data folder; where
      it has none, those of an export (--keys). Without any, whatever was sealed
      stays unreadable, and that must be said: --without-keys. The read models are
      made anew from the log.

      EXAMPLES
        daybook restore /backups/2026-11-21 --data ./daybook-data
        daybook restore /backups/2026-11-21 --data ./new --keys /vaults/11-21.keys \\
          --erasures /vaults/latest.erasures
      """)

  @Argument(help: "A folder that daybook backup made.", completion: .directory)
  var backup: String

  @OptionGroup var data: DataOptions

  @Option(name: .long, help: "An export of the keys, for a data folder that has none.", completion: .file())
  var keys: String?

  @Flag(name: .long, help: "Restore without keys: sealed values stay unreadable.")
  var withoutKeys = false

  @Option(
    name: .long, help: "Who was erased since (daybook keys erasures): they are erased again.", completion: .file())
  var erasures: String?

  @Option(name: .long, help: "The file with the root key.", completion: .file())
  var rootKeyFile: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if keys != nil, withoutKeys { throw ValidationError("Give --keys or --without-keys, not both.") }
  }

  func run() async throws {
    let folder = DataFolder(data.folder)
    guard access(folder.log + "/data.mdb", F_OK) != 0 else {
      throw Failure(
        .usage, "This data folder has a log already; nothing was changed.", place: folder.log,
        next: "Name a new folder with --data, or move the log out of this one.")
    }
    _ = try BackupManifest.read(from: backup)
    let erased = try erasures.map { try ErasureList(contentsOf: $0) }
    try FileSystem<FileError>.makeDurableFolder(folder.path)
    try takeKeys(folder)
    let place = LogPlace(dataFolder: folder.path, backup: backup, rootKeyFile: rootKeyFile)
    let outcome = try await VerificationChild(place: place, patience: 300, isSilent: output.json).run()
    guard outcome.isHealthy else {
      let problem = outcome.json["problems"]?.arrayValue?.first?.cell("description") ?? "it can't be read"
      throw Failure(.damaged, "The backup is damaged: \(problem)", place: backup, next: "Restore an earlier one.")
    }
    let vault = try openVault(folder, erased)
    defer { vault.close() }
    var bar = ProgressBar("restoring", isSilent: output.json)
    let manifest = try EventLogBackup.restore(
      from: backup, into: folder.logConfiguration(vault: vault, logger: Quiet.logger), noteFile: folder.restored,
      facts: [
        "keys": withoutKeys ? "none" : keys == nil ? "kept" : "imported", "uid": .integer(Int64(getuid())),
      ]
    ) { done, total in
      bar.show(done, of: total, "bytes")
    }
    bar.end()
    // It was about the log that was here before.
    try InstallationNote.remove(folder.accepted)
    if output.json {
      Terminal.say(json: [
        "position": .integer(Int64(clamping: manifest.position)), "root": .string(manifest.root),
        "at": .string(manifest.at.text), "data": .string(folder.path),
      ])
    } else {
      Terminal.say("Restored to position \(manifest.position), as it was at \(manifest.at.text).")
      let rootKey = rootKeyFile.map { " --root-key-file \($0)" } ?? ""
      Terminal.say("Next: daybook serve --data \(folder.path)\(rootKey)")
      if access(folder.postgres, F_OK) == 0 {
        Terminal.say("Its read models may be newer than the log: run daybook rebuild once it serves.")
      }
    }
  }

  /// The vault whose key signs the head of the restored log: the one that is there, or a new one. The keys of those who
  /// were erased are destroyed in it; the server's start erases whatever else the log has of them.
  private func openVault(_ folder: DataFolder, _ erased: ErasureList?) throws -> Vault {
    if erased != nil || access(folder.vault + "/keys", F_OK) != 0 {
      let vault = try Vault.open(folder: folder.vault, rootKeyFile: rootKeyFile)
      defer { vault.close() }
      if let erased { try vault.destroy(erased.owners) }
    }
    return try Vault.openReadOnly(folder: folder.vault, rootKeyFile: rootKeyFile)
  }

  private func takeKeys(_ folder: DataFolder) throws {
    let hasVault = access(folder.vault + "/keys", F_OK) == 0
    if let keys {
      try Vault.importKeys(from: keys, into: folder.vault, rootKeyFile: rootKeyFile)
    } else if !hasVault, !withoutKeys {
      throw Failure(
        .usage, "This data folder has no keys, and a backup holds none.", place: folder.vault,
        next: "Give an export of them with --keys, or say --without-keys: sealed values then stay unreadable.")
    }
  }
}
