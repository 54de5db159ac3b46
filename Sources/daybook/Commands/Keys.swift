import ArgumentParser
import BasicTypes
import CanonicalJSON
import Server
import Vault

/// `daybook keys`: the keys, apart from the log.
struct Keys: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Export and import the keys; without them a backup's sealed values stay unreadable.",
    discussion: """
      An export is wrapped by the root key, which it doesn't hold: keep both,
      apart from each other. After an erasure every earlier export must be
      destroyed, since it still holds the erased key; export again then.
      """,
    subcommands: [Export.self, Import.self, Show.self])

  /// `daybook keys export`.
  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Write all keys, wrapped, into a new file.")
    @Argument(help: "The file to make.", completion: .file()) var file: String
    @OptionGroup var data: DataOptions
    @Option(name: .long, help: "The file with the root key.", completion: .file()) var rootKeyFile: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
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
          "The last export is older than an erasure: destroy it, and export again (daybook keys export FILE).")
      } else if let export = status.lastExport {
        Terminal.say("Last exported \(export.text); \(status.keysNotExported) keys are newer.")
      } else {
        Terminal.say("They were never exported: daybook keys export FILE.")
      }
    }
  }
}
