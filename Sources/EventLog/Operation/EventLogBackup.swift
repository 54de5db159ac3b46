import BasicTypes
import CanonicalJSON
import Files
import LMDB
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// Copies of the log: made while the server runs, without keys, and proved before they are put back.
public enum EventLogBackup {
  /// Copies an open log into a new folder: `log/data.mdb` (compacted), `head` (the
  /// signed head of that copy) and, last, `manifest.json`.
  ///
  /// When it returns, the backup is on the disk: its files, its folders, and its name in the folder above. Only this
  /// process's user can read it.
  /// - Throws: ``EventLogError`` `unusable` where the folder exists and is not empty.
  public static func make(of log: EventLog, into folder: String) throws -> BackupManifest {
    try make(of: log, into: folder) { _ in }
  }

  /// The same for a log that no server has open.
  public static func make(offline configuration: EventLogConfiguration, into folder: String) throws -> BackupManifest {
    let log = try EventLog.open(configuration)
    defer { log.close() }
    return try make(of: log, into: folder)
  }

  /// The same.
  /// - Parameter synced: For tests: hears of every file and folder that was made durable, in order.
  package static func make(
    of log: EventLog, into folder: String, synced: (String) -> Void
  ) throws -> BackupManifest {
    try requireEmpty(folder)
    let above = FileSystem.foldersToSync(toMake: folder)
    try FileSystem.makeFolder(folder + "/log")
    try log.copyEnvironment(to: folder + "/log")
    synced(folder + "/log/data.mdb")
    let head = try storedHead(in: folder)
    if head.position > 0, let note = try log.signature(ofCopyAt: head) {
      try FileSystem.replace(folder + "/head", with: Array(note.utf8), syncing: true)
      synced(folder + "/head")
    }
    // The manifest says that all the rest is there, so it comes once that is so.
    for part in [folder + "/log", folder] {
      try FileSystem.syncFolder(part)
      synced(part)
    }
    let manifest = BackupManifest(
      position: head.position, root: head.root.base64, at: max(log.clock.at, head.at ?? .minimum),
      lastEventAt: head.at)
    let file = folder + "/" + BackupManifest.fileName
    try FileSystem.replace(file, with: manifest.bytes, syncing: true)
    synced(file)
    for part in [folder] + above {
      try FileSystem.syncFolder(part)
      synced(part)
    }
    return manifest
  }

  /// The head of the copy in a backup's folder.
  private static func storedHead(in folder: String) throws -> LogHead {
    try withEnvironment(of: folder) { environment, databases in
      try LogSnapshot(store: environment.beginRead(), databases: databases).head
    }
  }

