import Failpoints
import Files
import LMDB

/// Makes everything anew that is kept beside the records: states, indexes, counters, the stored tree.
///
/// The records are proved first, then copied into a new environment in the folder `reindex` of the log's; everything
/// else is made of them, the whole is verified, synced, and takes the old file's place by a rename. Until that rename
/// nothing of the log has changed, whatever ends the process; after it the log is the new one. What is left of an
/// attempt that was ended goes with the next one, or when a server opens the log.
public enum EventLogReindexer {
  /// What was made anew.
  public struct Outcome: Sendable, Equatable {
    /// How many events there are, none of them changed.
    public let events: UInt64
    /// How many states.
    public let states: UInt64
    /// How many entries of indexes.
    public let indexEntries: UInt64
    /// The root of the tree, in base64.
    public let root: String
    /// The position that the signed head was signed for; nil where there is none.
    public let signedPosition: UInt64?
    /// How many answers to command ids were kept: no record tells them.
    public let keptAnswers: UInt64
    /// How many were damaged or missing; nil where that can't be told.
    public let lostAnswers: UInt64?
    /// What the person who asked for it should know of how it was made.
    public let notes: [String]
  }

  /// What is read of a log besides its records.
  public enum Extent: Sendable {
    /// Everything that can be: answers to command ids must all be there.
    case everything
    /// The same; answers that are damaged or missing are given up.
    case soundAnswers
    /// The records alone, for where reading anything else ends the process: every answer is given up.
    case recordsOnly
  }

  /// Where a log is being made anew, inside its folder.
  static func workFolder(_ folder: String) -> String { folder + "/reindex" }

