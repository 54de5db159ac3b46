import BasicTypes
import MerkleTree

/// RFC 6962 §2.1 written down as the RFC words it, over whole lists of leaves: slow, and nothing to get wrong.
struct ReferenceTree {
  let leaves: [Digest]

  /// A tree of so many different leaves.
  init(count: Int) {
    leaves = (0..<count).map { RFC6962.leafHash(Array("leaf \($0)".utf8)) }
  }

  init(leaves: [[UInt8]]) {
    self.leaves = leaves.map { RFC6962.leafHash($0) }
  }

  func root(_ range: Range<Int>) -> Digest {
    if range.isEmpty { return RFC6962.emptyRoot }
    if range.count == 1 { return leaves[range.lowerBound] }
    let middle = range.lowerBound + split(range.count)
    return RFC6962.nodeHash(root(range.lowerBound..<middle), root(middle..<range.upperBound))
  }

  /// PATH(m, D[n]).
  func path(_ index: Int, _ range: Range<Int>) -> [Digest] {
    guard range.count > 1 else { return [] }
    let middle = range.lowerBound + split(range.count)
    return index < middle
      ? path(index, range.lowerBound..<middle) + [root(middle..<range.upperBound)]
      : path(index, middle..<range.upperBound) + [root(range.lowerBound..<middle)]
  }

  /// SUBPROOF(m, D[n], b), with m as an absolute end.
  func subproof(_ end: Int, _ range: Range<Int>, _ isWhole: Bool) -> [Digest] {
    if end == range.upperBound { return isWhole ? [] : [root(range)] }
    let middle = range.lowerBound + split(range.count)
    return end <= middle
      ? subproof(end, range.lowerBound..<middle, isWhole) + [root(middle..<range.upperBound)]
      : subproof(end, middle..<range.upperBound, false) + [root(range.lowerBound..<middle)]
  }

  private func split(_ count: Int) -> Int {
    var half = 1
    while half * 2 < count { half *= 2 }
    return half
  }
}

/// The stored roots of complete subtrees, as the log keeps them.
struct StoredNodes {
  struct Missing: Error {}
  private struct Place: Hashable {
    let level: UInt8
    let index: UInt64
  }

  private(set) var frontier = TreeFrontier()
  private var nodes: [Place: Digest] = [:]

  init(_ leaves: [Digest] = []) {
    for leaf in leaves { append(leaf) }
  }

  mutating func append(_ leaf: Digest) {
    var edge = frontier
    edge.append(leaf: leaf) { nodes[Place(level: $0, index: $1)] = $2 }
    frontier = edge
  }

  func node(_ level: UInt8, _ index: UInt64) throws -> Digest {
    guard let digest = nodes[Place(level: level, index: index)] else { throw Missing() }
    return digest
  }
}

let standardLeaves: [[UInt8]] = [
  "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
].compactMap { Hex.decode($0) }

let standardRoots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