  /// Lends the log in a backup's folder to a closure.
  static func withEnvironment<Value>(
    of folder: String, _ body: (Environment, Databases) throws -> Value
  ) throws -> Value {
    var options = Environment.Options()
    options.isReadOnly = true
    options.mapSize = 0
    // Nobody writes to it, and a backup has no lock file.
    options.ignoresLocks = true
    do {
      let environment = try Environment(folder: folder + "/log", options: options)
      defer { environment.close() }
      return try body(environment, Databases(environment))
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
  }

  /// Compares what a backup's manifest says with the log that it lies beside.
  ///
  /// It reads the log's pages, so where these may be damaged do it in a process of its own, as ``EventLogVerifier``.
  /// - Returns: the manifest.
  /// - Throws: ``EventLogError``: `damaged` where there is no manifest or it contradicts the log; `unusable` for a
  ///   format that this program doesn't know.
  @discardableResult
  public static func checkManifest(of backup: String) throws -> BackupManifest {
    let manifest = try BackupManifest.read(from: backup)
    if let problem = manifest.contradiction(to: try storedHead(in: backup)) {
      throw EventLogError.damaged(
        "\(backup)/\(BackupManifest.fileName) doesn't describe the log beside it: \(problem).")
    }
    return manifest
  }

  /// Adds to the report about a backup's log what its manifest says otherwise, or that there is none.
  /// - Throws: ``EventLogError`` `unusable`, as ``checkManifest(of:)``.
  public static func checkManifest(of backup: String, noting report: inout VerificationReport) throws {
    do {
      try checkManifest(of: backup)
    } catch let error as EventLogError where error.code != .unusable {
      report.note(.manifest, error.message)
    }
  }

  /// Puts a backup into a data folder that has no log: copies the file, and signs its head. Verify the backup first.
  ///
  /// Whatever was signed of a log that was there counts no more from then on, though the key may so sign another tree
  /// of a size that it has signed before; the note for the first start says up to where that may be. When it returns,
  /// the log is on the disk.
  /// - Parameters:
  ///   - backup: a folder that ``make(of:into:)`` made.
  ///   - configuration: how the log will be opened; its folder must not exist or be empty.
  ///   - noteFile: where an ``InstallationNote`` shall be, for the first start; nil leaves none.
  ///   - facts: what else that shall say.
  /// - Throws: ``EventLogError``, as ``checkManifest(of:)`` and where a file can't be written; what signing throws.
  public static func restore(
    from backup: String, into configuration: EventLogConfiguration, noteFile: String? = nil, facts: JSONObject = [:],
    progress: (UInt64, UInt64) -> Void = { _, _ in }
  ) throws -> BackupManifest {
    let manifest = try checkManifest(of: backup)
    try requireEmpty(configuration.folder)
    try FileSystem.makeDurableFolder(configuration.folder)
    if let noteFile {
      let facts = facts.merging(try signedBefore(configuration, manifest, noteFile))
      try InstallationNote(restored: manifest, at: .now, facts).write(to: noteFile)
      try FileSystem.syncFolder(FileSystem.parent(of: noteFile) ?? ".")
    }
    try signHeads(of: manifest, configuration)
    // Under its name the log is there, so that comes last.
    try copy(backup + "/log/data.mdb", to: configuration.folder + "/data.mdb", progress)
    try FileSystem.syncFolder(configuration.folder)
    return manifest
  }

  /// What is to be recorded of a log that was there before: up to where its head was signed, where that is not within
  /// the backup.
  private static func signedBefore(
    _ configuration: EventLogConfiguration, _ manifest: BackupManifest, _ noteFile: String
  ) throws -> JSONObject {
    var facts: JSONObject = [:]
    var size = manifest.position
    // A restore that was ended has signed other heads since, and has left a note.
    if let earlier = try InstallationNote.read(noteFile)?.facts, let root = earlier["signed_root"],
      let position = earlier["signed_position"]?.integerValue.flatMap({ UInt64(exactly: $0) }), position >= size
    {
      size = position
      facts = ["signed_position": JSON(position: position), "signed_root": root]
    }
    guard let file = configuration.headFile, let verify = configuration.verifyHead,
      let signed = try SignedHeads(headFile: file, vault: configuration.vaultHead, verify).newest?.statement,
      signed.size >= size, signed.root.base64 != manifest.root
    else { return facts }
    return ["signed_position": JSON(position: signed.size), "signed_root": .string(signed.root.base64)]
  }

  /// Has every place for a signed head say where the backup ends: what an earlier log left there would call this one a
  /// log without its tail.
  private static func signHeads(of manifest: BackupManifest, _ configuration: EventLogConfiguration) throws {
    guard let file = configuration.headFile, let sign = configuration.signHead else { return }
    guard let root = Digest(base64: manifest.root) else { throw EventLogError.damaged("The manifest's root is none.") }
    let note = try sign(manifest.position, root)
    let slots = HeadSlots(file: file)
    for file in slots.files { try FileSystem.remove(file) }
    _ = try slots.prepare(with: note)
    if let vault = configuration.vaultHead {
      for index in try vault.read().indices { try vault.write(note, index) }
    }
  }

  private static func requireEmpty(_ folder: String) throws(EventLogError) {
    guard try FileSystem.names(in: folder)?.isEmpty ?? true else {
      throw EventLogError(.unusable, "\(folder) is not empty. Choose a new folder; nothing was changed.")
    }
  }

  private static func copy(_ source: String, to target: String, _ progress: (UInt64, UInt64) -> Void) throws {
    let input = open(source, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw FileSystem.failure("read", source) }
    defer { close(input) }
    let temporary = target + ".new"
    let output = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw FileSystem.failure("write", temporary) }
    defer { close(output) }
    var information = stat()
    fstat(input, &information)
    let total = UInt64(information.st_size)
    var done: UInt64 = 0
    while true {
      let chunk = try FileSystem.read(input, atMost: 1 << 20, source)
      if chunk.isEmpty { break }
      try FileSystem.write(chunk, to: output, at: Int64(done), temporary)
      done += UInt64(chunk.count)
      progress(done, total)
    }
    guard fsync(output) == 0, rename(temporary, target) == 0 else { throw FileSystem.failure("finish", target) }
  }
}
