import BasicTypes
import CanonicalJSON
import LMDB
import MerkleTree

/// Fills a new environment from records: first these with the tree and the history, then the states that they add up
/// to, then the indexes of the states.
///
/// It commits in pieces that are not synced: whoever uses it syncs the environment at the end.
final class LogBuilder {
  private let environment: Environment
  private let databases: Databases
  private let progress: @Sendable (VerificationProgress) -> Void
  private(set) var head = StoredHead()
  private var tiles = TreeTiles()
  /// The highest number given to each type.
  private var numbers: [[UInt8]: Int64] = [:]
  private(set) var events: UInt64 = 0

  /// How much one transaction takes, in entries and in bytes of records.
  static let pieceLimit = 4096
  static let pieceBytes = 16 << 20

  init(_ environment: Environment, _ progress: @escaping @Sendable (VerificationProgress) -> Void) throws {
    self.environment = environment
    databases = try Databases(environment)
    self.progress = progress
  }

  // MARK: - Records

  /// Copies all records of another environment, and makes the tree and the history of their headers.
  func copyRecords(from store: borrowing ReadTransaction, headers: Database, bodies: Database) throws {
    let total = try store.statistics(headers).entries
    try store.withCursor(headers) { headers in
      try store.withCursor(bodies) { bodies in
        try headers.first()
        try bodies.first()
        var piece: [LogRecord] = []
        var bytes = 0
        while headers.isOnEntry, bodies.isOnEntry {
          let key = headers.unsafeKey
          guard key.count == 8, bodies.unsafeKey.elementsEqual(key) else {
            throw EventLogError.damaged("position \(events + UInt64(piece.count) + 1) has no header or no body")
          }
          let record = LogRecord(
            position: Key.readPosition(key), header: Array(headers.unsafeValue), body: Array(bodies.unsafeValue))
          bytes += record.header.count + record.body.count
          piece.append(record)
          if piece.count == LogBuilder.pieceLimit || bytes > LogBuilder.pieceBytes {
            try put(piece)
            progress(VerificationProgress(phase: "records", done: events, total: total))
            piece = []
            bytes = 0
          }
          try headers.next()
          try bodies.next()
        }
        try put(piece)
      }
    }
    guard events == total else { throw EventLogError.damaged("\(events) of \(total) records can be read") }
    progress(VerificationProgress(phase: "records", done: events, total: total))
  }

  /// Adds what a journal has behind the records that were copied: its records, and what these don't tell.
  /// - Parameter recordsOnly: Leaves the rest alone.
  func add(_ tail: JournalTail, recordsOnly: Bool) throws {
    for batch in tail.batches {
      func value(of database: UInt8, _ key: [UInt8]) -> [UInt8]? {
        batch.changes.first { $0.database == database && $0.key == key }?.value
      }
      var piece: [LogRecord] = []
      for offset in 0..<UInt64(batch.events) {
        let position = batch.firstPosition + offset
        guard let header = value(of: Databases.headers, Key.position(position)),
          let body = value(of: Databases.bodies, Key.position(position))
        else { throw EventLogError.damaged("position \(position) has no header or no body") }
        piece.append(LogRecord(position: position, header: header, body: body))
      }
      if !piece.isEmpty { try put(piece) }
      if recordsOnly { continue }
      let store = try environment.beginWrite()
      for change in batch.changes where change.database == Databases.subjects {
        guard let value = change.value else { continue }
        try store.put(databases.subjects, change.key, value)
      }
      try store.commit()
    }
  }

  /// How the answer to a command id is kept in another format.
  typealias CommandChange = (_ actor: String, _ id: String, StoredCommand) throws -> (id: String, StoredCommand)

  /// Adds the answers to command ids that a journal has.
  func addCommands(of tail: JournalTail, change: CommandChange?) throws {
    let store = try environment.beginWrite()
    for entry in tail.batches.lazy.flatMap(\.changes) where entry.database == Databases.commands {
      guard let value = entry.value else {
        try store.delete(databases.commands, entry.key)
        continue
      }
      let changed = try LogBuilder.changed((entry.key, value), change)
      try store.put(databases.commands, changed.key, changed.value)
    }
    try store.commit()
  }

  private static func changed(
    _ entry: (key: [UInt8], value: [UInt8]), _ change: CommandChange?
  ) throws -> (key: [UInt8], value: [UInt8]) {
    guard let change else { return entry }
    let stored = try LogTransaction.command(entry.key.span.bytes, entry.value.span.bytes)
    let name = try LogTransaction.commandName(entry.key)
    let (id, command) = try change(name.actor, name.id, stored)
    let key = Key.command(name.actor, id)
    return (key, Checksummed.wrap(key, command.fingerprint + command.result))
  }

