import BasicTypes
import Crypto
import Foundation
import MerkleTree
import NIOPosix
import TestBasics
import Testing
import Witness

/// A log of leaves, as a witness meets one.
private struct TestTree {
  let signer: NoteSigner
  private(set) var leaves: [MerkleTree.Digest] = []

  init(_ origin: String = "log.example") throws {
    signer = try NoteSigner(name: origin, key: Curve25519.Signing.PrivateKey())
  }

  mutating func grow(to size: Int) {
    while leaves.count < size { leaves.append(RFC6962.leafHash(Array("leaf \(leaves.count)".utf8))) }
  }

  func note(_ size: Int, root: MerkleTree.Digest? = nil, by other: NoteSigner? = nil) throws -> SignedNote {
    try (other ?? signer).sign(
      Checkpoint(
        origin: signer.verifier.name, size: UInt64(size),
        root: try root ?? MerkleProof.root(size: UInt64(size)) { level, index in try hash(level, index) }))
  }

  func request(from old: Int, to size: Int, root: MerkleTree.Digest? = nil, by other: NoteSigner? = nil) throws
    -> WitnessRequest
  {
    let proof =
      old == 0 || old == size
      ? []
      : try MerkleProof.consistency(from: UInt64(old), to: UInt64(size)) { level, index in try hash(level, index) }
    return WitnessRequest(oldSize: UInt64(old), proof: proof, note: try note(size, root: root, by: other))
  }

  /// A node of the tree.
  private func hash(_ level: UInt8, _ index: UInt64) throws -> MerkleTree.Digest {
    if level == 0 { return leaves[Int(index)] }
    return RFC6962.nodeHash(try hash(level - 1, index * 2), try hash(level - 1, index * 2 + 1))
  }
}

@Suite struct WitnessTests {
  private func witness(_ folder: TemporaryFolder, _ tree: TestTree) throws -> Witness {
    let file = folder.path + "/witness.key"
    if !FileManager.default.fileExists(atPath: file) { _ = try WitnessKey.make(name: "witness.example", file: file) }
    return try Witness(
      signer: try WitnessKey.read(file), logs: [tree.signer.verifier], folder: folder.path + "/state")
  }

  private func ask(_ witness: Witness, _ request: WitnessRequest) throws -> WitnessAnswer {
    try witness.answer(Array(request.serialized.utf8), at: Timestamp("2026-11-30T00:00:00Z") ?? .now)
  }

