import BasicTypes
import Files
import LMDB
import MerkleTree
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// Proves a log folder, or says where it is broken; read-only, beside a running server or without one.
///
/// Run it in a process of its own: LMDB trusts its pages, so damage to them can end a process by a signal, which the
/// parent then reports as damage.
public enum EventLogVerifier {
  /// Rehashes every record, rebuilds the tree, folds every state again, checks every index entry and the signed head.
  ///
  /// Damage is in the report; only a folder that can't be looked at (missing,
  /// forbidden) throws ``EventLogError`` `unusable`.
  /// - Parameters:
  ///   - folder: the folder of the LMDB environment.
  ///   - headFile: the first file with the signed head, where there should be one.
  ///   - vaultHead: the third place of the signed head, where the log has one.
  ///   - verifyHead: checks the note's signature; nil from it means not ours.
  ///   - recordsOnly: leaves everything alone that is kept beside the records, for where reading that ends the process.
  public static func verify(
    folder: String, headFile: String? = nil, vaultHead: VaultHead? = nil,
    verifyHead: (@Sendable (String) -> (size: UInt64, root: Digest)?)? = nil, recordsOnly: Bool = false,
    progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in }
  ) throws -> VerificationReport {
    let file = folder + "/data.mdb"
    guard access(file, R_OK) == 0 else { throw FileSystem.failure("read", file) }
    var report = VerificationReport()
    // The notes are read before the log: a running server only lets the log grow beyond them.
    let heads = try headFile.map { try readHeads($0, vaultHead, verifyHead) }
    report.signedPosition = heads?.newest?.statement.size
    if let heads, isCutAtBirth(file, heads) { return unborn(report) }
    let environment: Environment
    do {
      environment = try open(folder)
    } catch {
      try report.note(.file, unreadableBecauseOf: error)
      return report
    }
    defer { environment.close() }
    do {
      try checkFile(file, environment)
    } catch {
      try report.note(.file, unreadableBecauseOf: error)
      return report
    }
    if let heads, try isUnborn(environment, heads) { return unborn(report) }
    let all = recordsOnly ? nil : try open(environment, &report)
    let states = try all.map { try check($0, in: environment, progress) }
    do {
      // The records are compared with the tree and the stored head, in a transaction of their own.
      let records = try all.map { ($0.headers, $0.bodies) } ?? recordDatabases(environment)
      let checked = try environment.read { store in
        try RecordCheck(
          headers: records.0, bodies: records.1, databases: all, signed: heads?.statements.map(\.statement) ?? [],
          progress: progress
        ).run(store)
      }
      report.take(checked.report)
      report.root = checked.report.root
      checkJournal(folder, environment, all, checked.frontier, &report)
      if let heads, heads.newest == nil, verifyHead != nil { noteMissingHead(heads, report.events, &report) }
    } catch {
      try report.note(.records, unreadableBecauseOf: error)
    }
    if let states { report.take(try states()) }
    if let all { try checkPages(environment, all, &report) }
    return report
  }

  /// The report of a log that was never made to its end: whole, without events.
  private static func unborn(_ report: VerificationReport) -> VerificationReport {
    var report = report
    report.root = TreeFrontier().root().base64
    report.areRecordsRead = true
    return report
  }

  /// Whether the file has no more than the two pages that LMDB begins one with, and nothing was ever signed of it; see
  /// ``UnbornLog``.
  private static func isCutAtBirth(_ file: String, _ heads: SignedHeads) -> Bool {
    var information = stat()
    return stat(file, &information) == 0 && information.st_size <= UnbornLog.mostBytes
      && heads.newest == nil && heads.faults.torn.isEmpty
  }

  /// Whether the file is what a power cut leaves of a log whose making was under way: nothing was put into it, not even
  /// the mark of its format, and nothing was ever signed of it. The next start makes it to its end.
  private static func isUnborn(_ environment: Environment, _ heads: SignedHeads) throws -> Bool {
    guard heads.newest == nil, heads.faults.torn.isEmpty, environment.lastPage < 64 else { return false }
    for name in Databases.names {
      let database: Database
      do {
        guard let opened = try environment.databases([name]).first else { return false }
        database = opened
      } catch {
        guard error.isNotFound else { return false }
        continue
      }
      guard try environment.read({ try $0.statistics(database).entries }) == 0 else { return false }
    }
    return true
  }

  /// All databases; nil where one of them can't be opened.
  private static func open(_ environment: Environment, _ report: inout VerificationReport) throws -> Databases? {
    var missing = false
    for name in Databases.names {
      do {
        _ = try environment.databases([name])
      } catch {
        missing = true
        let part = VerifiedPart(rawValue: name) ?? .records
        report.note(part, "LMDB can't open the database \(name): \(error)")
      }
    }
    return missing ? nil : try Databases(environment)
  }

  private static func recordDatabases(_ environment: Environment) throws -> (Database, Database) {
    let opened = try environment.databases(["headers", "bodies"])
    return (opened[0], opened[1])
  }

  /// Begins to check states, indexes and counters, which are compared with one another and so read in one transaction.
  /// - Returns: What waits for the end of it and gives its report.
  private static func check(
    _ databases: Databases, in environment: Environment, _ progress: @escaping @Sendable (VerificationProgress) -> Void
  ) throws -> () throws -> VerificationReport {
    let outcome = NIOLockedValueBox<Result<VerificationReport, any Error>?>(nil)
    let thread = try DedicatedThread {
      let result = Result {
        try environment.read { store in
          var report = VerificationReport()
          var numbers: [String: UInt64]?
          do {
            let folded = try StateCheck(databases: databases, progress: progress).run(store)
            report.take(folded.report)
            numbers = folded.highestNumbers
          } catch {
            try report.note(.states, unreadableBecauseOf: error)
          }
          do {
            report.take(try IndexCheck(databases: databases, highestNumbers: numbers, progress: progress).run(store))
          } catch {
            try report.note(.meta, unreadableBecauseOf: error)
          }
          return report
        }
      }
      outcome.withLockedValue { $0 = result }
    }
    return {
      thread.join()
      guard let result = outcome.withLockedValue({ $0 }) else {
        throw EventLogError(.unusable, "The states were not checked.")
      }
      return try result.get()
    }
  }

  /// Checks what the journal has behind the records in LMDB's pages, unless a server has the log open.
  private static func checkJournal(
    _ folder: String, _ environment: Environment, _ databases: Databases?, _ frontier: TreeFrontier,
    _ report: inout VerificationReport
  ) {
    if JournalTail.isInUse(folder) { return }
    var head = StoredHead()
    head.frontier = frontier
    do {
      let tail = try JournalTail.read(folder, behind: head) {
        guard let databases else { throw EventLogError.damaged("The log's meta data can't be opened.") }
        return try environment.read { try Journal.place($0, databases.meta) }
      }
      var lastTime: [UInt8] = []
      // A batch that drops bodies is written to the pages at once, so here nothing may claim to be dropped.
      var drops = DropLedger()
      for batch in tail.batches {
        let bodies = batch.changes.filter { $0.database == Databases.bodies }
        for (index, header) in batch.changes.filter({ $0.database == Databases.headers }).enumerated() {
          let position = batch.firstPosition + UInt64(index)
          report.events += 1
          guard index < bodies.count, bodies[index].key == header.key, let body = bodies[index].value,
            let bytes = header.value
          else {
            report.note(.journal, "the body is missing", at: position)
            continue
          }
          bytes.withUnsafeBytes { header in
            body.withUnsafeBytes { RecordCheck.check(header, $0, position, &lastTime, &drops, &report) }
          }
        }
      }
      drops.settle(&report, part: .journal)
      report.root = tail.head.frontier.root().base64
    } catch {
      report.note(.journal, (error as? EventLogError)?.message ?? "the journal can't be read: \(error)")
    }
  }

  /// The signed heads. A running server may be writing one of them this moment: where none proves itself, they are read
  /// again.
  private static func readHeads(
    _ file: String, _ vault: VaultHead?, _ verify: (@Sendable (String) -> HeadStatement?)?
  ) throws -> SignedHeads {
    var heads = try SignedHeads(headFile: file, vault: vault) { verify?($0) }
    for _ in 0..<10 where verify != nil && !heads.faults.torn.isEmpty && heads.newest == nil {
      usleep(10_000)
      heads = try SignedHeads(headFile: file, vault: vault) { verify?($0) }
    }
    return heads
  }

  /// What can't be proved where no signed head is whole. A log without events needs none.
  private static func noteMissingHead(_ heads: SignedHeads, _ events: UInt64, _ report: inout VerificationReport) {
    guard events > 0 else { return }
    report.noteUnprovenTail(
      heads.faults.torn.isEmpty
        ? "there is no signed head of the log: whether the last events are missing can't be told"
        : "no signed head of the log is whole and signed by its key: whether the last events are missing can't be told")
  }

  private static func open(_ folder: String) throws(LMDBError) -> Environment {
    var options = Environment.Options()
    options.isReadOnly = true
    // 0 takes the size that the file was last written with.
    options.mapSize = 0
    do throws(LMDBError) {
      return try Environment(folder: folder, options: options)
    } catch {
      guard [EACCES, EROFS, EPERM].contains(error.code) else { throw error }
      options.ignoresLocks = true
      return try Environment(folder: folder, options: options)
    }
  }

  /// How many pages at the end of a whole file may never have been written.
  private static let unwrittenPages: UInt64 = 8

  private static func checkFile(_ file: String, _ environment: Environment) throws {
    // The length of the file is asked for last: a running server only makes it longer.
    let needed = try EventLog.bytes(ofPagesIn: environment)
    var information = stat()
    guard stat(file, &information) == 0 else { throw FileSystem.failure("read", file) }
    guard information.st_size < needed else { return }
    // Pages at the end that were taken and given back within one commit are never written. They are few, since a commit
    // takes again what it has given back; where more is missing, the list of free pages may lie there too, and reading
    // behind the end of the file ends the process.
    let missing = UInt64(needed / environment.pageSize) - UInt64(Int(information.st_size) / environment.pageSize)
    let first = UInt64(Int(information.st_size) / environment.pageSize)
    let isWholePages = Int(information.st_size) % environment.pageSize == 0
    if try isWholePages && missing <= unwrittenPages && environment.read({ try $0.freePages(from: first) }) == missing {
      return
    }
    throw EventLogError.damaged("the file is cut: it has \(information.st_size) bytes of \(needed)")
  }

  /// Every page is in a database, free, or one of the two at the front, all at the same commit.
  private static func checkPages(
    _ environment: Environment, _ databases: Databases, _ report: inout VerificationReport
  ) throws {
    for _ in 0..<20_000 {
      let counted = try environment.read { store -> (used: UInt64, pages: UInt64)? in
        guard let pages = environment.pagesInUse(seenBy: store) else { return nil }
        let housekeeping = try store.housekeepingPages()
        var sum = 2 + housekeeping.directory + housekeeping.freeList + housekeeping.free
        for database in databases.all { sum += try store.statistics(database).pages }
        return (sum, pages)
      }
      if let counted {
        if counted.used != counted.pages {
          report.note(.file, "\(counted.used) pages are accounted for, but the file has \(counted.pages) in use")
        }
        return
      }
      // The server is syncing a commit.
      usleep(500)
    }
    throw EventLogError(
      .unusable, "The server commits without a pause, so the file's pages could not be counted. Verify it again.")
  }
}
