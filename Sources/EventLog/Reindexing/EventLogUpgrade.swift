import Files
import LMDB
import Logging

#if canImport(Glibc)
  import Glibc
#endif

/// Brings logs that an earlier program has left to the format of today: once, before the log is opened.
///
/// The records keep their bytes and positions, so whatever was signed or proved of the log stays so. Everything is made
/// in a second file, which is verified and then takes the old one's place by a rename. Ended at any moment, it leaves
/// the old log as it was, and the next start begins again.
public enum EventLogUpgrade {
  /// Brings a log to today's format, where it is there and has an earlier one; nil where there is nothing to do.
  /// - Parameters:
  ///   - configuration: the log as a server opens it; nobody may have it open.
  ///   - derivation: as for ``EventLogReindexer/reindex(_:extent:progress:derivation:)``.
  /// - Throws: ``EventLogError``: `locked`, `diskFull`, `damaged`; whatever the derivation throws. The log is as it was
  ///   then.
  @discardableResult
  public static func run(
    _ configuration: EventLogConfiguration, progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in },
    derivation: (borrowing LogSnapshot) throws -> IndexDerivation
  ) throws -> EventLogReindexer.Outcome? {
    guard let format = format(of: configuration.folder), format != .current else { return nil }
    configuration.logger.notice(
      "the log is of an earlier format and is brought to today's; nothing of the old one goes before that is verified",
      metadata: ["from": "\(format.rawValue)", "to": "\(LogFormat.current.rawValue)"])
    do {
      let made = try EventLogReindexer.reindex(configuration, progress: progress, derivation: derivation)
      configuration.logger.notice(
        "the log was brought to today's format",
        metadata: ["events": "\(made.events)", "root": "\(made.root)", "to": "\(LogFormat.current.rawValue)"])
      for note in made.notes {
        configuration.logger.warning("something of how the log was brought over", metadata: ["note": "\(note)"])
      }
      return made
    } catch let error as EventLogError where error.code == .damaged {
      throw EventLogError.damaged(
        "The log is of the earlier format \(format.rawValue) and can't be brought to \(LogFormat.current.rawValue): "
          + "\(error.message) The program that wrote it can still open it; `daybook verify` says more, and "
          + "`daybook reindex` makes anew what can be.")
    }
  }

  /// The mark of an earlier format that a log in a folder has; nil where it has today's, or can't be read.
  public static func earlierFormat(of folder: String) -> String? {
    format(of: folder).flatMap { $0 == .current ? nil : $0.rawValue }
  }

  /// The format of a log; nil where there is none that can be read, which opening it says better.
  private static func format(of folder: String) -> LogFormat? {
    guard FileSystem.exists(folder + "/data.mdb") else { return nil }
    var options = Environment.Options()
    options.isReadOnly = true
    options.mapSize = 0
    do {
      let environment = try Environment(folder: folder, options: options)
      defer { environment.close() }
      guard let meta = try environment.databases(["meta"]).first else { return nil }
      return try environment.read { try LogFormat.of($0, meta) }
    } catch {
      return nil
    }
  }
}
