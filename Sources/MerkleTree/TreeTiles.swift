/// The stored tree, cut into tiles as C2SP's `tlog-tiles` cuts it: a tile of level L has up to 256 hashes, those of
/// complete subtrees of 256^L leaves each, side by side. Whatever lies between two levels is computed.
///
/// This is the right edge: the hashes of the last tile of each level, as far as it isn't full.
public struct TreeTiles: Sendable, Equatable {
  /// How many hashes a full tile has.
  public static let width: UInt64 = 256
  /// How many levels of the tree a tile spans.
  public static let height: UInt8 = 8

  /// By tile level, from the leaves up; fewer than ``width`` each.
  public private(set) var unfinished: [[Digest]]

  /// The edge of an empty tree.
  public init() { unfinished = [] }

  /// An edge of these hashes.
  public init(unfinished: [[Digest]]) { self.unfinished = unfinished }

  /// How many hashes all tiles of a level have together in a tree of so many leaves.
  public static func hashCount(level: UInt8, size: UInt64) -> UInt64 {
    level * height < 64 ? size >> UInt64(level * height) : 0
  }

  /// Adds the root of a complete subtree, as ``TreeFrontier/append(leaf:_:)`` announces it; what isn't on a level of
  /// tiles changes nothing.
  /// - Returns: The tile that it fills, with its level, where it does.
  public mutating func append(level: UInt8, hash: Digest) -> (level: UInt8, hashes: [Digest])? {
    guard level % TreeTiles.height == 0 else { return nil }
    let place = Int(level / TreeTiles.height)
    while unfinished.count <= place { unfinished.append([]) }
    unfinished[place].append(hash)
    guard unfinished[place].count == Int(TreeTiles.width) else { return nil }
    let full = unfinished[place]
    unfinished[place] = []
    return (UInt8(place), full)
  }

  /// The root of a complete subtree whose leaves, or the roots of whose subtrees, these are: as many as a power of two.
  public static func root(of hashes: [Digest]) -> Digest {
    precondition(hashes.count.nonzeroBitCount == 1, "a complete subtree has as many hashes as a power of two")
    var hashes = hashes
    while hashes.count > 1 {
      for index in 0..<(hashes.count / 2) {
        hashes[index] = RFC6962.nodeHash(hashes[2 * index], hashes[2 * index + 1])
      }
      hashes.removeLast(hashes.count / 2)
    }
    return hashes[0]
  }

  /// Where a tile lies below a log's prefix, as C2SP's `tlog-tiles` says: `tile/0/x001/234`, or `tile/0/005.p/17` where
  /// it has 17 hashes so far.
  public static func path(level: UInt8, index: UInt64, width: UInt64) -> String {
    var groups: [String] = []
    var rest = index
    repeat {
      let digits = String(rest % 1000)
      let group = String(repeating: "0", count: 3 - digits.count) + digits
      groups.insert(groups.isEmpty ? group : "x" + group, at: 0)
      rest /= 1000
    } while rest > 0
    let part = width == TreeTiles.width ? "" : ".p/\(width)"
    return "tile/\(level)/\(groups.joined(separator: "/"))\(part)"
  }

  /// The bytes of a tile: its hashes, one after the other.
  public static func bytes(_ hashes: [Digest]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(hashes.count * 32)
    for hash in hashes { hash.withUnsafeBytes { bytes.append(contentsOf: $0) } }
    return bytes
  }

  /// Some hashes of a tile's bytes; nil where it hasn't so many, or isn't made of hashes.
  public static func hashes(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> [Digest]? {
    guard bytes.count % 32 == 0, range.upperBound * 32 <= bytes.count else { return nil }
    var hashes: [Digest] = []
    hashes.reserveCapacity(range.count)
    for index in range {
      guard let hash = Digest(bytes: UnsafeRawBufferPointer(rebasing: bytes[(index * 32)..<(index * 32 + 32)])) else {
        return nil
      }
      hashes.append(hash)
    }
    return hashes
  }
}
