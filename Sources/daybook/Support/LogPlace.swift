import MerkleTree
import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// Where a log and what belongs to it lies: in a data folder, or in a backup with the keys of a data folder.
struct LogPlace: Sendable {
  let dataFolder: String
  let isBackup: Bool
  let logFolder: String
  let headFile: String
  let vaultFolder: String
  let rootKeyFile: String?
  /// The folder of a backup, whose manifest must describe its log; nil for a data folder.
  let backup: String?

  init(dataFolder: String, backup: String? = nil, rootKeyFile: String? = nil) {
    self.dataFolder = dataFolder
    isBackup = backup != nil
    logFolder = "\(backup ?? dataFolder)/log"
    headFile = "\(backup ?? dataFolder)/head"
    vaultFolder = "\(dataFolder)/vault"
    self.rootKeyFile = rootKeyFile
    self.backup = backup
  }

  /// - Throws: ``Failure`` where there is no log.
  func requireLog() throws {
    guard access("\(logFolder)/data.mdb", F_OK) != 0 else { return }
    guard errno != EACCES else {
      throw Failure(
        .unavailable, "This user may not look into the folder, so nothing is known of the log in it.",
        place: logFolder, next: "Run it as the user that owns the folder, or as root.")
    }
    throw Failure(
      .usage, "There is no log here.", place: logFolder,
      next: backup == nil
        ? "Name the data folder with --data or DAYBOOK_DATA; daybook status tells that of a running server."
        : "Name a folder that daybook backup made with --backup.")
  }

  /// The arguments by which `verify-log` is told.
  var arguments: [String] {
    var arguments = ["--log-folder", logFolder]
    // A log that never had an event has no head to compare with, and a folder without keys can't have signed one.
    if access(headFile, F_OK) == 0 || access(vaultFolder, F_OK) == 0 { arguments += ["--head-file", headFile] }
    if access(vaultFolder, F_OK) == 0 { arguments += ["--vault-folder", vaultFolder] }
    if let backup { arguments += ["--backup", backup] }
    if let rootKeyFile { arguments += ["--root-key-file", rootKeyFile] }
    return arguments
  }
}

/// Checks the note that is kept beside a log.
struct HeadVerifier: Sendable {
  private let publicKey: [UInt8]?
  /// Why signatures can't be checked; nil where they can.
  let unverifiable: String?

  init(vaultFolder: String?, rootKeyFile: String?) {
    guard let vaultFolder else {
      publicKey = nil
      unverifiable = "There are no keys here, so the signature of the head was not checked."
      return
    }
    do {
      publicKey = try Vault.openReadOnly(folder: vaultFolder, rootKeyFile: rootKeyFile).verifierKey
      unverifiable = nil
    } catch {
      publicKey = nil
      unverifiable = "The keys can't be read, so the signature of the head was not checked: \(error)"
    }
  }

  /// What the note says; nil where it is no checkpoint, or not signed by the log's key.
  func verify(_ text: String) -> (size: UInt64, root: Digest)? {
    // What doesn't parse is not ours.
    guard let note = try? SignedNote(parsing: Array(text.utf8)), let checkpoint = try? Checkpoint(text: note.text)
    else {
      return nil
    }
    if let publicKey {
      let isOurs = note.signatures.contains { signature in
        (try? NoteVerifier(name: signature.name, publicKey: publicKey).verifies(note)) ?? false
      }
      guard isOurs else { return nil }
    }
    return (checkpoint.size, checkpoint.root)
  }
}
