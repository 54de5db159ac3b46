import BasicTypes
import CanonicalJSON
import LMDB
import MerkleTree

/// The log as it was at one moment, lent to a closure by ``EventLog/read(_:)``.
///
/// The compiler guarantees that it isn't used after that closure: it can't be copied, kept or returned. What its
/// methods return are values of their own, which may be kept.
public struct LogSnapshot: ~Copyable {
  let store: LogView
  let databases: Databases
  /// What the states that it reads have besides what their events have set.
  public let defaults: StateDefaults
  /// The head of that moment.
  public let head: LogHead

  /// A log whose pages have everything.
  init(
    store: consuming ReadTransaction, databases: Databases, defaults: StateDefaults = StateDefaults()
  ) throws {
    try self.init(LogView(store, databases), databases, defaults)
  }

  init(_ store: LogView, _ databases: Databases, _ defaults: StateDefaults) throws {
    let stored = try store.head()
    self.store = store
    self.databases = databases
    self.defaults = defaults
    head = LogHead(
      position: stored.frontier.size, at: stored.frontier.size == 0 ? nil : stored.at, root: stored.frontier.root())
  }

  static func storedHead(_ store: borrowing ReadTransaction, _ databases: Databases) throws -> StoredHead {
    try store.withValue(databases.meta, Key.meta("head")) { try StoredHead(stored: $0) } ?? StoredHead()
  }

  /// The state of a resource, deleted ones too; nil where there never was one.
  public func state(_ id: Identifier) throws -> ResourceState? {
    try store.withValue(databases.states, id.bytes) { try defaults.completed(ResourceState(id: id, encoded: $0)) }
  }

  /// Who holds a unique key.
  public func holder(constraint: String, key: [UInt8]) throws -> Identifier? {
    let full = Key.unique(constraint, key)
    return try store.withValue(databases.unique, full) { stored in
      guard let id = Checksummed.value(full.span.bytes, stored).flatMap({ Identifier(bytes: $0) }) else {
        throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
      }
      return id
    }
  }

  /// What was answered for a command id of an actor; nil where there is nothing, or no more.
  public func storedCommand(actor: String, id: String) throws -> StoredCommand? {
    let key = Key.command(actor, id)
    return try store.withValue(databases.commands, key) { try LogTransaction.command(key.span.bytes, $0) }
  }

  /// Who refers to a resource, by type and id, at most so many.
  public func referrers(
    of target: Identifier, type: String? = nil, limit: Int
  ) throws -> [(type: String, id: Identifier)] {
    var result: [(type: String, id: Identifier)] = []
    try Links.scan(store, databases.links, target: target, type: type) { found, id in
      result.append((found, id))
      return result.count < limit
    }
    return result
  }

  /// Who of a type refers to a resource, in the order of their ids, after one of them, at most so many: a page of them.
  public func referrers(
    of target: Identifier, type: String, after: Identifier?, limit: Int
  ) throws -> [Identifier] {
    var result: [Identifier] = []
    guard limit > 0 else { return result }
    try Links.scan(store, databases.links, target: target, type: type, after: after) { _, id in
      result.append(id)
      return result.count < limit
    }
    return result
  }

  /// The record at a position; nil beyond the head.
  public func record(at position: UInt64) throws -> LogRecord? {
    guard position >= 1, position <= head.position else { return nil }
    return try Records.read(position, databases) { try store.value($0, $1) }
  }

