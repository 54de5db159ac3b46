import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import MerkleTree
import Refusals
import Vault

extension QueryEngine {
  /// `log.head`: the end of the log.
  func head(_ parameters: inout QueryParameters) throws -> [UInt8] {
    try parameters.finish()
    let head = log.head
    return JSON.object([
      "at": head.at.map { .string($0.text) } ?? .null, "position": JSON(position: head.position),
      "root": .string(head.root.base64), "tree_size": JSON(position: head.position),
    ]).canonicalBytes
  }

  /// `log.checkpoint`: the tree's head in a signed note (C2SP tlog-checkpoint).
  func checkpoint(_ parameters: inout QueryParameters) throws -> [UInt8] {
    try parameters.finish()
    // The log's own signer, so that the note has the same origin and key as the head that is kept beside the log.
    guard let sign = log.configuration.signHead else {
      throw Refusal.unavailable(component: "log", "This log has no key that signs checkpoints.")
    }
    let head = log.head
    let note = try sign(head.position, head.root)
    guard let name = try SignedNote(parsing: Array(note.utf8)).signatures.first?.name else {
      throw Refusal.internalError("a checkpoint was made without a signature")
    }
    return JSON.object([
      "note": .string(note), "tree_size": JSON(position: head.position),
      "verifier_key": .string(try NoteVerifier(name: name, publicKey: vault.verifierKey).vkey),
    ]).canonicalBytes
  }

  /// `log.proof`: inclusion of one event (RFC 6962 §2.1.1), or consistency of two trees (§2.1.2).
  func proof(_ parameters: inout QueryParameters) async throws -> [UInt8] {
    let sizes: ClosedRange<Int64> = 0...Int64.max
    let position = parameters.integer("position", in: 1...Int64.max).map(UInt64.init)
    let treeSize = parameters.integer("tree_size", in: 1...Int64.max).map(UInt64.init)
    let fromSize = parameters.integer("from_size", in: sizes).map(UInt64.init)
    let toSize = parameters.integer("to_size", in: sizes).map(UInt64.init)
    if parameters.isSound {
      if (position == nil) == (fromSize == nil) {
        parameters.refuse("/position", "give either position (and tree_size), or from_size (and to_size)")
      } else if position != nil, toSize != nil {
        parameters.refuse("/to_size", "belongs to a consistency proof")
      } else if fromSize != nil, treeSize != nil {
        parameters.refuse("/tree_size", "belongs to an inclusion proof")
      }
    }
    try parameters.finish()
    return try await log.background { snapshot in
      let head = snapshot.head.position
      let end = treeSize ?? toSize ?? head
      guard end <= head else {
        let name = treeSize == nil ? "/to_size" : "/tree_size"
        throw Refusal.invalidParam(name, "is larger than the tree, which has \(head) leaves")
      }
      func node(_ level: UInt8, _ index: UInt64) throws -> Digest {
        try snapshot.treeNode(level: level, index: index)
      }
      var result: JSONObject = ["root": .string(try MerkleProof.root(size: end, node: node).base64)]
      let hashes: [Digest]
      if let position {
        guard position <= end else {
          throw Refusal.invalidParam("/position", "is not in a tree of \(end) leaves")
        }
        hashes = try MerkleProof.inclusion(index: position - 1, size: end, node: node)
        result["leaf_hash"] = .string(try node(0, position - 1).base64)
        result["leaf_index"] = JSON(position: position - 1)
        result["position"] = JSON(position: position)
        result["tree_size"] = JSON(position: end)
      } else {
        let start = fromSize ?? 0
        guard start <= end else { throw Refusal.invalidParam("/from_size", "is larger than to_size, \(end)") }
        hashes = try MerkleProof.consistency(from: start, to: end, node: node)
        result["from_root"] = .string(try MerkleProof.root(size: start, node: node).base64)
        result["from_size"] = JSON(position: start)
        result["to_size"] = JSON(position: end)
      }
      result["hashes"] = .array(hashes.map { .string($0.base64) })
      return JSON.object(result).canonicalBytes
    }
  }
}
