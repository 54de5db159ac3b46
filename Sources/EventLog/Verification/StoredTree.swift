import LMDB
import MerkleTree

/// How a format keeps the tree.
protocol StoredTreeForm {
  /// Whether a complete subtree is stored as the headers make it; what isn't as it must be is noted.
  /// - Parameter position: that of the header that completes it.
  mutating func isThere(
    _ store: borrowing ReadTransaction, _ node: (level: UInt8, index: UInt64, hash: Digest),
    _ report: inout VerificationReport, _ position: UInt64
  ) throws -> Bool

  /// Compares how many entries there are with how many there must be.
  func count(
    _ store: borrowing ReadTransaction, _ frontier: TreeFrontier, _ report: inout VerificationReport
  ) throws
}

/// The stored tree, read along with the headers.
struct StoredTree {
  private(set) var form: any StoredTreeForm
  /// Whether it can be read, as far as it was.
  private var isReadable = true
  /// The positions whose leaf is missing or another one: the first, and the last.
  private var first: UInt64?
  private var last: UInt64 = 0

  init(_ form: any StoredTreeForm) { self.form = form }

  /// The first position after one, as near as is known, whose leaf is missing or another one than its header's.
  func unprovenLeaf(after proven: UInt64) -> UInt64? { first.flatMap { last > proven ? max($0, proven + 1) : nil } }

  /// Compares what is stored for a complete subtree with what the headers make.
  /// - Parameter position: that of the header that completes it.
  mutating func compare(
    _ store: borrowing ReadTransaction, _ node: (level: UInt8, index: UInt64, hash: Digest),
    _ report: inout VerificationReport, _ position: UInt64
  ) throws {
    guard isReadable else { return }
    do {
      if try !form.isThere(store, node, &report, position), node.level == 0 {
        first = first ?? position
        last = position
      }
    } catch {
      isReadable = false
      first = first ?? position
      last = .max
      try report.note(.tree, unreadableBecauseOf: error)
    }
  }
}

/// The stored tree in tiles.
struct StoredTiles: StoredTreeForm {
  private let database: Database
  /// How many leaves the tree has.
  private let size: UInt64
  /// The tile of each level that is being read.
  private var tiles: [Tile?] = []

  private struct Tile {
    let index: UInt64
    /// Nil where it is missing, or has another length than it must.
    let hashes: [Digest]?
  }

  init(_ database: Database, size: UInt64) {
    self.database = database
    self.size = size
  }

  mutating func isThere(
    _ store: borrowing ReadTransaction, _ node: (level: UInt8, index: UInt64, hash: Digest),
    _ report: inout VerificationReport, _ position: UInt64
  ) throws -> Bool {
    // Whatever lies between two levels of tiles is computed.
    guard node.level % TreeTiles.height == 0 else { return true }
    let level = node.level / TreeTiles.height
    let index = node.index / TreeTiles.width
    let behind = TreeTiles.hashCount(level: level, size: size) - index * TreeTiles.width
    let expected = Int(min(behind, TreeTiles.width))
    while tiles.count <= Int(level) { tiles.append(nil) }
    if tiles[Int(level)]?.index != index {
      let hashes = try store.withValue(database, Key.tree(level, index)) { stored -> [Digest]? in
        guard stored.byteCount == expected * 32 else { return nil }
        return stored.withUnsafeBytes { TreeTiles.hashes($0, 0..<expected) }
      }
      tiles[Int(level)] = Tile(index: index, hashes: hashes ?? nil)
      if hashes == nil {
        report.note(.tree, "the tree lacks tile \(index) of level \(level)", at: position)
      } else if hashes == .some(nil) {
        report.note(.tree, "tile \(index) of level \(level) of the tree has another length than it must", at: position)
      }
    }
    guard let hashes = tiles[Int(level)]?.hashes else { return false }
    if hashes[Int(node.index % TreeTiles.width)] == node.hash { return true }
    let what =
      level == 0
      ? "the header differs from its leaf in the tree"
      : "a hash of tile \(index) of level \(level) of the tree differs from its children"
    report.note(.tree, what, at: position)
    return false
  }

  func count(
    _ store: borrowing ReadTransaction, _ frontier: TreeFrontier, _ report: inout VerificationReport
  ) throws {
    var tiles: UInt64 = 0
    var level: UInt8 = 0
    while case let hashes = TreeTiles.hashCount(level: level, size: frontier.size), hashes > 0 {
      tiles += (hashes + TreeTiles.width - 1) / TreeTiles.width
      level += 1
    }
    let stored = try store.statistics(database).entries
    if stored != tiles { report.note(.tree, "the tree has \(stored) tiles instead of \(tiles)") }
  }
}

/// The stored tree of a log of ``LogFormat/first``: each node an entry.
struct StoredNodes: StoredTreeForm {
  private let database: Database
  private var levels: [TreeLevel] = []

  init(_ database: Database) { self.database = database }

  func count(
    _ store: borrowing ReadTransaction, _ frontier: TreeFrontier, _ report: inout VerificationReport
  ) throws {
    let nodes = frontier.size == 0 ? 0 : 2 * frontier.size - UInt64(frontier.size.nonzeroBitCount)
    let stored = try store.statistics(database).entries
    if stored != nodes { report.note(.tree, "the tree has \(stored) nodes instead of \(nodes)") }
  }

  mutating func isThere(
    _ store: borrowing ReadTransaction, _ node: (level: UInt8, index: UInt64, hash: Digest),
    _ report: inout VerificationReport, _ position: UInt64
  ) throws -> Bool {
    if Int(node.level) == levels.count {
      levels.append(try TreeLevel(store.unsafeCursor(database), from: Key.tree(node.level, 0)))
    }
    let level = levels[Int(node.level)]
    let key = Key.tree(node.level, node.index)
    guard let value = level.value(of: key) else {
      report.note(.tree, "the tree lacks node \(node.index) of level \(node.level)", at: position)
      try level.pass(key)
      return false
    }
    let isSame = node.hash.withUnsafeBytes { value.elementsEqual($0) }
    if !isSame {
      let what =
        node.level == 0
        ? "the header differs from its leaf in the tree"
        : "a tree node of level \(node.level) differs from its children"
      report.note(.tree, what, at: position)
    }
    try level.next()
    return isSame
  }
}

/// The stored nodes of one level of the tree, from left to right. It lives no
/// longer than the check, which borrows the transaction.
private final class TreeLevel {
  private var cursor: Cursor

  init(_ cursor: consuming Cursor, from key: [UInt8]) throws {
    self.cursor = cursor
    try self.cursor.seek(key)
  }

  /// The value of the node at the cursor, where it has that key.
  func value(of key: [UInt8]) -> UnsafeRawBufferPointer? {
    cursor.isOnEntry && cursor.unsafeKey.elementsEqual(key) ? cursor.unsafeValue : nil
  }

  func next() throws { try cursor.next() }

  /// Goes to the first node behind a key.
  func pass(_ key: [UInt8]) throws {
    try cursor.seek(key)
    if value(of: key) != nil { try cursor.next() }
  }
}