  /// Makes it anew.
  /// - Parameters:
  ///   - configuration: the log as a server opens it; nobody may have it open.
  ///   - derivation: how the indexes follow, asked for once the states are there.
  /// - Throws: ``EventLogError``: `locked` where a process has the log, `damaged` where its records are damaged or
  ///   answers are lost, `diskFull`; whatever the derivation throws. The log is as it was then.
  public static func reindex(
    _ configuration: EventLogConfiguration, extent: Extent = .everything,
    progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in },
    derivation: (borrowing LogSnapshot) throws -> IndexDerivation
  ) throws -> Outcome {
    let lock = try configuration.lockFile.map { try FolderLock(path: $0) }
    defer { lock?.release() }
    let work = workFolder(configuration.folder)
    try removeLeftovers(of: configuration.folder)
    let before = try verify(configuration.folder, configuration, recordsOnly: extent == .recordsOnly, progress)
    guard before.areRecordsWhole else {
      let problem = before.problems.first { !$0.part.isDerived }?.description ?? "they can't be read"
      throw EventLogError.damaged(
        "The records themselves are damaged, so nothing can be made of them: \(problem). Nothing was changed. "
          + "Restore the last good backup.")
    }
    do {
      try FileSystem.makeFolder(work)
      let kept = try build(configuration, work, extent, progress, derivation)
      let after = try verify(work, configuration, recordsOnly: false, progress)
      guard after.isHealthy || after.isWholeInItself, after.root == before.root, after.events == before.events else {
        throw EventLogError.damaged(
          "What was made anew is not whole: \(after.problems.first?.description ?? "it is another log"). "
            + "Nothing was changed.")
      }
      try configuration.failpoints.reached(.reindexVerified)
      try swap(configuration, work)
      return Outcome(
        events: after.events, states: after.states, indexEntries: after.indexEntries, root: after.root,
        signedPosition: after.signedPosition, keptAnswers: kept.kept, lostAnswers: kept.lost,
        notes: kept.notes)
    } catch {
      // What can't be removed now goes with the next attempt, or with the next start of a server.
      _ = try? removeLeftovers(of: configuration.folder)
      throw (error as? LMDBError).map(EventLogError.storage) ?? error
    }
  }

  private static func verify(
    _ folder: String, _ configuration: EventLogConfiguration, recordsOnly: Bool,
    _ progress: @escaping @Sendable (VerificationProgress) -> Void
  ) throws -> VerificationReport {
    try EventLogVerifier.verify(
      folder: folder, headFile: configuration.headFile, vaultHead: configuration.vaultHead,
      verifyHead: configuration.verifyHead, recordsOnly: recordsOnly, progress: progress)
  }

  // MARK: - Making it

  private static func build(
    _ configuration: EventLogConfiguration, _ work: String, _ extent: Extent,
    _ progress: @escaping @Sendable (VerificationProgress) -> Void,
    _ derivation: (borrowing LogSnapshot) throws -> IndexDerivation
  ) throws -> (kept: UInt64, lost: UInt64?, notes: [String]) {
    var options = Environment.Options()
    options.isReadOnly = true
    options.mapSize = 0
    let old = try Environment(folder: configuration.folder, options: options)
    defer { old.close() }
    options.isReadOnly = false
    options.isDurable = false
    // Address space: what is written is cut to pieces, so the file may become larger than the old one.
    let size = try EventLog.bytes(ofPagesIn: old)
    options.mapSize = 4 * size + 1 << 26
    if let free = FileSystem.freeSpace(in: work), free < UInt64(size) {
      throw EventLogError(
        .diskFull,
        "The log is made a second time before the old one goes, which takes about \(size) bytes, and the disk of "
          + "\(configuration.folder) has \(free) left. Nothing was changed. Free space and try again.")
    }
    let new = try Environment(folder: work, options: options)
    defer { new.close() }
    let builder = try LogBuilder(new, progress)
    // A transaction reads the databases that were opened before it began.
    let records = try old.databases(["headers", "bodies"])
    let (subjects, commands, meta) = (
      database("subjects", of: old), database("commands", of: old), database("meta", of: old)
    )
    let (counted, tail, format) = try old.read { store in
      let counted = try countAnswers(store, headers: records[0], commands: commands, meta: meta, extent)
      try builder.copyRecords(from: store, headers: records[0], bodies: records[1])
      try configuration.failpoints.reached(.reindexRecords)
      if extent != .recordsOnly {
        // Who may no longer be found in a record, since a key was destroyed, is found here.
        if let subjects { try builder.copySound("subjects", from: store, subjects) }
      }
      let tail = try JournalTail.read(configuration.folder, behind: builder.head) {
        guard let meta else { throw EventLogError.damaged("The log's meta data can't be opened.") }
        return try Journal.place(store, meta)
      }
      try builder.add(tail, recordsOnly: extent == .recordsOnly)
      return (counted, tail, try meta.flatMap { try LogFormat.of(store, $0) })
    }
    try builder.foldStates()
    let derived = try builder.read { try derivation($0) }
    if extent != .recordsOnly {
      let change = format == .first ? derived.command : nil
      if let commands { try old.read { try builder.copySound("commands", from: $0, commands, change: change) } }
      try builder.addCommands(of: tail, change: change)
    }
    try builder.indexStates(derived)
    try builder.indexSubjects(derived)
    try builder.finish()
    let kept = counted.kept + (extent == .recordsOnly ? 0 : tail.answers)
    return (kept, counted.lost, derived.notes)
  }

  /// A database of the old log; nil where it can't be opened.
  private static func database(_ name: String, of environment: Environment) -> Database? {
    (try? environment.databases([name]))?.first
  }

  /// How many answers to command ids are sound, and how many aren't there any more.
  /// - Throws: ``EventLogError`` `damaged` where some are lost that aren't to be given up.
  private static func countAnswers(
    _ store: borrowing ReadTransaction, headers: Database, commands: Database?, meta: Database?, _ extent: Extent
  ) throws -> (kept: UInt64, lost: UInt64?) {
    if extent == .recordsOnly { return (0, nil) }
    var kept: UInt64 = 0
    var seen: UInt64 = 0
    var entries: UInt64 = 0
    if let commands {
      entries = try store.statistics(commands).entries
      try store.withCursor(commands) { cursor in
        try cursor.scan { key, value in
          guard seen < entries else { return false }
          seen += 1
          if Checksummed.isIntact(key, value) { kept += 1 }
          return true
        }
      }
    }
    var counted: UInt64?
    if let meta {
      let key = Key.meta("entries/commands")
      counted = try store.withValue(meta, key) { Checksummed.position(key.span.bytes, $0) } ?? nil
    }
    // A log without events has counted nothing.
    let events = try store.statistics(headers).entries
    let isCounted = counted != nil || events == 0
    let expected = max(counted ?? 0, entries)
    let lost = isCounted ? expected - kept : nil
    guard extent == .soundAnswers || lost == 0 else {
      let count = lost.map { "\($0) of \(expected)" } ?? "an unknown number of"
      throw EventLogError.damaged(
        "The answers to \(count) command ids are lost, and no record tells them: a client that repeats such a command "
          + "would have it done a second time. Nothing was changed. Say --without-answers to go on all the same.")
    }
    return (kept, lost)
  }

  // MARK: - Taking the old one's place

  private static func swap(_ configuration: EventLogConfiguration, _ work: String) throws {
    let folder = configuration.folder
    try FileSystem.syncFolder(work)
    do {
      try Environment.replaceFile(in: folder, byThatIn: work)
    } catch {
      guard error.isOpenAlready else { throw error }
      throw EventLogError(
        .locked, "Another process reads the log in \(folder), maybe daybook verify: wait until it has ended.",
        underlying: error.code)
    }
    try configuration.failpoints.reached(.reindexRenamed)
    try FileSystem.syncFolder(folder)
    try removeLeftovers(of: folder)
  }

  /// Removes what an attempt has left that was ended.
  static func removeLeftovers(of folder: String) throws(EventLogError) {
    let work = workFolder(folder)
    guard FileSystem.isFolder(work) else { return }
    for name in ["data.mdb", "lock.mdb"] { try FileSystem.remove("\(work)/\(name)") }
    try FileSystem.removeFolder(work)
    try FileSystem.syncFolder(folder)
  }
}
