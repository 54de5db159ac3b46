import CanonicalJSON
import Evidence
import MerkleTree
import TestBasics
import Testing

@Suite struct RangeProofTests {
  /// Leaves, and the roots of complete subtrees by level and index.
  private struct Tree {
    var nodes: [[Digest]] = []

    init(_ size: UInt64) {
      var frontier = TreeFrontier()
      for index in 0..<size {
        frontier.append(leaf: Self.leaf(index)) { level, _, hash in
          if nodes.count <= Int(level) { nodes.append([]) }
          nodes[Int(level)].append(hash)
        }
      }
    }

    static func leaf(_ index: UInt64) -> Digest { RFC6962.leafHash(Array("leaf \(index)".utf8)) }

    func path(_ index: UInt64, _ size: UInt64) -> [Digest] {
      MerkleProof.inclusion(index: index, size: size) { nodes[Int($0)][Int($1)] }
    }

    func root(_ size: UInt64) -> Digest { MerkleProof.root(size: size) { nodes[Int($0)][Int($1)] } }
  }

  @Test func `every range of every small tree gives its root, and all roots on the way`() throws {
    let tree = Tree(33)
    for size in 1...33 as ClosedRange<UInt64> {
      for first in 1...size {
        for last in first...size {
          let proof = try #require(
            RangeProof(
              first: first, last: last, treeSize: size, ofFirst: tree.path(first - 1, size),
              ofLast: tree.path(last - 1, size)))
          #expect(RangeProof(.object(proof.json)) == proof)
          var rebuild = try #require(RangeRebuild(proof))
          for position in first...last {
            rebuild.append(leaf: Tree.leaf(position - 1))
            #expect(rebuild.root() == tree.root(position))
          }
          #expect(rebuild.wholeRoot() == tree.root(size), "\(first)...\(last) of \(size)")
        }
      }
    }
  }

  @Test func `a leaf that was changed, left out, added or moved leads to another root`() throws {
    let tree = Tree(21)
    let proof = try #require(
      RangeProof(first: 6, last: 13, treeSize: 21, ofFirst: tree.path(5, 21), ofLast: tree.path(12, 21)))
    let whole = (5...12).map { Tree.leaf($0) }
    var other = whole
    other[3] = Tree.leaf(99)
    var moved = whole
    moved.swapAt(2, 3)
    for leaves in [other, moved, Array(whole.dropLast()), whole + [Tree.leaf(13)], []] {
      var rebuild = try #require(RangeRebuild(proof))
      for leaf in leaves { rebuild.append(leaf: leaf) }
      #expect(rebuild.wholeRoot() != tree.root(21))
    }
    let short = RangeProof(first: 6, last: 13, treeSize: 21, left: proof.left, right: Array(proof.right.dropLast()))
    let long = RangeProof(first: 6, last: 13, treeSize: 21, left: proof.left, right: proof.right + [Tree.leaf(0)])
    for proof in [short, long] {
      var rebuild = try #require(RangeRebuild(proof))
      for leaf in whole { rebuild.append(leaf: leaf) }
      #expect(rebuild.wholeRoot() == nil)
    }
    #expect(RangeRebuild(RangeProof(first: 6, last: 13, treeSize: 21, left: [], right: proof.right)) == nil)
  }

  @Test func `audit paths of another tree make no proof`() {
    let tree = Tree(21)
    #expect(RangeProof(first: 6, last: 13, treeSize: 21, ofFirst: tree.path(5, 20), ofLast: []) == nil)
    #expect(RangeProof(first: 6, last: 5, treeSize: 21, ofFirst: tree.path(5, 21), ofLast: tree.path(4, 21)) == nil)
    #expect(RangeProof(first: 6, last: 22, treeSize: 21, ofFirst: tree.path(5, 21), ofLast: tree.path(4, 21)) == nil)
  }
}
