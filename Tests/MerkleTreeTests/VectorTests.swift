import BasicTypes
import Foundation
import MerkleTree
import TestBasics
import Testing

@Suite(.needsSharedData)
struct VectorTests {
  private struct Inclusion: Decodable {
    let leafIdx: UInt64
    let treeSize: UInt64
    let root: String
    let leafHash: String
    let proof: [String]?
    let wantErr: Bool
  }

  private struct Consistency: Decodable {
    let size1: UInt64
    let size2: UInt64
    let root1: String
    let root2: String
    let proof: [String]?
    let wantErr: Bool
  }

  @Test func `The published inclusion vectors are accepted and refused as they say`() throws {
    let files = try Repository.sharedNames(in: "merkle/rfc6962-vectors/inclusion", ending: ".json")
    var refused = 0
    for file in files {
      let vector = try JSONDecoder().decode(
        Inclusion.self, from: Data(Repository.shared("merkle/rfc6962-vectors/inclusion/" + file)))
      let proof = (vector.proof ?? []).map { Digest(base64: $0) }
      let verified =
        if let leaf = Digest(base64: vector.leafHash), let root = Digest(base64: vector.root), !proof.contains(nil) {
          MerkleProof.verifyInclusion(
            leaf: leaf, index: vector.leafIdx, size: vector.treeSize, proof: proof.compactMap(\.self), root: root)
        } else {
          false  // What is not 32 bytes is refused where it is read.
        }
      #expect(verified == !vector.wantErr, "\(file)")
      refused += vector.wantErr ? 1 : 0
    }
    #expect(refused > 50 && files.count > refused)
  }

  @Test func `The published consistency vectors are accepted and refused as they say`() throws {
    // Some of these give roots that are not 32 bytes. The hash of such a value stands for it here: it is equal to
    // another where the values are, and matches nothing else.
    func digest(_ base64: String) throws -> Digest {
      if let digest = Digest(base64: base64) { return digest }
      return RFC6962.leafHash(Array(try #require(Data(base64Encoded: base64))))
    }
    let files = try Repository.sharedNames(in: "merkle/rfc6962-vectors/consistency", ending: ".json")
    var refused = 0
    for file in files {
      let vector = try JSONDecoder().decode(
        Consistency.self, from: Data(Repository.shared("merkle/rfc6962-vectors/consistency/" + file)))
      let verified = MerkleProof.verifyConsistency(
        from: vector.size1, to: vector.size2, oldRoot: try digest(vector.root1), newRoot: try digest(vector.root2),
        proof: try (vector.proof ?? []).map(digest))
      #expect(verified == !vector.wantErr, "\(file)")
      refused += vector.wantErr ? 1 : 0
    }
    #expect(refused > 50 && files.count > refused)
  }

  @Test func `A checkpoint made by other implementations verifies and is written again byte for byte`() throws {
    let bytes = try Repository.shared("merkle/checkpoint-8.note")
    let note = try SignedNote(parsing: bytes)
    #expect(Array(note.serialized.utf8) == bytes)
    let checkpoint = try Checkpoint(text: note.text)
    #expect(checkpoint.origin == "daybook.example/log1")
    #expect(checkpoint.size == 8)
    #expect(checkpoint.root.hex == standardRoots[7])
    #expect(checkpoint.text == note.text)

    let log = try NoteVerifier(vkey: try keyText("merkle/checkpoint-8.vkey"))
    let witness = try NoteVerifier(vkey: try keyText("merkle/checkpoint-8.witness.vkey"))
    #expect(log.algorithm == .ed25519 && witness.algorithm == .cosignature)
    #expect(log.vkey == (try keyText("merkle/checkpoint-8.vkey")))
    #expect(witness.vkey == (try keyText("merkle/checkpoint-8.witness.vkey")))
    #expect(log.verifies(note) && witness.verifies(note))
    #expect(witness.cosignatureTime(note)?.text == "2023-11-14T22:13:20.000000Z")
    #expect(log.cosignatureTime(note) == nil)

    let forged = try SignedNote(
      text: Checkpoint(origin: checkpoint.origin, size: 7, root: checkpoint.root).text, signatures: note.signatures)
    #expect(!log.verifies(forged) && !witness.verifies(forged))
  }

  @Test func `The seed of the published checkpoint signs the same bytes here`() throws {
    let note = try SignedNote(parsing: try Repository.shared("merkle/checkpoint-8.note"))
    let signer = try NoteSigner(name: "daybook.example/log1", key: testKey())
    #expect(signer.verifier.vkey == (try keyText("merkle/checkpoint-8.vkey")))
    #expect(try signer.signature(over: note.text) == note.signatures[0])
  }

  private func keyText(_ path: String) throws -> String {
    String(decoding: try Repository.shared(path), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
