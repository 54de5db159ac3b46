import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import EventLog
import Logging
import Server
import Vault

/// `daybook backup`: a copy of the log.
struct Backup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy the log into a new folder, while the server goes on.",
    discussion: """
      The copy holds no keys, so that no backup can bring an erased person back;
      --keys writes them, wrapped by the root key, into a file of their own. The
      server makes the copy, on its own machine; with --data it is made here, and
      no server may run.

      EXAMPLES
        daybook backup /backups/2026-11-21
        daybook backup /backups/2026-11-21 --keys /vaults/2026-11-21.keys
        daybook backup /backups/2026-11-21 --data ./daybook-data
      """)

  @Argument(help: "The folder to make; it must be new or empty.", completion: .directory)
  var folder: String

  @Option(name: .long, help: "Also export the wrapped keys into this new file.", completion: .file())
  var keys: String?

  @Option(name: .long, help: "Copy this data folder's log without a server.", completion: .directory)
  var data: String?

  @Option(name: .long, help: "The file with the root key, for --data.", completion: .file())
  var rootKeyFile: String?

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let target = Program.absolute(folder)
    let result: JSON
    if let data {
      result = .object(try offline(DataFolder(data), target))
    } else {
      var params: JSONObject = ["folder": .string(target)]
      if let keys { params["keys_file"] = .string(Program.absolute(keys)) }
      result = try await connection.withClient { try await $0.call("log.backup", params) }
    }
    if output.json { return Terminal.say(json: result) }
    Terminal.say("Backed up to position \(result.cell("position")) in \(target).")
    if keys == nil { Terminal.say("It holds no keys: keep an export of them too (daybook keys export FILE).") }
  }

  private func offline(_ data: DataFolder, _ target: String) throws -> JSONObject {
    try LogPlace(dataFolder: data.path).requireLog()
    let vault = try Vault.openReadOnly(folder: data.vault, rootKeyFile: rootKeyFile)
    defer { vault.close() }
    if let keys { try vault.exportKeys(to: keys) }
    let configuration = try data.logConfiguration(vault: vault, logger: Quiet.logger)
    let manifest = try EventLogBackup.make(offline: configuration, into: target)
    return [
      "at": .string(manifest.at.text), "folder": .string(target),
      "position": .integer(Int64(clamping: manifest.position)), "root": .string(manifest.root),
    ]
  }
}

/// A logger for work whose outcome is told by the command itself: warnings and worse only.
enum Quiet {
  static var logger: Logger {
    var logger = Logger(label: "daybook") { LineLogHandler(label: $0, format: .text, level: .warning) }
    logger.logLevel = .warning
    return logger
  }
}