  /// Adds records behind those that are there, of so many in all.
  func add(_ piece: [LogRecord], of total: UInt64) throws {
    try put(piece)
    progress(VerificationProgress(phase: "records", done: events, total: total))
  }

  private func put(_ piece: [LogRecord]) throws {
    var tree = TileCollector(tiles)
    var history: [(key: [UInt8], position: UInt64)] = []
    let store = try environment.beginWrite()
    for record in piece {
      guard record.position == events + 1 else { throw EventLogError.damaged("position \(events + 1) is missing") }
      let header = try record.parsedHeader()
      try store.append(databases.headers, Key.position(record.position), record.header)
      tree.append(leaf: record.header.withUnsafeBytes { RFC6962.leafHash($0) }, to: &head.frontier)
      head.at = header.at
      history.append((Key.history(header.resource, header.version), record.position))
      events += 1
    }
    for record in piece { try store.append(databases.bodies, Key.position(record.position), record.body) }
    for entry in history.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      try store.put(databases.history, entry.key, Checksummed.wrap(entry.key, Key.position(entry.position)))
    }
    tiles = tree.edge
    for tile in tree.stored(size: events) {
      try store.put(databases.tree, Key.tree(tile.level, tile.index), tile.bytes)
    }
    let key = Key.meta("head")
    try store.put(databases.meta, key, Checksummed.wrap(key, head.encoded))
    try store.commit()
  }

  // MARK: - States

  /// Folds the states of all resources.
  func foldStates() throws {
    var next: [UInt8]? = [0]
    var done: UInt64 = 0
    while let start = next {
      let piece = try environment.read { try states($0, from: start) }
      let store = try environment.beginWrite()
      for state in piece.states {
        try store.append(databases.states, state.id.bytes, state.encoded)
        guard let number = state.fields["number"]?.integerValue else { continue }
        numbers[Array(state.type.utf8)] = max(numbers[Array(state.type.utf8)] ?? number, number)
      }
      try store.commit()
      done += piece.events
      progress(VerificationProgress(phase: "states", done: done, total: events))
      next = piece.next
    }
  }

  /// The states of some resources, in the order of their ids, and where the others begin; nil where there are none.
  private func states(
    _ store: borrowing ReadTransaction, from start: [UInt8]
  ) throws -> (states: [ResourceState], events: UInt64, next: [UInt8]?) {
    var states: [ResourceState] = []
    var state: ResourceState?
    var read: UInt64 = 0
    var bytes = 0
    var next: [UInt8]?
    try store.withCursor(databases.history) { cursor in
      try cursor.scan(from: start) { key, value in
        guard key.byteCount == 24, let id = Identifier(bytes: Array(key.copy.prefix(16))),
          let position = Checksummed.position(key, value)
        else { throw EventLogError.damaged("the history index can't be made") }
        if let finished = state, finished.id != id {
          states.append(finished)
          state = nil
          if states.count == LogBuilder.pieceLimit || bytes > LogBuilder.pieceBytes {
            next = id.bytes
            return false
          }
        }
        let record = try record(store, position)
        bytes += record.body.count
        let version = Int64(bitPattern: Key.readPosition(key, at: 16))
        guard version == (state?.version ?? 0) + 1 else {
          throw EventLogError.damaged("version \((state?.version ?? 0) + 1) of \(id) is missing")
        }
        state = try ResourceState(state, of: id, version: version, record)
        read += 1
        return true
      }
    }
    if let state { states.append(state) }
    return (states, read, next)
  }

  private func record(_ store: borrowing ReadTransaction, _ position: UInt64) throws -> LogRecord {
    try Records.read(position, databases) { try store.value($0, $1) }
  }

  // MARK: - Indexes

  /// Lends the log as it is by now to a closure.
  func read<Value>(
    defaults: StateDefaults = StateDefaults(), _ body: (borrowing LogSnapshot) throws -> Value
  ) throws -> Value {
    let snapshot = try LogSnapshot(store: environment.beginRead(), databases: databases, defaults: defaults)
    return try body(snapshot)
  }

  /// Makes the indexes of unique keys and of links from the states.
  func indexStates(_ derivation: IndexDerivation) throws {
    let total = try environment.read { try $0.statistics(databases.states).entries }
    var done: UInt64 = 0
    var next: [UInt8]? = [0]
    while let start = next {
      let piece = try read(defaults: derivation.defaults) { try entries($0, from: start, derivation) }
      let store = try environment.beginWrite()
      for entry in piece.unique.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        if let holder = try store.value(databases.unique, entry.key) {
          guard holder == Checksummed.wrap(entry.key, entry.holder.bytes) else {
            throw EventLogError.damaged("two resources, one of them \(entry.holder), have one unique key")
          }
        }
        try store.put(databases.unique, entry.key, Checksummed.wrap(entry.key, entry.holder.bytes))
      }
      try putMarks(piece.links, in: databases.links, store)
      try store.commit()
      done += piece.states
      progress(VerificationProgress(phase: "indexes", done: done, total: total))
      next = piece.next
    }
  }

  private func entries(
    _ snapshot: borrowing LogSnapshot, from start: [UInt8], _ derivation: IndexDerivation
  ) throws -> (unique: [(key: [UInt8], holder: Identifier)], links: [[UInt8]], states: UInt64, next: [UInt8]?) {
    var states: [ResourceState] = []
    var bytes = 0
    var next: [UInt8]?
    try snapshot.store.scan(databases.states, from: start) { key, value in
      guard let id = Identifier(bytes: key.copy) else { throw EventLogError.damaged("a state has no id") }
      guard states.count < LogBuilder.pieceLimit, bytes < LogBuilder.pieceBytes else {
        next = id.bytes
        return false
      }
      bytes += value.byteCount
      states.append(try derivation.defaults.completed(ResourceState(id: id, encoded: value)))
      return true
    }
    var unique: [(key: [UInt8], holder: Identifier)] = []
    var links: [[UInt8]] = []
    for state in states {
      let entries = try derivation.entries(state, snapshot)
      for (constraint, key) in entries.unique { unique.append((Key.unique(constraint, key), state.id)) }
      for target in entries.links { links.append(Key.links(to: target, type: state.type, from: state.id)) }
    }
    return (unique, links, UInt64(states.count), next)
  }

  /// Makes the index of the events that are about a person.
  func indexSubjects(_ derivation: IndexDerivation) throws {
    var position: UInt64 = 1
    while position <= events {
      let piece = try read(defaults: derivation.defaults) { snapshot in
        var keys: [[UInt8]] = []
        let records = try snapshot.records(
          from: position, limit: LogBuilder.pieceLimit, maximumBytes: LogBuilder.pieceBytes)
        for record in records {
          let subjects = try derivation.subjects(record.parsedHeader(), record.parsedBody(), snapshot)
          for subject in subjects { keys.append(Key.subject(subject, record.position)) }
        }
        return (keys: keys, count: UInt64(records.count))
      }
      let store = try environment.beginWrite()
      try putMarks(piece.keys, in: databases.subjects, store)
      try store.commit()
      position += piece.count
      progress(VerificationProgress(phase: "subjects", done: position - 1, total: events))
    }
  }

  /// Takes over the sound entries of an index of another environment, of which the records don't tell everything.
  func copySound(
    _ name: String, from store: borrowing ReadTransaction, _ source: Database, change: CommandChange? = nil
  ) throws {
    guard let database = databases.all.first(where: { $0.name == name }) else { return }
    var piece: [(key: [UInt8], value: [UInt8])] = []
    func put() throws {
      let target = try environment.beginWrite()
      for entry in piece { try target.put(database, entry.key, entry.value) }
      try target.commit()
      piece = []
    }
    let entries = try store.statistics(source).entries
    var seen: UInt64 = 0
    try store.withCursor(source) { cursor in
      try cursor.scan { key, value in
        // A damaged page may lead in a circle.
        guard seen < entries else { return false }
        seen += 1
        if Checksummed.isIntact(key, value) { piece.append(try LogBuilder.changed((key.copy, value.copy), change)) }
        if piece.count == LogBuilder.pieceLimit { try put() }
        return true
      }
    }
    try put()
  }

  /// Puts entries of an index, whose values have no checksum yet.
  func put(_ entries: [(key: [UInt8], value: [UInt8])], in index: String) throws {
    guard let database = databases.all.first(where: { $0.name == index }) else { return }
    let store = try environment.beginWrite()
    for entry in entries { try store.put(database, entry.key, Checksummed.wrap(entry.key, entry.value)) }
    try store.commit()
  }

  private func putMarks(_ keys: [[UInt8]], in database: Database, _ store: WriteTransaction) throws {
    for key in keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      try store.put(database, key, Checksummed.wrap(key, []))
    }
  }

  // MARK: - The end

  /// Puts the counters and the format mark.
  func finish() throws {
    let store = try environment.beginWrite()
    try store.put(databases.meta, Key.meta("format"), LogFormat.current.mark(withJournal: false))
    for (type, number) in numbers {
      let key = Key.meta("number/") + type
      try store.put(databases.meta, key, Checksummed.wrap(key, Key.position(UInt64(bitPattern: number))))
    }
    if events > 0 {
      try StoredTile.putLastLeaves(of: store, databases, size: events)
      for database in databases.counted {
        let key = Key.meta("entries/\(database.name)")
        try store.put(
          databases.meta, key, Checksummed.wrap(key, Key.position(try store.statistics(database).entries)))
      }
    }
    try store.commit()
    try environment.sync()
  }
}
