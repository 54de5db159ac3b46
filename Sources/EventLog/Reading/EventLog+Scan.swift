import Files
import LMDB

extension EventLog {
  /// Whether all records of a log that nobody need have open satisfy a condition; true where there is no log. It reads
  /// them in order and stops at the first that doesn't.
  /// - Throws: ``EventLogError`` where the log can't be read.
  public static func allRecords(in folder: String, satisfy condition: (LogRecord) throws -> Bool) throws -> Bool {
    guard FileSystem.exists(folder + "/data.mdb") else { return true }
    do {
      var options = Environment.Options()
      options.isReadOnly = true
      options.mapSize = 0
      let environment = try Environment(folder: folder, options: options)
      defer { environment.close() }
      let databases = try Databases(environment)
      let snapshot = try LogSnapshot(Journal.view(ofClosed: folder, environment, databases), databases, StateDefaults())
      var position: UInt64 = 1
      while position <= snapshot.head.position {
        for record in try snapshot.records(from: position, limit: 1024, maximumBytes: 16 << 20) {
          guard try condition(record) else { return false }
          position = record.position + 1
        }
      }
      return true
    } catch let error as LMDBError {
      throw EventLogError.storage(error)
    }
  }
}

extension Journal {
  /// What a log stores that nobody has open: its pages, and what its journal has behind them.
  static func view(ofClosed folder: String, _ environment: Environment, _ databases: Databases) throws -> LogView {
    let pages = try environment.beginRead()
    let head = try LogSnapshot.storedHead(pages, databases)
    let found: Result<JournalPlace?, any Error>
    do { found = .success(try place(pages, databases.meta)) } catch { found = .failure(error) }
    let tail = try JournalTail.read(folder, behind: head) { try found.get() }
    var generation = Generation()
    for batch in tail.batches { generation.apply(batch, through: nil) }
    return LogView(pages, databases, newer: generation.isEmpty ? nil : generation)
  }
}
