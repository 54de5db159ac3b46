/// Proofs of RFC 6962: that a leaf is in a tree, and that a tree is the beginning of a later one.
///
/// Proofs are made from the stored roots of complete subtrees, which `node` looks up by level and index as
/// ``TreeFrontier/append(leaf:_:)`` announced them; about 2·log₂(size) look-ups a proof.
public enum MerkleProof {
  /// The audit path of a leaf, lowest first (RFC 6962 §2.1.1).
  ///
  /// - Precondition: `index < size`.
  public static func inclusion(
    index: UInt64, size: UInt64, node: (_ level: UInt8, _ index: UInt64) throws -> Digest
  ) rethrows -> [Digest] {
    precondition(index < size, "a leaf outside the tree has no proof")
    var path: [Digest] = []
    var begin: UInt64 = 0
    var end = size
    while end - begin > 1 {
      let middle = begin + split(end - begin)
      if index < middle {
        path.append(try subtree(middle, end, node))
        end = middle
      } else {
        path.append(try subtree(begin, middle, node))
        begin = middle
      }
    }
    path.reverse()
    return path
  }

  /// The proof that the tree of `from` leaves is the beginning of that of `to` leaves (RFC 6962 §2.1.2); empty where
  /// they are the same tree, or the first is empty.
  ///
  /// - Precondition: `from <= to`.
  public static func consistency(
    from: UInt64, to: UInt64, node: (_ level: UInt8, _ index: UInt64) throws -> Digest
  ) rethrows -> [Digest] {
    precondition(from <= to, "a tree is no beginning of a smaller one")
    guard from > 0, from < to else { return [] }
    var path: [Digest] = []
    var begin: UInt64 = 0
    var end = to
    while end != from {
      let middle = begin + split(end - begin)
      if from <= middle {
        path.append(try subtree(middle, end, node))
        end = middle
      } else {
        path.append(try subtree(begin, middle, node))
        begin = middle
      }
    }
    // The old tree's own last subtree; left out where it is the whole old tree, whose root the verifier has.
    if begin > 0 { path.append(try subtree(begin, end, node)) }
    path.reverse()
    return path
  }

  /// The root of the tree of so many leaves, from the stored nodes.
  public static func root(
    size: UInt64, node: (_ level: UInt8, _ index: UInt64) throws -> Digest
  ) rethrows -> Digest {
    size == 0 ? RFC6962.emptyRoot : try subtree(0, size, node)
  }

  /// Whether the proof shows that the leaf hash stands at that index of the tree with that root (RFC 9162 §2.1.3.2).
  public static func verifyInclusion(
    leaf: Digest, index: UInt64, size: UInt64, proof: [Digest], root: Digest
  ) -> Bool {
    guard index < size else { return false }
    var position = index
    var last = size - 1
    var hash = leaf
    for sibling in proof {
      guard last != 0 else { return false }
      if position & 1 == 1 || position == last {
        hash = RFC6962.nodeHash(sibling, hash)
        skipMissingSiblings(&position, &last)
      } else {
        hash = RFC6962.nodeHash(hash, sibling)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 && hash == root
  }

  /// Whether the proof shows that the first tree is the beginning of the second (RFC 9162 §2.1.4.2).
  ///
  /// Nothing is proved about a tree without leaves: it is accepted only against itself, with the root that it must
  /// have.
  public static func verifyConsistency(
    from: UInt64, to: UInt64, oldRoot: Digest, newRoot: Digest, proof: [Digest]
  ) -> Bool {
    if from == to {
      return proof.isEmpty && oldRoot == newRoot && (from > 0 || oldRoot == RFC6962.emptyRoot)
    }
    guard from > 0, from < to, let first = proof.first else { return false }
    var rest = proof[...]
    var oldHash = oldRoot
    if from & (from - 1) != 0 {
      oldHash = first
      rest = rest.dropFirst()
    }
    var newHash = oldHash
    var position = from - 1
    var last = to - 1
    while position & 1 == 1 {
      position >>= 1
      last >>= 1
    }
    for sibling in rest {
      guard last != 0 else { return false }
      if position & 1 == 1 || position == last {
        oldHash = RFC6962.nodeHash(sibling, oldHash)
        newHash = RFC6962.nodeHash(sibling, newHash)
        skipMissingSiblings(&position, &last)
      } else {
        newHash = RFC6962.nodeHash(newHash, sibling)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 && oldHash == oldRoot && newHash == newRoot
  }

  /// A node at the right edge rises past the levels where it has no sibling.
  private static func skipMissingSiblings(_ position: inout UInt64, _ last: inout UInt64) {
    while position & 1 == 0 && position != 0 {
      position >>= 1
      last >>= 1
    }
  }

  /// The largest power of two below a count of at least two: where RFC 6962 divides a tree.
  private static func split(_ count: UInt64) -> UInt64 {
    1 << UInt64(63 - (count - 1).leadingZeroBitCount)
  }

  /// The root over the leaves from `begin` up to but not including `end`, which is complete or at the right edge.
  private static func subtree(
    _ begin: UInt64, _ end: UInt64, _ node: (_ level: UInt8, _ index: UInt64) throws -> Digest
  ) rethrows -> Digest {
    let count = end - begin
    if count & (count - 1) == 0 {
      let level = count.trailingZeroBitCount
      return try node(UInt8(level), begin >> UInt64(level))
    }
    let middle = begin + split(count)
    let left = try subtree(begin, middle, node)
    let right = try subtree(middle, end, node)
    return RFC6962.nodeHash(left, right)
  }
}
