import CanonicalJSON

/// How often each of some names came, in bounded memory: of names beyond so many only the sum is kept.
struct Tally {
  private let most: Int
  private var counts: [[UInt8]: Int] = [:]
  private(set) var others = 0

  init(most: Int = 10_000) { self.most = most }

  mutating func count(_ name: String) {
    let key = Array(name.utf8)
    if counts[key] == nil, counts.count >= most { others += 1 } else { counts[key, default: 0] += 1 }
  }

  /// The names, the most frequent first.
  var sorted: [(name: String, count: Int)] {
    counts.sorted { left, right in
      left.value != right.value ? left.value > right.value : left.key.lexicographicallyPrecedes(right.key)
    }.map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
  }
}
