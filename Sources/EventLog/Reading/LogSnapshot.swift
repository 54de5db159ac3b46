import BasicTypes
import CanonicalJSON
import LMDB
import MerkleTree

/// The log as it was at one moment; valid inside the closure that it was given to.
public struct LogSnapshot {
  let store: ReadTransaction
  let databases: Databases
  /// What the states that it reads have besides what their events have set.
  public let defaults: StateDefaults
  /// The head of that moment.
  public let head: LogHead

  init(store: ReadTransaction, databases: Databases, defaults: StateDefaults = StateDefaults()) throws {
    self.store = store
    self.databases = databases
    self.defaults = defaults
    let stored = try LogSnapshot.storedHead(store, databases)
    head = LogHead(
      position: stored.frontier.size, at: stored.frontier.size == 0 ? nil : stored.at, root: stored.frontier.root())
  }

  static func storedHead(_ store: ReadTransaction, _ databases: Databases) throws -> StoredHead {
    let key = Key.meta("head")
    guard let bytes = try store.get(databases.meta, key) else { return StoredHead() }
    guard let value = Checksummed.unwrap(key, bytes), let head = StoredHead(value) else {
      throw EventLogError.damaged("the stored head of the log is damaged")
    }
    return head
  }

  /// The state of a resource, deleted ones too; nil where there never was one.
  public func state(_ id: Identifier) throws -> ResourceState? {
    guard let bytes = try store.get(databases.states, id.bytes) else { return nil }
    return defaults.completed(try ResourceState(id: id, encoded: bytes))
  }

  /// Who holds a unique key.
  public func holder(constraint: String, key: [UInt8]) throws -> Identifier? {
    let full = Key.unique(constraint, key)
    guard let stored = try store.get(databases.unique, full) else { return nil }
    guard let value = Checksummed.unwrap(full, stored), let id = Identifier(bytes: Array(value)) else {
      throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
    }
    return id
  }

  /// Who refers to a resource, by type and id, at most so many.
  public func referrers(
    of target: Identifier, type: String? = nil, limit: Int
  ) throws -> [(type: String, id: Identifier)] {
    var result: [(type: String, id: Identifier)] = []
    try Links.scan(store.cursor(databases.links), target: target, type: type) { found, id in
      result.append((found, id))
      return result.count < limit
    }
    return result
  }

  /// The record at a position; nil beyond the head.
  public func record(at position: UInt64) throws -> LogRecord? {
    guard position >= 1, position <= head.position else { return nil }
    return try Records.read(position, store.get, databases)
  }

  /// Records from a position on, at most so many and, after the first, at most so many bytes.
  public func records(from position: UInt64, limit: Int, maximumBytes: Int) throws -> [LogRecord] {
    var result: [LogRecord] = []
    guard position <= head.position, limit > 0 else { return result }
    result.reserveCapacity(min(limit, Int(clamping: head.position - max(position, 1) + 1)))
    let headers = try store.cursor(databases.headers)
    let bodies = try store.cursor(databases.bodies)
    let first = max(1, position)
    var header = try headers.seek(Key.position(first))
    var body = try bodies.seek(Key.position(first))
    var expected = first
    var bytes = 0
    while let (headerKey, headerValue) = header, let (bodyKey, bodyValue) = body {
      guard headerKey.count == 8, Key.readPosition(headerKey) == expected, bodyKey.elementsEqual(headerKey) else {
        throw EventLogError.damaged("position \(expected) is missing")
      }
      bytes += headerValue.count + bodyValue.count
      if !result.isEmpty && bytes > maximumBytes { return result }
      result.append(LogRecord(position: expected, header: [UInt8](headerValue), body: [UInt8](bodyValue)))
      if result.count == limit { return result }
      expected += 1
      header = try headers.next()
      body = try bodies.next()
    }
    guard expected > head.position else { throw EventLogError.damaged("position \(expected) is missing") }
    return result
  }

  /// A resource's records of some versions, oldest first.
  public func history(of resource: Identifier, versions: ClosedRange<Int64>) throws -> [LogRecord] {
    var result: [LogRecord] = []
    try positions(of: resource, versions: versions) { _, position in
      result.append(try Records.read(position, store.get, databases))
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
    let cursor = try store.cursor(databases.history)
    var entry = try cursor.seek(Key.history(resource, versions.lowerBound))
    while let (key, value) = entry {
      guard key.count == 24, key.prefix(16).elementsEqual(resource.bytes) else { return }
      let version = Key.readPosition(UnsafeRawBufferPointer(rebasing: key[16..<24]))
      guard version <= UInt64(versions.upperBound) else { return }
      guard let position = Checksummed.unwrap(key, value), position.count == 8 else {
        throw EventLogError.damaged("version \(version) of \(resource) has a damaged entry in the history index")
      }
      guard try visit(Int64(version), Key.readPosition(position)) else { return }
      entry = try cursor.next()
    }
  }

  /// The state that a resource had after a position; nil where it didn't exist yet.
  public func fold(_ resource: Identifier, through position: UInt64) throws -> ResourceState? {
    var state: ResourceState?
    try positions(of: resource, versions: 1...Int64.max) { version, at in
      guard at <= position else { return false }
      let record = try Records.read(at, store.get, databases)
      let header = try record.parsedHeader()
      let body = try record.parsedBody()
      var next =
        state
        ?? ResourceState(
          id: resource, type: header.type, organization: header.organization, version: 0, createdAt: header.at,
          updatedAt: header.at, position: at, fields: [:])
      next.version = version
      next.updatedAt = header.at
      next.position = at
      next.merge(body.set)
      state = next
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
    let cursor = try store.cursor(databases.subjects)
    var entry = try cursor.seek(Key.subject(subject, position))
    while let (key, _) = entry, result.count < limit {
      guard key.count == 24, key.prefix(16).elementsEqual(subject.bytes) else { break }
      result.append(Key.readPosition(UnsafeRawBufferPointer(rebasing: key[16..<24])))
      entry = try cursor.next()
    }
    return result
  }

  /// The hash of a complete subtree, for proofs.
  public func treeNode(level: UInt8, index: UInt64) throws -> Digest {
    guard let bytes = try store.get(databases.tree, Key.tree(level, index)), let hash = Digest(bytes: bytes) else {
      throw EventLogError.damaged("the tree has no node \(index) on level \(level)")
    }
    return hash
  }

  /// How many entries a database of the log has, by its name.
  public func entryCount(_ name: String) throws -> UInt64 {
    guard let database = databases.all.first(where: { $0.name == name }) else { return 0 }
    return try store.statistics(database).entries
  }
}
