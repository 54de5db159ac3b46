import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import MerkleTree
import Refusals
import Vault

extension QueryMethod {
  /// `log.head`: the end of the log.
  static let logHead = QueryMethod(
    "log.head", "The last position, when it was written, and the root of the tree over all before it.",
    result: Schemas.object([
      "at": ["type": ["string", "null"], "format": "date-time"], "position": Schemas.integer, "root": Schemas.string,
      "tree_size": Schemas.integer,
    ]),
    answer: { $1.engine.head() })

  /// `log.checkpoint`: the tree's head in a signed note (C2SP tlog-checkpoint).
  static let logCheckpoint = QueryMethod(
    "log.checkpoint", "The tree's head as a C2SP checkpoint in a signed note.",
    result: Schemas.object(["note": Schemas.string, "tree_size": Schemas.integer, "verifier_key": Schemas.string]),
    answer: { try $1.engine.checkpoint() })

  /// `log.proof`: inclusion of one event (RFC 6962 §2.1.1), or consistency of two trees (§2.1.2).
  static let logProof = QueryMethod(
    "log.proof", "An RFC 6962 proof: of inclusion (position) or of consistency (from_size).",
    [
      .count("position", "The event whose inclusion is proved.", in: 1...Int64.max),
      .count("tree_size", "The size of the tree that it is in; where absent, the present one.", in: 1...Int64.max),
      .count("from_size", "The size of the earlier tree.", in: 0...Int64.max),
      .count("to_size", "The size of the later tree; where absent, the present one.", in: 0...Int64.max),
      .flag(
        "tlog_proof", "Prove inclusion in the present checkpoint, and answer a C2SP tlog-proof file with it as well."),
    ],
    result: Schemas.object(
      ["hashes": Schemas.array(of: Schemas.string), "root": Schemas.string],
      besides: [
        "from_root": Schemas.string, "from_size": Schemas.integer, "leaf_hash": Schemas.string,
        "leaf_index": Schemas.integer, "position": Schemas.integer, "tlog_proof": Schemas.string,
        "to_size": Schemas.integer, "tree_size": Schemas.integer,
      ]),
    example: ["position": 1],
    read: { ProofQuestion(&$0) },
    answer: { try await $1.engine.proof($0) })
}

extension QueryMethod {
  /// `log.tile`: a tile of the tree, as C2SP's tlog-tiles has them.
  static let logTile = QueryMethod(
    "log.tile", "A C2SP tlog-tiles tile of the tree: up to 256 hashes side by side.",
    [
      .count("level", "0, also where absent, for leaves; one more for subtrees of 256 times as many.", in: 0...7),
      .count("index", "Which tile of that level; the first, 0, where absent.", in: 0...Int64.max),
      .count("tree_size", "The size of the tree; where absent, the present one.", in: 1...Int64.max),
    ],
    result: Schemas.object([
      "path": Schemas.string, "tile": ["type": "string", "contentEncoding": "base64"], "tree_size": Schemas.integer,
      "width": Schemas.integer,
    ]),
    example: ["level": 0, "index": 0],
    read: { TileQuestion(&$0) },
    answer: { try await $1.engine.tile($0) })
}

/// One `log.tile` as it was asked.
private struct TileQuestion: Sendable {
  let level: UInt8
  let index: UInt64
  let treeSize: UInt64?

  init(_ arguments: inout Arguments) {
    level = UInt8(clamping: arguments.position("level") ?? 0)
    index = arguments.position("index") ?? 0
    treeSize = arguments.position("tree_size")
  }
}

/// One `log.proof` as it was asked.
private struct ProofQuestion: Sendable {
  let position: UInt64?
  let treeSize: UInt64?
  let fromSize: UInt64?
  let toSize: UInt64?
  /// Whether a file of the proof is asked for, which has the checkpoint that it leads to.
  let wantsFile: Bool

  init(_ arguments: inout Arguments) {
    position = arguments.position("position")
    treeSize = arguments.position("tree_size")
    fromSize = arguments.position("from_size")
    toSize = arguments.position("to_size")
    wantsFile = arguments.isTrue("tlog_proof")
    guard arguments.isSound else { return }
    if (position == nil) == (fromSize == nil) {
      arguments.refuse("/position", "give either position (and tree_size), or from_size (and to_size)")
    } else if position != nil, toSize != nil {
      arguments.refuse("/to_size", "belongs to a consistency proof")
    } else if fromSize != nil, treeSize != nil {
      arguments.refuse("/tree_size", "belongs to an inclusion proof")
    } else if wantsFile, position == nil || treeSize != nil {
      arguments.refuse("/tlog_proof", "is of a position in the present tree: leave tree_size out")
    }
  }
}

