import LMDB

/// Checks the derived indexes: every entry by its own checksum, each index by its counted entries, the counters by the states.
struct IndexCheck {
  let store: ReadTransaction
  let databases: Databases
  let highestNumbers: [String: UInt64]
  let progress: @Sendable (VerificationProgress) -> Void

  func run() throws -> VerificationReport {
    var report = VerificationReport()
    let indexes = [databases.unique, databases.links, databases.subjects, databases.commands]
    let totals = try indexes.map { try store.statistics($0).entries }
    let total = totals.reduce(0, +)
    for (database, entries) in zip(indexes, totals) {
      let cursor = try store.cursor(database)
      var entry = try cursor.first()
      var count: UInt64 = 0
      while let (key, value) = entry, count <= entries {
        if Checksummed.unwrap(key, value) == nil { report.note("an entry of the index \(database.name) is damaged") }
        count += 1
        report.indexEntries += 1
        if report.indexEntries & 0x3FFF == 0 {
          progress(VerificationProgress(phase: "indexes", done: report.indexEntries, total: total))
        }
        entry = try cursor.next()
      }
      if count != entries { report.note("the index \(database.name) can't be read to its end") }
    }
    try checkCounters(&report)
    progress(VerificationProgress(phase: "indexes", done: report.indexEntries, total: total))
    return report
  }

  private func checkCounters(_ report: inout VerificationReport) throws {
    func counter(_ name: String) throws -> UInt64? {
      let key = Key.meta(name)
      guard let stored = try store.get(databases.meta, key) else { return nil }
      guard let value = Checksummed.unwrap(key, stored), value.count == 8 else {
        report.note("the counter \(name) is damaged")
        return nil
      }
      return Key.readPosition(value)
    }
    let isEmpty = try store.statistics(databases.headers).entries == 0
    for database in [databases.states, databases.unique, databases.links, databases.subjects, databases.commands] {
      let entries = try store.statistics(database).entries
      let counted = try counter("entries/\(database.name)")
      if counted != entries && !(isEmpty && counted == nil && entries == 0) {
        report.note("the index \(database.name) has \(entries) entries instead of \(counted ?? 0)")
      }
    }
    for (type, number) in highestNumbers where try counter("number/\(type)") != number {
      report.note("the counter of numbers of \(type) differs from the highest number given")
    }
    let key = Key.meta("format")
    let format = try store.get(databases.meta, key)
    if format.map({ !$0.elementsEqual(Databases.format.utf8) }) ?? true { report.note("the format mark is damaged") }
  }
}
