import BasicTypes
import Crypto
import MerkleTree
import Testing

/// The Ed25519 key of the seed 00 01 02 … 1f.
func testKey() throws -> Curve25519.Signing.PrivateKey {
  try Curve25519.Signing.PrivateKey(rawRepresentation: (0..<32).map { UInt8($0) })
}

@Suite struct NoteTests {
  private func checkpoint(_ extensionLines: [String] = []) throws -> Checkpoint {
    try Checkpoint(origin: "daybook.example/log1", size: 8, root: RFC6962.emptyRoot, extensionLines: extensionLines)
  }

  @Test func `A signed checkpoint verifies with the key text that its signer hands out`() throws {
    let signer = try NoteSigner(name: "daybook.example/log1", key: testKey())
    let note = try signer.sign(checkpoint(["one", "two words"]))
    let back = try SignedNote(parsing: Array(note.serialized.utf8))
    #expect(back == note)
    #expect(try Checkpoint(text: back.text) == checkpoint(["one", "two words"]))
    let verifier = try NoteVerifier(vkey: signer.verifier.vkey)
    #expect(verifier == signer.verifier)
    #expect(verifier.verifies(back))
  }

  @Test func `A witness's cosignature stands beside the log's and gives its time`() throws {
    let log = try NoteSigner(name: "log", key: testKey())
    let witness = try NoteSigner(name: "witness", key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature)
    let time = try #require(Timestamp("2026-11-21T07:40:52Z"))
    var note = try log.sign(checkpoint())
    note.signatures.append(try witness.signature(over: note.text, at: time))
    let back = try SignedNote(parsing: Array(note.serialized.utf8))
    #expect(back.signatures.count == 2)
    #expect(log.verifier.verifies(back))
    #expect(witness.verifier.verifies(back))
    #expect(witness.verifier.cosignatureTime(back) == time)
    // Another time under the same signature is a forgery.
    note.signatures[1].signature[7] ^= 1
    #expect(witness.verifier.cosignatureTime(note) == nil)
    #expect(log.verifier.verifies(note))
  }

  @Test func `A changed text, name, key or signature does not verify`() throws {
    let signer = try NoteSigner(name: "log", key: testKey())
    let note = try signer.sign(checkpoint())
    let text = try SignedNote(text: note.text + "more\n", signatures: note.signatures)
    #expect(!signer.verifier.verifies(text))
    #expect(!signer.verifier.verifies(try SignedNote(text: note.text)))
    for at in note.signatures[0].signature.indices {
      var changed = note
      changed.signatures[0].signature[at] ^= 0x10
      #expect(!signer.verifier.verifies(changed))
    }
    var renamed = note
    renamed.signatures[0].name = "other"
    #expect(!signer.verifier.verifies(renamed))
    let other = try NoteSigner(name: "log", key: Curve25519.Signing.PrivateKey())
    #expect(!other.verifier.verifies(note))
    // A right signature does not make up for a wrong one under the same key.
    var doubled = note
    doubled.signatures.append(doubled.signatures[0])
    doubled.signatures[1].signature[0] ^= 1
    #expect(!signer.verifier.verifies(doubled))
  }

  @Test(arguments: [
    "", "text", "text\n", "text\n\n", "text\n\n— a AAAABBBB", "text\n— a AAAABBBB\n", "text\n\n- a AAAABBBB\n",
    "text\n\n— AAAABBBB\n", "text\n\n— a+b AAAABBBB\n", "text\n\n— a AAAABB==\n", "text\n\n— a AAAABBB\n",
    "text\n\n— a AAAABBBB\n\n", "text\r\n\n— a AAAABBBB\n", "te\u{1}xt\n\n— a AAAABBBB\n", "text\n\n— a AAAABBBB x\n",
    "text\n\n— a\u{a0}b AAAABBBB\n", "text\n\n—  AAAABBBB\n",
  ])
  func `A malformed note is refused`(text: String) {
    #expect(throws: NoteError.self) { try SignedNote(parsing: Array(text.utf8)) }
  }

  @Test func `A note's text may hold empty lines, and broken UTF-8 is refused`() throws {
    let note = try SignedNote(parsing: Array("a\n\nb\n\n— a AAAABBBB\n— b AAAABBBB\n".utf8))
    #expect(note.text == "a\n\nb\n")
    #expect(note.signatures.map(\.name) == ["a", "b"])
    #expect(throws: NoteError.self) { try SignedNote(parsing: [0xFF] + Array("\n\n— a AAAABBBB\n".utf8)) }
    let many = String(repeating: "— a AAAABBBB\n", count: SignedNote.maximumSignatures + 1)
    #expect(throws: NoteError.self) { try SignedNote(parsing: Array("text\n\n\(many)".utf8)) }
  }

  @Test(arguments: [
    "log\n8\n", "\n8\nROOT\n", "log\n08\nROOT\n", "log\n+8\nROOT\n", "log\n-8\nROOT\n", "log\n8\nAAAA\n",
    "log\n8\nROOT", "log\n8\nROOT\n\n", "log\n18446744073709551616\nROOT\n", "log\n8 \nROOT\n",
    "log\n8\nROOT\nx\n\ny\n",
  ])
  func `A malformed checkpoint is refused`(template: String) {
    let parts = template.split(separator: "ROOT", omittingEmptySubsequences: false)
    let text = parts.joined(separator: RFC6962.emptyRoot.base64)
    #expect(throws: NoteError.self) { try Checkpoint(text: text) }
  }

  @Test func `The largest size is read and written`() throws {
    let checkpoint = try Checkpoint(origin: "log", size: .max, root: RFC6962.emptyRoot)
    #expect(try Checkpoint(text: checkpoint.text) == checkpoint)
  }

  @Test func `A key text whose parts disagree is refused`() throws {
    let vkey = try NoteSigner(name: "log", key: testKey()).verifier.vkey
    #expect(throws: NoteError.self) { try NoteVerifier(vkey: "other" + vkey.dropFirst(3)) }
    #expect(throws: NoteError.self) { try NoteVerifier(vkey: "log+00000000+AAAA") }
    #expect(throws: NoteError.unknownAlgorithm(9)) { try NoteVerifier(vkey: "log+00000000+CQAA") }
    #expect(throws: NoteError.self) { try NoteVerifier(vkey: "log") }
    #expect(throws: NoteError.self) { try NoteVerifier(name: "lo g", publicKey: [UInt8](repeating: 0, count: 32)) }
    #expect(throws: NoteError.self) { try NoteVerifier(name: "log", publicKey: [1, 2, 3]) }
  }
}