extension QueryEngine {
  fileprivate func head() -> [UInt8] {
    let head = log.head
    return JSON.object([
      "at": head.at.map { .string($0.text) } ?? .null, "position": JSON(position: head.position),
      "root": .string(head.root.base64), "tree_size": JSON(position: head.position),
    ]).canonicalBytes
  }

  fileprivate func checkpoint() throws -> [UInt8] {
    // The log's own signer, so that the note has the same origin and key as the head that is kept beside the log.
    guard let (head, note) = try log.signedHead() else {
      throw Refusal.unavailable(component: "log", "This log has no key that signs checkpoints.")
    }
    guard let name = try SignedNote(parsing: Array(note.utf8)).signatures.first?.name else {
      throw Refusal.internalError("a checkpoint was made without a signature")
    }
    return JSON.object([
      "note": .string(note), "tree_size": JSON(position: head.position),
      "verifier_key": .string(try NoteVerifier(name: name, publicKey: vault.verifierKey).vkey),
    ]).canonicalBytes
  }

  fileprivate func tile(_ question: TileQuestion) async throws -> [UInt8] {
    try await log.whileWanted { snapshot in
      let head = snapshot.head.position
      let size = question.treeSize ?? head
      guard size <= head else {
        throw Refusal.invalidParam("/tree_size", "is larger than the tree, which has \(head) leaves")
      }
      let all = TreeTiles.hashCount(level: question.level, size: size)
      let (first, isBeyond) = question.index.multipliedReportingOverflow(by: TreeTiles.width)
      guard !isBeyond, first < all else {
        throw Refusal.invalidParam(
          "/index", "is beyond the tree: level \(question.level) of \(size) leaves has \(all) hashes in tiles of 256")
      }
      let width = min(TreeTiles.width, all - first)
      let hashes = try snapshot.tileHashes(level: question.level, from: first, count: width)
      return JSON.object([
        "path": .string(TreeTiles.path(level: question.level, index: question.index, width: width)),
        "tile": .string(Base64.encode(TreeTiles.bytes(hashes))), "tree_size": JSON(position: size),
        "width": JSON(position: width),
      ]).canonicalBytes
    }
  }

  fileprivate func proof(_ question: ProofQuestion) async throws -> [UInt8] {
    var note: (size: UInt64, text: String)?
    if question.wantsFile {
      guard let (head, text) = try log.signedHead() else {
        throw Refusal.unavailable(component: "log", "This log has no key that signs checkpoints.")
      }
      note = (head.position, text)
    }
    return try await log.whileWanted { [note] snapshot in
      let head = snapshot.head.position
      let end = note?.size ?? question.treeSize ?? question.toSize ?? head
      guard end <= head else {
        let name = question.treeSize == nil ? "/to_size" : "/tree_size"
        throw Refusal.invalidParam(name, "is larger than the tree, which has \(head) leaves")
      }
      var result: JSONObject = ["root": .string(try snapshot.root(size: end).base64)]
      let hashes: [Digest]
      if let position = question.position {
        guard position <= end else {
          throw Refusal.invalidParam("/position", "is not in a tree of \(end) leaves")
        }
        hashes = try snapshot.inclusionProof(index: position - 1, size: end)
        result["leaf_hash"] = .string(try snapshot.treeNode(level: 0, index: position - 1).base64)
        result["leaf_index"] = JSON(position: position - 1)
        result["position"] = JSON(position: position)
        result["tree_size"] = JSON(position: end)
        if let note {
          let signed = try SignedNote(parsing: Array(note.text.utf8))
          result["tlog_proof"] = .string(try LogProof(index: position - 1, hashes: hashes, note: signed).serialized)
        }
      } else {
        let start = question.fromSize ?? 0
        guard start <= end else { throw Refusal.invalidParam("/from_size", "is larger than to_size, \(end)") }
        hashes = try snapshot.consistencyProof(from: start, to: end)
        result["from_root"] = .string(try snapshot.root(size: start).base64)
        result["from_size"] = JSON(position: start)
        result["to_size"] = JSON(position: end)
      }
      result["hashes"] = .array(hashes.map { .string($0.base64) })
      return JSON.object(result).canonicalBytes
    }
  }
}
