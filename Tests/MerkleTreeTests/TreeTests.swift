import MerkleTree
import Testing

@Suite struct TreeTests {
  @Test func `The standard leaves give the published roots`() throws {
    try #require(standardLeaves.count == 8)
    var frontier = TreeFrontier()
    #expect(frontier.root().hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for (leaf, root) in zip(standardLeaves, standardRoots) {
      frontier.append(leaf: RFC6962.leafHash(leaf)) { _, _, _ in }
      #expect(frontier.root().hex == root)
    }
  }

  @Test func `A frontier announces each complete subtree once and keeps the root`() throws {
    let tree = ReferenceTree(count: 130)
    var frontier = TreeFrontier()
    var announced: Set<[UInt64]> = []
    for (count, leaf) in tree.leaves.enumerated() {
      frontier.append(leaf: leaf) { level, index, hash in
        #expect(announced.insert([UInt64(level), index]).inserted)
        let begin = Int(index) << Int(level)
        #expect(hash == tree.root(begin..<(begin + 1 << Int(level))))
      }
      #expect(frontier.size == UInt64(count + 1))
      #expect(frontier.root() == tree.root(0..<(count + 1)))
      #expect(frontier.hashes.count == (count + 1).nonzeroBitCount)
    }
    // 130 leaves: 130 + 65 + 32 + 16 + 8 + 4 + 2 + 1 complete subtrees.
    #expect(announced.count == 258)
  }

  @Test func `A frontier is built again from stored nodes`() throws {
    var stored = StoredNodes()
    for leaf in ReferenceTree(count: 100).leaves {
      stored.append(leaf)
      let hashes = try TreeFrontier.nodes(ofSize: stored.frontier.size).map { try stored.node($0.level, $0.index) }
      #expect(TreeFrontier(size: stored.frontier.size, hashes: hashes) == stored.frontier)
    }
    #expect(TreeFrontier(size: 3, hashes: [RFC6962.emptyRoot]) == nil)
    #expect(TreeFrontier(size: 0, hashes: []) == TreeFrontier())
  }

  @Test func `A frontier whose callback throws is as it was`() {
    struct Full: Error {}
    var frontier = StoredNodes(ReferenceTree(count: 7).leaves).frontier
    let before = frontier
    #expect(throws: Full.self) {
      try frontier.append(leaf: RFC6962.emptyRoot) { level, _, _ in if level == 2 { throw Full() } }
    }
    #expect(frontier == before)
  }

  @Test func `Every inclusion proof up to 64 leaves is the reference's, verifies, and fails when changed`() throws {
    let tree = ReferenceTree(count: 65)
    let stored = StoredNodes(tree.leaves)
    for size in 1...64 {
      let root = tree.root(0..<size)
      #expect(try MerkleProof.root(size: UInt64(size), node: stored.node) == root)
      for index in 0..<size {
        let proof = try MerkleProof.inclusion(index: UInt64(index), size: UInt64(size), node: stored.node)
        #expect(proof == tree.path(index, 0..<size))
        func verifies(_ proof: [Digest], index: Int, size: Int, leaf: Digest) -> Bool {
          MerkleProof.verifyInclusion(leaf: leaf, index: UInt64(index), size: UInt64(size), proof: proof, root: root)
        }
        let leaf = tree.leaves[index]
        #expect(verifies(proof, index: index, size: size, leaf: leaf))
        #expect(!verifies(proof, index: index, size: size, leaf: tree.leaves[64]))
        #expect(!verifies(proof, index: size, size: size, leaf: leaf))
        #expect(!verifies(proof + [root], index: index, size: size, leaf: leaf))
        for other in 0..<size where other != index {
          #expect(!verifies(proof, index: other, size: size, leaf: leaf))
        }
        for at in proof.indices {
          #expect(!verifies(try flipped(proof, at), index: index, size: size, leaf: leaf))
          var shorter = proof
          shorter.remove(at: at)
          #expect(!verifies(shorter, index: index, size: size, leaf: leaf))
        }
      }
    }
  }

  @Test func `Every consistency proof up to 64 leaves is the reference's, verifies, and fails when changed`() throws {
    let tree = ReferenceTree(count: 64)
    let stored = StoredNodes(tree.leaves)
    let roots = (0...64).map { tree.root(0..<$0) }
    for to in 0...64 {
      for from in 0...to {
        let proof = try MerkleProof.consistency(from: UInt64(from), to: UInt64(to), node: stored.node)
        func verifies(_ proof: [Digest], old: Digest, new: Digest) -> Bool {
          MerkleProof.verifyConsistency(
            from: UInt64(from), to: UInt64(to), oldRoot: old, newRoot: new, proof: proof)
        }
        if from == 0 {
          #expect(proof.isEmpty)
          #expect(verifies(proof, old: roots[from], new: roots[to]) == (to == 0))
          continue
        }
        #expect(proof == tree.subproof(from, 0..<to, true))
        #expect(verifies(proof, old: roots[from], new: roots[to]))
        #expect(!verifies(proof, old: roots[from - 1], new: roots[to]))
        #expect(!verifies(proof, old: roots[from], new: roots[to - 1]))
        #expect(!verifies(proof + [roots[0]], old: roots[from], new: roots[to]))
        for at in proof.indices {
          #expect(!verifies(try flipped(proof, at), old: roots[from], new: roots[to]))
          var shorter = proof
          shorter.remove(at: at)
          #expect(!verifies(shorter, old: roots[from], new: roots[to]))
        }
      }
    }
  }

  @Test func `A proof over stored nodes says which one is missing`() throws {
    let stored = StoredNodes(ReferenceTree(count: 5).leaves)
    #expect(throws: StoredNodes.Missing.self) { try MerkleProof.inclusion(index: 2, size: 8, node: stored.node) }
  }

  private func flipped(_ proof: [Digest], _ at: Int) throws -> [Digest] {
    var changed = proof
    var bytes = proof[at].bytes
    bytes[at % 32] ^= 1 << UInt8(at % 8)
    changed[at] = try #require(Digest(bytes: bytes))
    return changed
  }

  @Test func `a tile lies where C2SP's tlog-tiles says`() {
    for (level, index, width, path) in [
      (0, 0, 256, "tile/0/000"), (0, 999, 256, "tile/0/999"), (0, 1000, 256, "tile/0/x001/000"),
      (0, 1_234_067, 256, "tile/0/x001/x234/067"), (1, 1_234, 8, "tile/1/x001/234.p/8"), (2, 0, 1, "tile/2/000.p/1"),
    ] as [(UInt8, UInt64, UInt64, String)] {
      #expect(TreeTiles.path(level: level, index: index, width: width) == path)
    }
  }
}
