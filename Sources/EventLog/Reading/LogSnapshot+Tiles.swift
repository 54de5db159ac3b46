import BasicTypes
import LMDB
import MerkleTree

extension LogSnapshot {
  /// Some hashes of a level of tiles, side by side and within one tile: of leaves on level 0, of complete subtrees of
  /// 256 times as many leaves on each level above.
  /// - Parameter first: How many are left of them on that level.
  public func tileHashes(level: UInt8, from first: UInt64, count: UInt64) throws -> [Digest] {
    let tile = first / TreeTiles.width
    let isThere = first + count <= TreeTiles.hashCount(level: level, size: head.position)
    guard isThere, count > 0, (first + count - 1) / TreeTiles.width == tile else {
      throw EventLogError.damaged("the tree has no hash \(first + count - 1) on level \(level) of its tiles")
    }
    if level == 0, (tile + 1) * TreeTiles.width > head.position {
      // The last leaves are kept nowhere but in their headers.
      return try (first..<(first + count)).map { index in
        let header = try store.withValue(databases.headers, Key.position(index + 1)) {
          $0.withUnsafeBytes { RFC6962.leafHash($0) }
        }
        guard let header else { throw EventLogError.damaged("position \(index + 1) is missing") }
        return header
      }
    }
    let start = Int(first % TreeTiles.width)
    let hashes = try store.withValue(databases.tree, Key.tree(level, tile)) { stored in
      stored.withUnsafeBytes { TreeTiles.hashes($0, start..<(start + Int(count))) }
    }
    guard let hashes = hashes ?? nil else {
      throw EventLogError.damaged("the tile \(tile) of level \(level) of the tree is missing or damaged")
    }
    return hashes
  }

  /// The right edge of the tree in tiles.
  func tiles() throws -> TreeTiles {
    var unfinished: [[Digest]] = []
    var level: UInt8 = 0
    while case let count = TreeTiles.hashCount(level: level, size: head.position), count > 0 {
      let part = count % TreeTiles.width
      unfinished.append(part == 0 ? [] : try tileHashes(level: level, from: count - part, count: part))
      level += 1
    }
    return TreeTiles(unfinished: unfinished)
  }
}
