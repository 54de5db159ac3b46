import Files
import LMDB
import Logging

#if canImport(Glibc)
  import Glibc
#endif

/// What a crash or a full disk has left of a log that was being made.
enum UnbornLog {
  /// Removes a database file that is shorter than the two pages that LMDB begins one with, where no head of it was ever
  /// written, beside it or in the vault: no event can have been in it.
  static func clear(_ configuration: EventLogConfiguration) throws {
    let file = configuration.folder + "/data.mdb"
    guard let headFile = configuration.headFile, let identity = try FileSystem.identity(file), identity.size > 0,
      identity.size < 2 * Int64(sysconf(Int32(_SC_PAGESIZE)))
    else { return }
    for head in HeadSlots(file: headFile).files {
      if try FileSystem.read(head)?.contains(where: { $0 != 0 }) ?? false { return }
    }
    if let vault = configuration.vaultHead, try vault.read().joined().contains(where: { $0 != 0 }) { return }
    configuration.logger.notice(
      "the log was never made to its end, and is made anew", metadata: ["file": "\(file)"])
    try FileSystem.remove(file)
  }
}
