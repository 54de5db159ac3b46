import BasicTypes

/// The data keys used last, unwrapped, and never more than a fixed number of them.
///
/// Two generations stand in for a list in order of use: what is used moves to the young one, and when that is full the
/// old one is forgotten. Every step takes constant time.
struct KeyCache: Sendable {
  private let half: Int
  private var young: [Identifier: DataKey] = [:]
  private var old: [Identifier: DataKey] = [:]

  /// An empty cache that holds at most so many keys.
  init(capacity: Int) {
    half = max(1, capacity / 2)
  }

  var count: Int { young.count + old.count }

  mutating func key(_ id: Identifier) -> DataKey? {
    if let key = young[id] { return key }
    guard let key = old.removeValue(forKey: id) else { return nil }
    insert(key)
    return key
  }

  mutating func insert(_ key: DataKey) {
    if young.count >= half {
      old = young
      young = [:]
    }
    old[key.id] = nil
    young[key.id] = key
  }

  mutating func remove(_ id: Identifier) {
    young[id] = nil
    old[id] = nil
  }
}