  @Test func `a witness cosigns what continues the tree before, and nothing else`() async throws {
    let folder = try TemporaryFolder()
    var tree = try TestTree()
    tree.grow(to: 100)
    let witness = try witness(folder, tree)
    for (old, size) in [(0, 7), (7, 7), (7, 64), (64, 100)] {
      let request = try tree.request(from: old, to: size)
      guard case .cosigned(let signature) = try ask(witness, request) else {
        Issue.record("\(old) to \(size) isn't cosigned")
        continue
      }
      let note = try SignedNote(text: request.note.text, signatures: request.note.signatures + [signature])
      #expect(witness.verifier.cosignatureTime(note)?.text.hasPrefix("2026-11-30T00:00:00") == true)
      #expect(tree.signer.verifier.verifies(note), "the log's own signature is there still")
    }
    #expect(try ask(witness, try tree.request(from: 64, to: 100)) == .conflict(size: 100), "the old size is another")
    #expect(try ask(witness, try tree.request(from: 0, to: 7)) == .conflict(size: 100), "no tree goes back")
    // A fork of the same size, and one of a greater.
    let other = RFC6962.leafHash(Array("another".utf8))
    #expect(try ask(witness, try tree.request(from: 100, to: 100, root: other)) == .conflict(size: 100))
    tree.grow(to: 120)
    #expect(try ask(witness, try tree.request(from: 100, to: 120, root: other)) == .unproven)
    #expect(
      try ask(witness, WitnessRequest(oldSize: 100, proof: [], note: try tree.note(120))) == .unproven)
    // What was refused has changed nothing.
    guard case .cosigned = try ask(witness, try tree.request(from: 100, to: 120)) else {
      Issue.record("the log goes on")
      return
    }
    try await folder.destroy()
  }

  @Test func `strangers and nonsense are told what they are`() async throws {
    let folder = try TemporaryFolder()
    var tree = try TestTree()
    tree.grow(to: 10)
    let witness = try witness(folder, tree)
    let stranger = try NoteSigner(name: "log.example", key: Curve25519.Signing.PrivateKey())
    #expect(try ask(witness, try tree.request(from: 0, to: 5, by: stranger)) == .untrusted)
    var unknown = try TestTree("other.example")
    unknown.grow(to: 5)
    #expect(try ask(witness, try unknown.request(from: 0, to: 5)) == .unknownLog)
    let text = try tree.request(from: 3, to: 5).serialized
    for (broken, word) in [
      ("", "old"), ("old x\n\n", "old"), ("old 03" + text.dropFirst(5), "old"),
      (text.replacingOccurrences(of: "\n\n", with: "\nzz\n\n"), "base64"), (String(text.prefix(40)), ""),
      ("old 9" + text.dropFirst(5), "beyond"),
    ] {
      guard case .malformed(let sentence) = try witness.answer(Array(broken.utf8)) else {
        Issue.record("\(broken) is taken")
        continue
      }
      #expect(word.isEmpty || sentence.contains(word), "\(sentence)")
    }
    #expect(try WitnessRequest(parsing: Array(text.utf8)).serialized == text)
    try await folder.destroy()
  }

  @Test func `what was cosigned is known after a restart, and two requests at once don't both win`() async throws {
    let folder = try TemporaryFolder()
    var tree = try TestTree()
    tree.grow(to: 40)
    let first = try witness(folder, tree)
    _ = try ask(first, try tree.request(from: 0, to: 20))
    let again = try witness(folder, tree)
    #expect(try again.last(of: "log.example")?.size == 20)
    let requests = try (21...40).map { try tree.request(from: 20, to: $0) }
    let answers = await withTaskGroup(of: WitnessAnswer?.self) { group in
      for request in requests { group.addTask { try? again.answer(Array(request.serialized.utf8)) } }
      return await group.reduce(into: [WitnessAnswer?]()) { $0.append($1) }
    }
    let cosigned = answers.count { if case .cosigned = $0 { true } else { false } }
    #expect(cosigned == 1 && answers.count == 20)
    try await folder.destroy()
  }

  @Test func `over HTTP a client gets a cosignature, or the size to prove from`() async throws {
    let folder = try TemporaryFolder()
    var tree = try TestTree()
    tree.grow(to: 30)
    let witness = try witness(folder, tree)
    let listener = try await WitnessListener.open(
      witness, host: "127.0.0.1", port: 0, group: MultiThreadedEventLoopGroup.singleton)
    let client = try WitnessClient(url: listener.url + "/", verifier: witness.verifier)
    guard case .cosigned(let signatures) = try await client.send(try tree.request(from: 0, to: 10)) else {
      Issue.record("not cosigned")
      return
    }
    #expect(signatures.count == 1)
    #expect(try await client.send(try tree.request(from: 0, to: 30)) == .conflict(size: 10))
    guard case .cosigned = try await client.send(try tree.request(from: 10, to: 30)) else {
      Issue.record("not cosigned")
      return
    }
    let stranger = try NoteSigner(name: "w", key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature).verifier
    await #expect(throws: WitnessError.self, "another key's cosignature is none") {
      _ = try await WitnessClient(url: listener.url, verifier: stranger).send(try tree.request(from: 30, to: 30))
    }
    await #expect(throws: WitnessError.self) {
      _ = try await client.send(try TestTree("unknown.example").request(from: 0, to: 0))
    }
    try await listener.close()
    await #expect(throws: WitnessError.self, "nobody is there") {
      _ = try await client.send(try tree.request(from: 30, to: 30))
    }
    try await folder.destroy()
  }
}
