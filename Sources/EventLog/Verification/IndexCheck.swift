import LMDB

/// Checks the derived indexes: every entry by its own checksum, each index by its
/// counted entries, the counters by the states.
struct IndexCheck {
  let databases: Databases
  /// The highest number given to each type; nil where the states can't be read.
  let highestNumbers: [String: UInt64]?
  let progress: @Sendable (VerificationProgress) -> Void

  func run(_ store: borrowing ReadTransaction) throws -> VerificationReport {
    var report = VerificationReport()
    let indexes: [(part: VerifiedPart, database: Database)] = [
      (.unique, databases.unique), (.links, databases.links), (.subjects, databases.subjects),
      (.commands, databases.commands),
    ]
    var totals: [UInt64] = []
    for index in indexes { totals.append(try store.statistics(index.database).entries) }
    let total = totals.reduce(0, +)
    for ((part, database), entries) in zip(indexes, totals) {
      var count: UInt64 = 0
      try store.withCursor(database) { cursor in
        try cursor.scan { key, value in
          guard count <= entries else { return false }
          if !Checksummed.isIntact(key, value) {
            report.note(part, "an entry of the index \(database.name) is damaged")
          }
          count += 1
          report.indexEntries += 1
          if report.indexEntries & 0x3FFF == 0 {
            progress(VerificationProgress(phase: "indexes", done: report.indexEntries, total: total))
          }
          return true
        }
      }
      if count != entries { report.note(part, "the index \(database.name) can't be read to its end") }
    }
    try checkCounters(store, &report)
    progress(VerificationProgress(phase: "indexes", done: report.indexEntries, total: total))
    return report
  }

  private func checkCounters(_ store: borrowing ReadTransaction, _ report: inout VerificationReport) throws {
    func counter(_ name: String) throws -> UInt64? {
      let key = Key.meta(name)
      let found = try store.withValue(databases.meta, key) { Checksummed.position(key.span.bytes, $0) }
      guard let found else { return nil }
      if found == nil { report.note(.meta, "the counter \(name) is damaged") }
      return found
    }
    let isEmpty = try store.statistics(databases.headers).entries == 0
    let counted: [(part: VerifiedPart, database: Database)] = [
      (.states, databases.states), (.unique, databases.unique), (.links, databases.links),
      (.subjects, databases.subjects), (.commands, databases.commands),
    ]
    for (part, database) in counted {
      let entries = try store.statistics(database).entries
      let counted = try counter("entries/\(database.name)")
      if counted != entries && !(isEmpty && counted == nil && entries == 0) {
        report.note(part, "the index \(database.name) has \(entries) entries instead of \(counted ?? 0)")
      }
    }
    for (type, number) in highestNumbers ?? [:] where try counter("number/\(type)") != number {
      report.note(.meta, "the counter of numbers of \(type) differs from the highest number given")
    }
    do {
      let withJournal = try Journal.place(store, databases.meta) != nil
      let mark = try store.value(databases.meta, Key.meta("format")) ?? []
      if LogFormat.read(mark)?.withJournal != withJournal { report.note(.meta, "the format mark is damaged") }
    } catch let error as EventLogError {
      report.note(.meta, error.message)
    }
  }
}
