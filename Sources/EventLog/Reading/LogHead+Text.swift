import MerkleTree

extension LogHead {
  /// The root of the tree in padded base64, as checkpoints write it.
  public var rootText: String { root.base64 }
}
