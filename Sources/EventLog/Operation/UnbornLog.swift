import Files
import LMDB
import Logging

#if canImport(Glibc)
  import Glibc
#endif

/// A log that is being made, and what a crash, a power cut or a full disk leaves of that.
enum UnbornLog {
  /// Where a log lies until it is whole: its databases, and the mark of its format.
  private static func making(_ folder: String) -> String { folder + "/new" }

  /// Makes the database file of a log that has none, under another name first, so that nobody ever finds a part of one.
  static func make(_ configuration: EventLogConfiguration, _ options: Environment.Options) throws {
    let folder = configuration.folder
    let work = making(folder)
    try removeLeftovers(work)
    guard !FileSystem.exists(folder + "/data.mdb") else { return }
    try FileSystem.makeFolder(work)
    let environment = try Environment(folder: work, options: options)
    do {
      defer { environment.close() }
      try EventLog.checkFormat(environment, Databases(environment))
    }
    // Each commit is synced; the name comes with the folder's next sync.
    try Environment.replaceFile(in: folder, byThatIn: work)
    try removeLeftovers(work)
  }

  private static func removeLeftovers(_ work: String) throws {
    for name in ["data.mdb", "lock.mdb"] { try FileSystem.remove("\(work)/\(name)") }
    try FileSystem.removeFolder(work)
  }

  /// Removes a database file of no more than the two pages that LMDB begins one with, where no head of it was ever
  /// written, beside it or in the vault: no event can have been in it. Programs that made it in its place left such.
  static func clear(_ configuration: EventLogConfiguration) throws {
    let file = configuration.folder + "/data.mdb"
    guard let headFile = configuration.headFile, let identity = try FileSystem.identity(file), identity.size > 0,
      identity.size <= mostBytes
    else { return }
    for head in HeadSlots(file: headFile).files {
      if try FileSystem.read(head)?.contains(where: { $0 != 0 }) ?? false { return }
    }
    if let vault = configuration.vaultHead, try vault.read().joined().contains(where: { $0 != 0 }) { return }
    configuration.logger.notice(
      "the log was never made to its end, and is made anew", metadata: ["file": "\(file)"])
    try FileSystem.remove(file)
  }

  /// The most bytes that a database file without any database has.
  static let mostBytes = 2 * Int64(sysconf(Int32(_SC_PAGESIZE)))
}