  /// Records from a position on, at most so many and, after the first, at most so many bytes.
  public func records(from position: UInt64, limit: Int, maximumBytes: Int) throws -> [LogRecord] {
    var result: [LogRecord] = []
    guard position <= head.position, limit > 0 else { return result }
    result.reserveCapacity(min(limit, Int(clamping: head.position - max(position, 1) + 1)))
    let first = max(1, position)
    var expected = first
    var bytes = 0
    var isCut = false
    try store.withRecordCursors { headers, bodies in
      try bodies.seek(Key.position(first))
      try headers.scan(from: Key.position(first)) { key, header in
        guard key.byteCount == 8, Key.readPosition(key) == expected else { throw missing(expected) }
        let record = try bodies.withEntry { bodyKey, body -> LogRecord? in
          guard bodyKey.byteCount == 8, Key.readPosition(bodyKey) == expected else { throw missing(expected) }
          bytes += header.byteCount + body.byteCount
          if !result.isEmpty && bytes > maximumBytes { return nil }
          return LogRecord(position: expected, header: header.copy, body: body.copy)
        }
        guard let record else { throw missing(expected) }
        if let record { result.append(try Records.checked(record, databases) { try store.value($0, $1) }) }
        isCut = record == nil || result.count == limit
        if isCut { return false }
        expected += 1
        try bodies.next()
        return true
      }
    }
    // What the pages don't have yet.
    while !isCut, expected <= head.position, !store.isInPages {
      let record = try Records.read(expected, databases) { try store.value($0, $1) }
      bytes += record.header.count + record.body.count
      isCut = !result.isEmpty && bytes > maximumBytes
      if isCut { break }
      result.append(record)
      isCut = result.count == limit
      expected += 1
    }
    guard isCut || expected > head.position else { throw missing(expected) }
    return result
  }

  private borrowing func missing(_ position: UInt64) -> EventLogError { .damaged("position \(position) is missing") }

  /// A resource's records of some versions, oldest first.
  public func history(of resource: Identifier, versions: ClosedRange<Int64>) throws -> [LogRecord] {
    var result: [LogRecord] = []
    try positions(of: resource, versions: versions) { _, position in
      result.append(try Records.read(position, databases) { try store.value($0, $1) })
      return true
    }
    return result
  }

  /// The latest version of a resource; 0 where there never was one.
  public func latestVersion(of resource: Identifier) throws -> Int64 {
    try state(resource)?.version ?? 0
  }

  /// Goes through a resource's versions and their positions until the visitor answers false.
  public func positions(
    of resource: Identifier, versions: ClosedRange<Int64>, _ visit: (Int64, UInt64) throws -> Bool
  ) throws {
    try store.scan(databases.history, from: Key.history(resource, versions.lowerBound)) { key, stored in
      guard key.byteCount == 24, key.starts(with: resource.bytes) else { return false }
      let version = Key.readPosition(key, at: 16)
      guard version <= UInt64(clamping: versions.upperBound) else { return false }
      guard let position = Checksummed.position(key, stored) else {
        throw EventLogError.damaged("version \(version) of \(resource) has a damaged entry in the history index")
      }
      return try visit(Int64(version), position)
    }
  }

  /// The state that a resource had after a position; nil where it didn't exist yet.
  public func fold(_ resource: Identifier, through position: UInt64) throws -> ResourceState? {
    var state: ResourceState?
    try positions(of: resource, versions: 1...Int64.max) { version, at in
      guard at <= position else { return false }
      let record = try Records.read(at, databases) { try store.value($0, $1) }
      state = try ResourceState(state, of: resource, version: version, record)
      return true
    }
    return state.map(defaults.completed)
  }

  /// The last position whose event is not later than a time; 0 where all are later.
  public func position(at time: Timestamp) throws -> UInt64 {
    var low: UInt64 = 0
    var high = head.position
    while low < high {
      let middle = low + (high - low + 1) / 2
      guard let record = try record(at: middle) else { throw EventLogError.damaged("position \(middle) is missing") }
      if try record.parsedHeader().at <= time { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// The positions of events about a data subject, from one on, at most so many.
  public func positions(about subject: Identifier, from position: UInt64, limit: Int) throws -> [UInt64] {
    var result: [UInt64] = []
    guard limit > 0 else { return result }
    try store.scan(databases.subjects, from: Key.subject(subject, position)) { key, _ in
      guard key.byteCount == 24, key.starts(with: subject.bytes) else { return false }
      result.append(Key.readPosition(key, at: 16))
      return result.count < limit
    }
    return result
  }

  /// How many entries a database of the log has, by its name. It looks up whatever waits in the journal.
  public func entryCount(_ name: String) throws -> UInt64 {
    guard let database = databases.all.first(where: { $0.name == name }) else { return 0 }
    return try store.count(database)
  }
}
