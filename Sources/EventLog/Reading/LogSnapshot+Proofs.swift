import MerkleTree

extension LogSnapshot {
  /// The root of the tree over the first so many headers, which must be there.
  public func root(size: UInt64) throws -> Digest {
    try MerkleProof.root(size: size) { try treeNode(level: $0, index: $1) }
  }

  /// Proves that a header is in the tree over the first so many (RFC 6962 §2.1.1); leaves are counted from 0.
  public func inclusionProof(index: UInt64, size: UInt64) throws -> [Digest] {
    try MerkleProof.inclusion(index: index, size: size) { try treeNode(level: $0, index: $1) }
  }

  /// Proves that a tree has grown into another without a change (RFC 6962 §2.1.2).
  public func consistencyProof(from start: UInt64, to end: UInt64) throws -> [Digest] {
    try MerkleProof.consistency(from: start, to: end) { try treeNode(level: $0, index: $1) }
  }

  /// The hash of a complete subtree, for proofs.
  public func treeNode(level: UInt8, index: UInt64) throws -> Digest {
    let shift = UInt64(level % TreeTiles.height)
    return TreeTiles.root(
      of: try tileHashes(level: level / TreeTiles.height, from: index << shift, count: 1 << shift))
  }
}
