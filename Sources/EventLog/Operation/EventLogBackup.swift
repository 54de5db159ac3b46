import BasicTypes
import CanonicalJSON
import Files
import LMDB
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// What a backup says of itself, in its `manifest.json`.
public struct BackupManifest: Sendable, Equatable {
  /// The position it was made at.
  public let position: UInt64
  /// The root of the tree there, in base64.
  public let root: String
  /// When it was made.
  public let at: Timestamp
}

/// Copies of the log: made while the server runs, without keys, and proved before they are put back.
public enum EventLogBackup {
  /// Copies an open log into a new folder: `log/data.mdb` (compacted), `head` (the
  /// signed head of that copy) and `manifest.json`.
  ///
  /// Throws ``EventLogError`` `unusable` where the folder exists and is not empty.
  public static func make(of log: EventLog, into folder: String) throws -> BackupManifest {
    try requireEmpty(folder)
    try FileSystem.makeFolder(folder + "/log")
    try log.copyEnvironment(to: folder + "/log")
    return try finish(folder, configuration: log.configuration)
  }

  /// The same for a log that no server has open.
  public static func make(offline configuration: EventLogConfiguration, into folder: String) throws -> BackupManifest {
    let log = try EventLog.open(configuration)
    defer { log.close() }
    return try make(of: log, into: folder)
  }

  private static func finish(_ folder: String, configuration: EventLogConfiguration) throws -> BackupManifest {
    let head: LogHead
    do {
      let environment = try Environment(folder: folder + "/log", options: options())
      defer { environment.close() }
      let databases = try Databases(environment)
      head = try LogSnapshot(store: environment.beginRead(), databases: databases).head
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
    if head.position > 0, let sign = configuration.signHead {
      try FileSystem.replace(
        folder + "/head", with: Array(try sign(head.position, head.root).utf8), syncing: true)
    }
    let manifest = BackupManifest(position: head.position, root: head.root.base64, at: .now)
    let json: JSONObject = [
      "at": .string(manifest.at.text), "format": .string(Databases.format),
      "position": .integer(Int64(manifest.position)), "root": .string(manifest.root),
    ]
    try FileSystem.replace(folder + "/manifest.json", with: json.canonicalBytes + [0x0A], syncing: true)
    return manifest
  }

  private static func options() -> Environment.Options {
    var options = Environment.Options()
    options.isReadOnly = true
    options.mapSize = 0
    return options
  }

  /// Puts a backup into a data folder that has no log: copies the file and the signed head. Verify the backup first.
  ///
  /// - Parameters:
  ///   - backup: a folder that ``make(of:into:)`` made.
  ///   - logFolder: where the log shall be; it must not exist or be empty.
  ///   - headFile: where the signed head shall be.
  public static func restore(
    from backup: String, logFolder: String, headFile: String, progress: (UInt64, UInt64) -> Void = { _, _ in }
  ) throws -> BackupManifest {
    guard let bytes = try FileSystem.read(backup + "/manifest.json"), let json = try? JSON.parse(bytes),
      let position = json["position"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
      let root = json["root"]?.stringValue,
      let at = json["at"]?.stringValue.flatMap({ Timestamp($0) })
    else {
      throw EventLogError(
        .unusable, "\(backup) is no backup: it has no readable manifest.json. Name a folder that `daybook backup` made."
      )
    }
    try requireEmpty(logFolder)
    try FileSystem.makeFolder(logFolder)
    try copy(backup + "/log/data.mdb", to: logFolder + "/data.mdb", progress)
    // A head that an earlier log left there would call this one a log without its tail.
    for file in HeadSlots(file: headFile).files { unlink(file) }
    if let head = try FileSystem.read(backup + "/head") {
      try FileSystem.replace(headFile, with: head, syncing: true)
    }
    return BackupManifest(position: position, root: root, at: at)
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
