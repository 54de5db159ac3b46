import BasicTypes
import Files
import LMDB

extension LogDump {
  /// Writes the log of a backup as text, as ``write(_:note:at:to:progress:)`` does: nobody may write to the folder.
  /// - Throws: as that one; ``EventLogError`` `unusable` for a backup of an earlier format.
  public static func write(
    ofBackup folder: String, to write: @escaping ([UInt8]) throws -> Void,
    progress: (VerificationProgress) -> Void = { _ in }
  ) throws -> LogHead {
    let manifest = try EventLogBackup.checkManifest(of: folder)
    return try EventLogBackup.withEnvironment(of: folder) { environment, databases in
      guard try environment.read({ try LogFormat.of($0, databases.meta) }) == .current else {
        throw EventLogError(
          .unusable,
          "The backup \(folder) is of an earlier format. Restore it into a new data folder and start a server there "
            + "once, which brings it to today's; then dump that.")
      }
      let note = try FileSystem.read(folder + "/head").map { String(decoding: $0, as: UTF8.self) }
      let snapshot = try LogSnapshot(store: environment.beginRead(), databases: databases)
      return try self.write(snapshot, note: note, at: manifest.at, to: write, progress: progress)
    }
  }
}
