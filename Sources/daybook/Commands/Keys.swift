import ArgumentParser
import BasicTypes
import CanonicalJSON
import Files
import Server
import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook keys`: the keys, apart from the log.
struct Keys: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Export, import and rotate the keys; without them a backup's sealed values stay unreadable.",
    discussion: """
      An export is wrapped by the root key, which it doesn't hold: keep both,
      apart from each other. After an erasure every earlier export must be
      destroyed, since it still holds the erased key; export again then.

      EXAMPLES
        daybook keys export /vaults/2026-11-30.keys --data ./daybook-data
        daybook keys erasures /vaults/2026-11-30.erasures --data ./daybook-data
        daybook keys rotate --data ./daybook-data
      """,
    subcommands: [Export.self, Import.self, Show.self, Rotate.self, Erasures.self])

  /// - Throws: ``Failure`` where the data folder has no keys at all, so that a folder that isn't there isn't taken for
  ///   one whose root key is lost.
  fileprivate static func requireKeys(of folder: String) throws {
    let vault = DataFolder(folder).vault
    guard access(vault, F_OK) != 0 else { return }
    guard errno != EACCES else {
      throw Failure(
        .unavailable, "This user may not look into the data folder.", place: folder,
        next: "Run it as the user that owns the folder, or as root.")
    }
    throw Failure(
      .usage, "There are no keys here.", place: vault,
      next: "Name the data folder with --data or DAYBOOK_DATA; daybook serve makes one with keys of its own.")
  }

  /// `daybook keys export`.
  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Write all keys, wrapped, into a new file.")
    @Argument(help: "The file to make.", completion: .file()) var file: String
    @OptionGroup var data: DataOptions
    @Option(name: .long, help: "The file with the root key.", completion: .file()) var rootKeyFile: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
      try Keys.requireKeys(of: data.folder)
      let vault = try Vault.openReadOnly(folder: DataFolder(data.folder).vault, rootKeyFile: rootKeyFile)
      defer { vault.close() }
      try vault.exportKeys(to: file)
      if output.json { return Terminal.say(json: ["file": .string(Program.absolute(file))]) }
      Terminal.say("The keys are in \(file). They open only with the root key in \(vault.status().rootKeyFile).")
    }
  }

  /// `daybook keys import`.
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make the keys of a data folder that has none from an export.")
    @Argument(help: "The export.", completion: .file()) var file: String
    @OptionGroup var data: DataOptions
    @Option(name: .long, help: "The file with the root key that wrapped it.", completion: .file()) var rootKeyFile:
      String?
    @OptionGroup var output: OutputOptions

    func run() throws {
      let folder = DataFolder(data.folder)
      try Vault.importKeys(from: file, into: folder.vault, rootKeyFile: rootKeyFile)
      if output.json { return Terminal.say(json: ["folder": .string(Program.absolute(folder.vault))]) }
      Terminal.say("The keys are in \(folder.vault).")
    }
  }

  /// `daybook keys show`.
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how many keys there are, and whether the last export is still good.")
    @OptionGroup var data: DataOptions
    @Option(name: .long, help: "The file with the root key.", completion: .file()) var rootKeyFile: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
      try Keys.requireKeys(of: data.folder)
      let vault = try Vault.openReadOnly(folder: DataFolder(data.folder).vault, rootKeyFile: rootKeyFile)
      defer { vault.close() }
      let status = vault.status()
      if output.json {
        return Terminal.say(json: [
          "subject_keys": .integer(Int64(status.subjectKeys)),
          "organization_keys": .integer(Int64(status.organizationKeys)),
          "expiring_keys": .integer(Int64(status.expiringKeys)),
          "destroyed_keys": .integer(Int64(status.destroyedKeys)),
          "last_export_at": status.lastExport.map { .string($0.text) } ?? .null,
          "last_export_dead": .bool(status.isLastExportDead),
          "keys_not_exported": .integer(Int64(status.keysNotExported)),
        ])
      }
      Terminal.say(
        "\(status.subjectKeys) keys of persons, \(status.organizationKeys) of organizations, \(status.expiringKeys) that expire; \(status.destroyedKeys) destroyed."
      )
      if status.isLastExportDead {
        Terminal.say(
          "The last export is older than an erasure or a rotation: destroy it, and export again (daybook keys export FILE)."
        )
      } else if let export = status.lastExport {
        Terminal.say("Last exported \(export.text); \(status.keysNotExported) keys are newer.")
      } else {
        Terminal.say("They were never exported: daybook keys export FILE.")
      }
    }
  }

  /// `daybook keys rotate`.
  struct Rotate: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Wrap all keys under a new root key; the server must not run.",
      discussion: """
        The new root key takes the place of the old one, which is overwritten; or
        it goes into a file of its own (--new-root-key-file), and daybook serve is
        started with that one. Exports of keys from before open with the old root
        key alone: destroy both, and export again.

        With --data-keys, persons and organizations get new keys too. What is
        sealed already keeps its key.
        """)
    @OptionGroup var data: DataOptions
    @Option(name: .long, help: "The file with the root key.", completion: .file()) var rootKeyFile: String?
    @Option(
      name: .long, help: "The file of the new root key; made where there is none (default: the old one's).",
      completion: .file()) var newRootKeyFile: String?
    @Flag(name: .long, help: "New keys for persons and organizations too.") var dataKeys = false
    @OptionGroup var output: OutputOptions

    func run() throws {
      let folder = DataFolder(data.folder)
      guard FileSystem<FileError>.exists(folder.vault + "/keys") else {
        throw Failure(.usage, "This data folder has no keys.", place: folder.vault, next: "Name another with --data.")
      }
      let rotation = try Vault.rotateKeys(
        folder: folder.vault, rootKeyFile: rootKeyFile, newRootKeyFile: newRootKeyFile, renewingDataKeys: dataKeys)
      if output.json {
        return Terminal.say(json: [
          "epoch": .integer(Int64(rotation.epoch)), "wrapped_keys": .integer(Int64(rotation.wrappedKeys)),
          "new_data_keys": .integer(Int64(rotation.newDataKeys)), "root_key_file": .string(rotation.rootKeyFile),
        ])
      }
      Terminal.say("\(rotation.wrappedKeys) keys are wrapped under the new root key in \(rotation.rootKeyFile).")
      if dataKeys { Terminal.say("\(rotation.newDataKeys) persons and organizations have new keys.") }
      if newRootKeyFile != nil {
        Terminal.say("Start the server with --root-key-file \(rotation.rootKeyFile), and destroy the old root key.")
      }
      Terminal.say("Export the keys again (daybook keys export FILE), and destroy the exports from before.")
    }
  }

  /// `daybook keys erasures`.
  struct Erasures: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write who was erased into a new file, by id, for daybook restore --erasures.",
      discussion: """
        The file holds no key and no name. Keep it beside the backups, made anew
        after each erasure: a restore with an export of keys from before an
        erasure then destroys again what was destroyed.
        """)
    @Argument(help: "The file to make.", completion: .file()) var file: String
    @OptionGroup var data: DataOptions
    @Option(name: .long, help: "The file with the root key.", completion: .file()) var rootKeyFile: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
      let vault = try Vault.openReadOnly(folder: DataFolder(data.folder).vault, rootKeyFile: rootKeyFile)
      defer { vault.close() }
      let count = try vault.writeErasures(to: file)
      if output.json {
        return Terminal.say(json: ["file": .string(Program.absolute(file)), "erasures": .integer(Int64(count))])
      }
      Terminal.say("\(count) erasures are in \(file).")
    }
  }
}
