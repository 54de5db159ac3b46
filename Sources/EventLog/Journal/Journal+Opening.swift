import Files
import LMDB
import Logging
import MerkleTree

extension Journal {
  /// What a log has when it is opened: in LMDB's pages, and behind these in the journal.
  struct Opening {
    /// The head that the pages have.
    var inPages = StoredHead()
    /// What the journal has behind that.
    var recovered = Generation()
    /// The journal's file; nil where the log was closed as it should be.
    var ring: JournalRing?

    /// The head of the log.
    var head: StoredHead { recovered.head ?? inPages }
  }

  /// Where the journal goes on behind what the pages have; nil where there is nothing in a journal.
  /// - Throws: ``EventLogError`` `damaged` where they don't say.
  static func place(_ store: borrowing ReadTransaction, _ meta: Database) throws -> JournalPlace? {
    let key = Key.meta("journal")
    let place = try store.withValue(meta, key) { stored in
      guard let value = Checksummed.value(key.span.bytes, stored),
        let place = value.withUnsafeBytes({ JournalPlace($0) })
      else { throw EventLogError.damaged("the place in the journal that is named is damaged") }
      return place
    }
    guard
      try place != nil
        || store.value(meta, Key.meta("format")).map({ LogFormat.read($0)?.withJournal == false }) == true
    else {
      throw EventLogError.damaged("the format mark is damaged, or the place in the journal is missing")
    }
    return place
  }

  static func storedHead(_ store: WriteTransaction, _ databases: Databases) throws -> StoredHead {
    try store.withValue(databases.meta, Key.meta("head")) { try StoredHead(stored: $0) } ?? StoredHead()
  }

  /// Notes where the journal goes on behind what the pages have, or (nil) that nothing is in a journal: then every
  /// program that knows the pages may open the log.
  static func put(_ place: JournalPlace?, to store: WriteTransaction, _ databases: Databases) throws {
    let key = Key.meta("journal")
    if let place {
      try store.put(databases.meta, key, Checksummed.wrap(key, place.encoded))
    } else {
      try store.delete(databases.meta, key)
    }
    try store.put(databases.meta, Key.meta("format"), LogFormat.current.mark(withJournal: place != nil))
  }

  /// Has a copy of a log's pages, which nobody has open, say that there is no journal to look at.
  static func takeLeave(in folder: String) throws {
    var options = Environment.Options()
    options.mapSize = 0
    options.ignoresLocks = true
    let environment = try Environment(folder: folder, options: options)
    defer { environment.close() }
    let databases = try Databases(environment)
    guard try environment.read({ try place($0, databases.meta) }) != nil else { return }
    let store = try environment.beginWrite()
    try put(nil, to: store, databases)
    try store.commit()
  }

  /// Finds what a log has, and takes what its journal has behind LMDB's pages into memory.
  /// - Throws: ``EventLogError`` `damaged` where the journal is missing, damaged, or of another log.
  static func open(
    _ configuration: EventLogConfiguration, _ environment: Environment, _ databases: Databases
  ) throws -> Opening {
    var opening = Opening()
    let found = try environment.read { store in
      (head: try LogSnapshot.storedHead(store, databases), place: try place(store, databases.meta))
    }
    opening.inPages = found.head
    guard let place = found.place else {
      do {
        try JournalRing.prepare(configuration.folder, size: configuration.journalSize)
      } catch {
        // Reads need none; it is tried again before the first command.
        configuration.logger.warning("the journal's file could not be made", metadata: ["cause": "\(error)"])
      }
      return opening
    }
    var replay = JournalReplay(found.head)
    opening.ring = try JournalRing.resume(configuration.folder, from: place) { record, next in
      let batch = try replay.next(record)
      opening.recovered.apply(batch, through: next)
    }
    if replay.events > 0 {
      configuration.logger.notice(
        "the journal has events that the log's pages lack: the last process didn't close the log",
        metadata: ["events": "\(replay.events)", "position": "\(replay.head.frontier.size)"])
    }
    return opening
  }
}

/// Proves records of the journal, one after the other, against the tree before them.
struct JournalReplay {
  /// The head behind what was proved.
  private(set) var head: StoredHead
  /// How many events these records have.
  private(set) var events: UInt64 = 0

  init(_ head: StoredHead) { self.head = head }

  /// Whether a record continues the tree: whether ``next(_:)`` takes it.
  func isContinued(by record: JournalRecord) -> Bool {
    var replay = self
    do {
      _ = try replay.next(record)
      return true
    } catch {
      // What it says is why not, and whoever asks here looks for another record.
      return false
    }
  }

  /// The batch of a record.
  /// - Throws: ``EventLogError`` `damaged` where it doesn't continue the tree.
  mutating func next(_ record: JournalRecord) throws -> EncodedBatch {
    guard record.firstPosition == head.frontier.size + 1 else {
      throw damaged(record, "begins at position \(record.firstPosition), but the log ends at \(head.frontier.size)")
    }
    for change in record.changes where change.database == Databases.headers {
      guard let header = change.value, change.key == Key.position(head.frontier.size + 1) else {
        throw damaged(record, "lacks position \(head.frontier.size + 1)")
      }
      head.frontier.append(leaf: header.withUnsafeBytes { RFC6962.leafHash($0) }) { _, _, _ in }
      events += 1
    }
    guard head.frontier.size == record.firstPosition + UInt64(record.events) - 1 else {
      throw damaged(record, "has not the \(record.events) events that it names")
    }
    guard head.frontier.root() == record.root else { throw damaged(record, "has events of another log") }
    if let stored = record.changes.last(where: { $0.database == Databases.meta && $0.key == Key.meta("head") })?.value {
      let next = try StoredHead(stored: stored.span.bytes)
      guard next.frontier == head.frontier else { throw damaged(record, "has a head that its events don't make") }
      head = next
    }
    return EncodedBatch(
      changes: record.changes, head: head, firstPosition: record.firstPosition, events: record.events)
  }

  private func damaged(_ record: JournalRecord, _ what: String) -> EventLogError {
    .damaged(
      "Record \(record.sequence) of the journal is whole, but it \(what). Nothing was changed. Put the journal and the "
        + "data.mdb back that belong together; if they are lost for good, keep a copy of the folder and restore the last "
        + "good backup.")
  }
}
