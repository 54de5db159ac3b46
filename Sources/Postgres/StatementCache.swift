/// Which SQL texts a session has prepared. A text is prepared when it is seen for the second time, so that what runs
/// once costs nothing; the least recently used make room. Knows no I/O.
struct StatementCache {
  enum Use: Equatable {
    /// Run it without a name.
    case direct
    /// Prepare it under this name, then run it.
    case prepare(String)
    /// Run the statement of this name.
    case run(String)
  }

  private struct Entry {
    var name: String?
    var lastUse: UInt64
  }
  private let capacity: Int
  private var entries: [String: Entry] = [:]
  private var uses: UInt64 = 0
  private var names = 0
  /// Statements that the server still holds and nobody uses any longer.
  private(set) var abandoned: [String] = []

  init(capacity: Int) { self.capacity = capacity }

  /// Says how to run this text now.
  mutating func use(_ sql: String) -> Use {
    uses += 1
    guard let entry = entries[sql] else {
      if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key {
        forget(oldest)
      }
      entries[sql] = Entry(name: nil, lastUse: uses)
      return .direct
    }
    entries[sql]?.lastUse = uses
    if let name = entry.name { return .run(name) }
    names += 1
    return .prepare("daybook_\(names)")
  }

  /// Records that the server has prepared it.
  mutating func prepared(_ sql: String, as name: String) { entries[sql]?.name = name }

  /// Forgets one text.
  mutating func forget(_ sql: String) {
    if let name = entries.removeValue(forKey: sql)?.name { abandoned.append(name) }
  }

  /// Forgets everything, as after a change of the schema.
  mutating func forgetAll() {
    abandoned.append(contentsOf: entries.values.compactMap(\.name))
    entries.removeAll()
  }

  /// Records that the server has let go of the abandoned ones, or never knew them.
  mutating func clearAbandoned() { abandoned.removeAll() }
}
