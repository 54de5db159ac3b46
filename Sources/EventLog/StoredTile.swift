import LMDB
import MerkleTree

/// A tile of the tree as the database `tree` has it, as far as it is filled. That of the last leaves is of the moment
/// when LMDB's pages were written to last; behind it, leaves stand in their headers alone.
struct StoredTile {
  let level: UInt8
  let index: UInt64
  let bytes: [UInt8]

  /// Puts the tile of the last leaves, by which `verify` tells which header was changed.
  static func putLastLeaves(of store: WriteTransaction, _ databases: Databases, size: UInt64) throws {
    let tile = size / TreeTiles.width
    var leaves: [Digest] = []
    for position in (tile * TreeTiles.width + 1)..<(size + 1) {
      let leaf = try store.withValue(databases.headers, Key.position(position)) {
        $0.withUnsafeBytes { RFC6962.leafHash($0) }
      }
      guard let leaf else { throw EventLogError.damaged("position \(position) is missing") }
      leaves.append(leaf)
    }
    if leaves.isEmpty { return }
    try store.put(databases.tree, Key.tree(0, tile), TreeTiles.bytes(leaves))
  }
}

/// Collects the tiles that some new leaves make.
struct TileCollector {
  /// The right edge behind the leaves so far.
  private(set) var edge: TreeTiles
  private var full: [StoredTile] = []
  /// The levels on which there are new hashes in a tile that isn't full.
  private var changed: Set<UInt8> = []

  init(_ edge: TreeTiles) { self.edge = edge }

  /// Adds a leaf to the tree whose edge this is.
  mutating func append(leaf: Digest, to frontier: inout TreeFrontier) {
    frontier.append(leaf: leaf) { level, index, hash in
      guard level % TreeTiles.height == 0 else { return }
      let tileLevel = level / TreeTiles.height
      if let tile = edge.append(level: level, hash: hash) {
        full.append(
          StoredTile(level: tile.level, index: index / TreeTiles.width, bytes: TreeTiles.bytes(tile.hashes)))
        changed.remove(tileLevel)
      } else if tileLevel > 0 {
        changed.insert(tileLevel)
      }
    }
  }

  /// What is to be stored, in the order of the keys, of a tree that has so many leaves by now.
  func stored(size: UInt64) -> [StoredTile] {
    let unfinished = changed.map { level in
      StoredTile(
        level: level, index: TreeTiles.hashCount(level: level, size: size) / TreeTiles.width,
        bytes: TreeTiles.bytes(edge.unfinished[Int(level)]))
    }
    return (full + unfinished).sorted { ($0.level, $0.index) < ($1.level, $1.index) }
  }
}
