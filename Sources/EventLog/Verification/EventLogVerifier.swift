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
  ///   - headFile: the file with the signed head, where there should be one.
  ///   - verifyHead: checks the note's signature; nil from it means not ours.
  public static func verify(
    folder: String, headFile: String? = nil, verifyHead: (@Sendable (String) -> (size: UInt64, root: Digest)?)? = nil,
    progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in }
  ) throws -> VerificationReport {
    let file = folder + "/data.mdb"
    guard access(file, R_OK) == 0 else { throw FileSystem.failure("read", file) }
    var report = VerificationReport()
    // The note is read before the log: a running server only lets the log grow beyond it.
    let slots = try headFile.map { try readHead($0, verifyHead) } ?? []
    let signed = HeadSlots.newest(slots).flatMap { slots[$0].statement }
    report.signedPosition = signed?.size
    do {
      let environment = try open(folder)
      defer { environment.close() }
      try checkFile(file, environment, &report)
      let databases = try Databases(environment)
      try checkPages(environment, databases, &report)
      let outcome = NIOLockedValueBox<Result<(VerificationReport, [String: UInt64]), any Error>?>(nil)
      let states = try DedicatedThread {
        let result = Result {
          try environment.read { try StateCheck(databases: databases, progress: progress).run($0) }
        }
        outcome.withLockedValue { $0 = result.map { ($0.report, $0.highestNumbers) } }
      }
      let records = Result {
        try environment.read { store in
          try RecordCheck(databases: databases, signed: signed, progress: progress).run(store)
        }
      }
      states.join()
      let checked = try records.get().report
      report.take(checked)
      report.root = checked.root
      if signed == nil, !slots.isEmpty, verifyHead != nil { noteMissingHead(slots, checked.events, &report) }
      guard let folded = try outcome.withLockedValue({ $0 })?.get() else {
        throw EventLogError.damaged("the states were not checked")
      }
      report.take(folded.0)
      report.take(
        try environment.read { store in
          try IndexCheck(databases: databases, highestNumbers: folded.1, progress: progress).run(store)
        })
    } catch let error as LMDBError {
      report.note("LMDB can't read the file: \(error)")
    } catch let error as EventLogError where error.code != .unusable {
      report.note(error.message)
    }
    return report
  }

  /// The two signed heads. A running server may be writing one of them this moment: where neither proves itself, they
  /// are read again.
  private static func readHead(
    _ file: String, _ verify: (@Sendable (String) -> HeadStatement?)?
  ) throws -> [HeadSlots.Slot] {
    let files = HeadSlots(file: file)
    var slots = try files.read { verify?($0) }
    for _ in 0..<10 where verify != nil && slots.contains(.unreadable) && HeadSlots.newest(slots) == nil {
      usleep(10_000)
      slots = try files.read { verify?($0) }
    }
    return slots
  }

  /// What can't be proved where no signed head is whole. A log without events has none.
  private static func noteMissingHead(
    _ slots: [HeadSlots.Slot], _ events: UInt64, _ report: inout VerificationReport
  ) {
    guard events > 0 else { return }
    report.isTailUnproven = true
    report.note(
      slots.contains(.unreadable)
        ? "no signed head beside the log is whole and signed by its key: whether the last events are missing can't be told"
        : "there is no signed head beside the log: whether the last events are missing can't be told")
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

  private static func checkFile(_ file: String, _ environment: Environment, _ report: inout VerificationReport) throws {
    var information = stat()
    guard stat(file, &information) == 0 else { throw FileSystem.failure("read", file) }
    let needed = try EventLog.bytes(ofPagesIn: environment)
    if information.st_size < needed {
      throw EventLogError.damaged("the file is cut: it has \(information.st_size) bytes of \(needed)")
    }
  }

  /// Every page is in a database, free, or one of the two at the front; checked where no commit comes between.
  private static func checkPages(
    _ environment: Environment, _ databases: Databases, _ report: inout VerificationReport
  ) throws {
    for _ in 0..<20 {
      let before = environment.lastTransaction
      let pages = environment.lastPage + 1
      let used = try environment.read { store in
        let housekeeping = try store.housekeepingPages()
        var sum = 2 + housekeeping.directory + housekeeping.freeList + housekeeping.free
        for database in databases.all { sum += try store.statistics(database).pages }
        return sum
      }
      if environment.lastTransaction == before {
        if used != pages { report.note("\(used) pages are accounted for, but the file has \(pages) in use") }
        return
      }
    }
  }
}
