import CanonicalJSON
import MerkleTree

/// The hashes of an RFC 6962 tree on both sides of a range of leaves. Together with the leaves of the range they give
/// the root, so whoever has them can tell that no leaf of the range was left out, added or changed.
///
/// They are two halves of two audit paths (RFC 6962 §2.1.1): of the first leaf's what lies left of it, of the last
/// leaf's what lies right of it.
package struct RangeProof: Sendable, Equatable {
  /// The first position of the range.
  package let first: UInt64
  /// The last one.
  package let last: UInt64
  /// The number of leaves of the tree.
  package let treeSize: UInt64
  /// The roots of the complete subtrees before the range, from left to right.
  package let left: [Digest]
  /// The roots of the subtrees after the range, from left to right.
  package let right: [Digest]

  /// A proof of these parts.
  package init(first: UInt64, last: UInt64, treeSize: UInt64, left: [Digest], right: [Digest]) {
    self.first = first
    self.last = last
    self.treeSize = treeSize
    self.left = left
    self.right = right
  }

  /// The proof that the audit paths of the first and the last leaf make; nil where they don't fit the tree.
  package init?(first: UInt64, last: UInt64, treeSize: UInt64, ofFirst: [Digest], ofLast: [Digest]) {
    guard first >= 1, first <= last, last <= treeSize,
      let left = RangeProof.sides(of: ofFirst, index: first - 1, size: treeSize)?.left,
      let right = RangeProof.sides(of: ofLast, index: last - 1, size: treeSize)?.right
    else { return nil }
    self.init(first: first, last: last, treeSize: treeSize, left: left, right: right)
  }

  /// An audit path parted into what lies left of the leaf and what lies right, each from left to right.
  private static func sides(of path: [Digest], index: UInt64, size: UInt64) -> (left: [Digest], right: [Digest])? {
    var climb = Climb(index: index, size: size)
    var left: [Digest] = []
    var right: [Digest] = []
    for sibling in path {
      guard let side = climb.next() else { return nil }
      if side == .left { left.append(sibling) } else { right.append(sibling) }
    }
    return climb.next() == nil ? (left.reversed(), right) : nil
  }

  /// The proof as `proofs.json` has it.
  package var json: JSONObject {
    [
      "first": JSON(position: first), "last": JSON(position: last),
      "left": .array(left.map { .string($0.base64) }), "right": .array(right.map { .string($0.base64) }),
      "tree_size": JSON(position: treeSize),
    ]
  }

  /// The proof that ``json`` wrote; nil for anything else.
  package init?(_ json: JSON) {
    func count(_ name: String) -> UInt64? { json[name]?.integerValue.flatMap { UInt64(exactly: $0) } }
    guard let first = count("first"), let last = count("last"), let treeSize = count("tree_size"), first >= 1,
      first <= last, last <= treeSize, let left = Digest.list(json["left"]), let right = Digest.list(json["right"])
    else { return nil }
    self.init(first: first, last: last, treeSize: treeSize, left: left, right: right)
  }
}

/// The leaves of a range, taken in one after the other: what gives the roots of the tree while it grew over them, and
/// at the end that of the whole tree.
package struct RangeRebuild: Sendable {
  private let proof: RangeProof
  /// The right edge of the tree before the last leaf that was taken in.
  private var before: TreeFrontier
  /// The right edge with it.
  private var frontier: TreeFrontier
  private var lastLeaf: Digest?

  /// The tree before the range; nil where the proof hasn't the hashes that a tree of that size must have.
  package init?(_ proof: RangeProof) {
    guard let frontier = TreeFrontier(size: proof.first - 1, hashes: proof.left) else { return nil }
    self.proof = proof
    self.frontier = frontier
    before = frontier
  }

  /// How many leaves the tree has by now.
  package var size: UInt64 { frontier.size }
  /// The root of the tree as far as it has come.
  package func root() -> Digest { frontier.root() }

  /// Takes in the leaf of the next position.
  package mutating func append(leaf: Digest) {
    before = frontier
    frontier.append(leaf: leaf) { _, _, _ in }
    lastLeaf = leaf
  }

  /// The root of the whole tree; nil while the range isn't at its end, or where the hashes after it aren't those that a
  /// tree of that size must have.
  package func wholeRoot() -> Digest? {
    guard size == proof.last, var hash = lastLeaf else { return nil }
    var left = before.hashes[...]
    var right = proof.right[...]
    var climb = Climb(index: proof.last - 1, size: proof.treeSize)
    while let side = climb.next() {
      switch side {
      case .left:
        guard let sibling = left.popLast() else { return nil }
        hash = RFC6962.nodeHash(sibling, hash)
      case .right:
        guard let sibling = right.popFirst() else { return nil }
        hash = RFC6962.nodeHash(hash, sibling)
      }
    }
    return left.isEmpty && right.isEmpty ? hash : nil
  }
}

/// The way from a leaf up to the root, as RFC 9162 §2.1.3.2 goes it: on which side each sibling lies.
private struct Climb {
  enum Side { case left, right }

  private var index: UInt64
  private var last: UInt64

  init(index: UInt64, size: UInt64) {
    self.index = index
    last = size - 1
  }

  mutating func next() -> Side? {
    guard last != 0 else { return nil }
    let side: Side
    if index & 1 == 1 || index == last {
      side = .left
      // A node at the right edge rises past the levels where it has no sibling.
      while index & 1 == 0, index != 0 {
        index >>= 1
        last >>= 1
      }
    } else {
      side = .right
    }
    index >>= 1
    last >>= 1
    return side
  }
}

extension Digest {
  /// The digests of an array of base64 texts; nil for anything else.
  static func list(_ json: JSON?) -> [Digest]? {
    guard let elements = json?.arrayValue else { return nil }
    let digests = elements.compactMap { $0.stringValue.flatMap { Digest(base64: $0) } }
    return digests.count == elements.count ? digests : nil
  }
}
