import BasicTypes
import Crypto
import MerkleTree

/// What must hold of every signed note, and of the text of a key that checks one.
enum NotePromises {
  /// Who signs, with a key that is the same in every run, and what the notes of seeds say.
  struct Signed: Sendable {
    let signer: NoteSigner
    let sizes: [UInt64] = [1, 2, 1000]
    static let extensionLines = ["more", "a b"]

    init() throws {
      let key = try Curve25519.Signing.PrivateKey(rawRepresentation: SHA256.hash(data: Array("fuzz".utf8)))
      signer = try NoteSigner(name: "daybook/fuzz", key: key)
    }

    /// The root that is signed for a size.
    func root(_ size: UInt64) -> MerkleTree.Digest {
      Array("root \(size)".utf8).withUnsafeBytes { RFC6962.sha256($0) }
    }

    func checkpoint(_ size: UInt64, extensionLines: [String] = []) throws -> Checkpoint {
      try Checkpoint(
        origin: signer.verifier.name, size: size, root: root(size), extensionLines: extensionLines)
    }
  }

  static func target() throws -> FuzzTarget {
    let signed = try Signed()
    var notes = try signed.sizes.map { try signed.signer.sign(try signed.checkpoint($0)) }
    var witnessed = try signed.signer.sign(try signed.checkpoint(1, extensionLines: Signed.extensionLines))
    witnessed.signatures += [
      NoteSignature(name: "wïtness", keyID: 7, signature: [UInt8](repeating: 1, count: 72)),
      NoteSignature(name: "x", keyID: 0, signature: [1]),
    ]
    notes.append(witnessed)
    let seeds = notes.map { Array($0.serialized.utf8) } + [Array(signed.signer.verifier.vkey.utf8)]
    return FuzzTarget(.note, seeds: seeds, words: words, maximumLength: 2048) { try check($0, signed) }
  }

  private static let words = [
    "\u{2014} ", "\n\n", "\n", " ", "daybook/fuzz", "+", "=", "==", "AAAA", "0", "18446744073709551615", "\r\n",
    "\u{A0}",
    "\u{301}", "\u{0}",
  ]

  static func check(_ input: [UInt8], _ signed: Signed) throws -> Bool {
    let isKey = try checkKey(input)
    let note: SignedNote
    do throws(NoteError) {
      note = try SignedNote(parsing: input)
    } catch {
      return isKey
    }
    try promise("what is read as a note prints to the same bytes", note.serialized.utf8.elementsEqual(input))
    try promise(
      "a note has signatures, and not too many", (1...SignedNote.maximumSignatures).contains(note.signatures.count))
    if signed.signer.verifier.verifies(note) {
      let known = try signed.sizes.flatMap { size in
        try [[], Signed.extensionLines].map { try signed.checkpoint(size, extensionLines: $0).text }
      }
      try promise("only what was signed verifies", known.contains { $0.utf8.elementsEqual(note.text.utf8) })
    }
    let checkpoint: Checkpoint
    do throws(NoteError) {
      checkpoint = try Checkpoint(text: note.text)
    } catch {
      return false
    }
    try promise(
      "what is read as a checkpoint prints to the same bytes", checkpoint.text.utf8.elementsEqual(note.text.utf8))
    return true
  }

  private static func checkKey(_ input: [UInt8]) throws -> Bool {
    guard let text = String(validating: input, as: UTF8.self) else { return false }
    let verifier: NoteVerifier
    do throws(NoteError) {
      verifier = try NoteVerifier(vkey: text)
    } catch {
      return false
    }
    let again = try NoteVerifier(vkey: verifier.vkey)
    try promise("a key prints as a text that reads as the same key", again == verifier)
    // The key id may be in capitals.
    try promise("a key has one text", verifier.vkey.utf8.count == text.utf8.count)
    return true
  }
}
