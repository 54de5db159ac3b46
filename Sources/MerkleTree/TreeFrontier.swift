/// The right edge of a Merkle tree: the roots of its complete subtrees, all that is needed to add leaves and to know
/// the root. A tree of n leaves has as many as n has bits set, so at most 64.
public struct TreeFrontier: Sendable, Equatable {
  /// The number of leaves.
  public private(set) var size: UInt64
  /// The roots of the complete subtrees, from the largest (leftmost) to the smallest.
  public private(set) var hashes: [Digest]

  /// The edge of an empty tree.
  public init() {
    size = 0
    hashes = []
  }

  /// The edge of a tree of so many leaves; nil where the number of hashes does not fit the size.
  public init?(size: UInt64, hashes: [Digest]) {
    guard hashes.count == size.nonzeroBitCount else { return nil }
    self.size = size
    self.hashes = hashes
  }

  /// The subtrees whose roots ``hashes`` holds, as (level, index), in the same order: what to read to build an edge
  /// again from stored nodes.
  public static func nodes(ofSize size: UInt64) -> [(level: UInt8, index: UInt64)] {
    var nodes: [(level: UInt8, index: UInt64)] = []
    var start: UInt64 = 0
    for level in (0..<UInt8(64)).reversed() where size >> UInt64(level) & 1 == 1 {
      nodes.append((level, start >> UInt64(level)))
      start += 1 << UInt64(level)
    }
    return nodes
  }

  /// The root of the tree (RFC 6962 §2.1).
  public func root() -> Digest {
    guard var root = hashes.last else { return RFC6962.emptyRoot }
    for hash in hashes.dropLast().reversed() { root = RFC6962.nodeHash(hash, root) }
    return root
  }

  /// Adds a leaf, and calls back for it (level 0) and for the root of each subtree that it completes, smallest first.
  ///
  /// `index` counts the subtrees of that level from the left, so a subtree covers leaves `index << level` and the
  /// `1 << level - 1` after it. Where the callback throws, the edge is as it was.
  public mutating func append(
    leaf: Digest, _ completed: (_ level: UInt8, _ index: UInt64, _ hash: Digest) throws -> Void
  ) rethrows {
    var hash = leaf
    var level: UInt8 = 0
    var index = size
    var remaining = hashes.count
    try completed(level, index, hash)
    while index & 1 == 1 {
      remaining -= 1
      hash = RFC6962.nodeHash(hashes[remaining], hash)
      level += 1
      index >>= 1
      try completed(level, index, hash)
    }
    hashes.removeSubrange(remaining...)
    hashes.append(hash)
    size += 1
  }
}
