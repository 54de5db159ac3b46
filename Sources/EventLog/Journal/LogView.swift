import LMDB

/// What the log stores at one moment: LMDB's pages, and over them what the journal holds and they don't yet.
///
/// It must end on the thread that began it: its owner is a snapshot or a transaction, which nobody hands on.
final class LogView {
  private let pages: ReadTransaction
  private let databases: Databases
  /// What is being written to the pages now, and what came since.
  private let older: Generation?
  private let newer: Generation?

  init(_ pages: consuming ReadTransaction, _ databases: Databases, older: Generation? = nil, newer: Generation? = nil) {
    self.pages = pages
    self.databases = databases
    self.older = older
    self.newer = newer
  }

  /// The log's head at that moment.
  func head() throws -> StoredHead {
    try newer?.head ?? older?.head ?? LogSnapshot.storedHead(pages, databases)
  }

  /// Whether the pages have everything by themselves.
  var isInPages: Bool { older == nil && newer == nil }

  private func entry(_ database: Database, _ key: [UInt8]) -> ByteTree.Entry {
    if isInPages { return .unknown }
    let place = databases.place(of: database)
    for generation in [newer, older] {
      guard let generation else { continue }
      let entry = generation.tree(place).entry(key)
      if case .unknown = entry { continue }
      return entry
    }
    return .unknown
  }

  /// Lends the value under a key to a closure. Returns what the closure returns, or nil where there is no such key.
  func withValue<R>(_ database: Database, _ key: [UInt8], _ body: (RawSpan) throws -> R) throws -> R? {
    switch entry(database, key) {
    case .unknown: try pages.withValue(database, key, body)
    case .deleted: nil
    case .value(let value): try body(value.span.bytes)
    }
  }

  /// A copy of the value under a key; nil where there is no such key.
  func value(_ database: Database, _ key: [UInt8]) throws -> [UInt8]? {
    switch entry(database, key) {
    case .unknown: try pages.value(database, key)
    case .deleted: nil
    case .value(let value): value
    }
  }

  /// Whether there is a value under a key.
  func contains(_ database: Database, _ key: [UInt8]) throws -> Bool {
    switch entry(database, key) {
    case .unknown: try pages.withValue(database, key) { _ in true } ?? false
    case .deleted: false
    case .value: true
    }
  }

  /// Goes through the entries in the order of their keys, from the least key that is not less than the given one, until
  /// the visitor returns false.
  func scan(
    _ database: Database, from wanted: [UInt8], _ visit: (_ key: RawSpan, _ value: RawSpan) throws -> Bool
  ) throws {
    let place = databases.place(of: database)
    var changed = MergedCursor(newer?.tree(place), older?.tree(place), from: wanted)
    try pages.withCursor(database) { cursor in
      // LMDB knows no empty key.
      guard changed.isOnEntry else { return try cursor.scan(from: wanted.isEmpty ? nil : wanted, visit) }
      if wanted.isEmpty { try cursor.first() } else { try cursor.seek(wanted) }
      while true {
        let isInPages = cursor.isOnEntry
        guard changed.isOnEntry else {
          // What is left is in the pages alone.
          while try cursor.withEntry(visit) ?? false { try cursor.next() }
          return
        }
        let key = changed.key
        let order = isInPages ? Key.order(of: cursor.unsafeKey, and: key) : 1
        if order < 0 {
          guard try cursor.withEntry(visit) ?? false else { return }
          try cursor.next()
          continue
        }
        if let value = changed.value {
          guard try visit(key.span.bytes, value.span.bytes) else { return }
        }
        if order == 0 { try cursor.next() }
        changed.next()
      }
    }
  }

  /// How many entries a database has. It looks up whatever the pages don't have yet.
  func count(_ database: Database) throws -> UInt64 {
    var count = try pages.statistics(database).entries
    let place = databases.place(of: database)
    var changed = MergedCursor(newer?.tree(place), older?.tree(place), from: [])
    while changed.isOnEntry {
      let isInPages = try pages.withValue(database, changed.key) { _ in true } ?? false
      if changed.value == nil, isInPages { count -= 1 }
      if changed.value != nil, !isInPages { count += 1 }
      changed.next()
    }
    return count
  }

  /// Lends the records that the pages have, side by side.
  func withRecordCursors<R>(_ body: (inout Cursor, inout Cursor) throws -> R) throws -> R {
    try pages.withCursor(databases.headers) { headers in
      try pages.withCursor(databases.bodies) { bodies in try body(&headers, &bodies) }
    }
  }
}

/// Two trees as one: where both say something of a key, the newer one counts.
private struct MergedCursor {
  private var newer: ByteTree.Cursor?
  private var older: ByteTree.Cursor?
  private var isNewer = false
  private var isBoth = false

  init(_ newer: ByteTree?, _ older: ByteTree?, from key: [UInt8]) {
    if let newer, newer.count > 0 { self.newer = newer.cursor(from: key) }
    if let older, older.count > 0 { self.older = older.cursor(from: key) }
    choose()
  }

  private mutating func choose() {
    if newer?.isOnEntry == false { newer = nil }
    if older?.isOnEntry == false { older = nil }
    guard let newer, let older else {
      isNewer = newer != nil
      isBoth = false
      return
    }
    let (new, old) = (newer.key, older.key)
    isBoth = new == old
    isNewer = isBoth || Key.precedes(new, old)
  }

  var isOnEntry: Bool { newer != nil || older != nil }
  var key: [UInt8] { (isNewer ? newer : older)?.key ?? [] }
  var value: [UInt8]? { (isNewer ? newer : older)?.value }

  mutating func next() {
    if isNewer || isBoth { newer?.next() }
    if !isNewer || isBoth { older?.next() }
    choose()
  }
}
