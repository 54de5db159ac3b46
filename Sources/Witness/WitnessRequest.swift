import BasicTypes
import MerkleTree

/// What a log asks a witness: to cosign a checkpoint, with the proof that it continues the one before. The body of C2SP
/// `tlog-witness`'s `add-checkpoint`, read and written byte for byte.
public struct WitnessRequest: Sendable, Equatable {
  /// More lines of a proof than any tree needs are refused.
  public static let maximumHashes = 63
  /// More bytes than a request can have are refused unread.
  public static let maximumBytes = 64 << 10

  /// The size of the tree that the witness cosigned last, as far as who asks knows; 0 for none.
  public let oldSize: UInt64
  /// The proof of consistency of that tree with the checkpoint's.
  public let proof: [Digest]
  /// The checkpoint, signed by the log.
  public let note: SignedNote

  /// A request of these parts.
  public init(oldSize: UInt64, proof: [Digest], note: SignedNote) {
    self.oldSize = oldSize
    self.proof = proof
    self.note = note
  }

  /// The request that the bytes spell.
  /// - Throws: ``NoteError`` where they are none.
  public init(parsing bytes: some Collection<UInt8>) throws(NoteError) {
    var lines = Array(bytes).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
    let prefix = Array("old ".utf8)
    guard let first = lines.popFirst(), first.starts(with: prefix),
      let oldSize = WitnessRequest.number(first.dropFirst(prefix.count))
    else { throw NoteError.malformed("a request begins with a line of old, a space and a number") }
    var proof: [Digest] = []
    while let line = lines.popFirst(), !line.isEmpty {
      guard proof.count < WitnessRequest.maximumHashes else {
        throw NoteError.malformed("a proof has at most \(WitnessRequest.maximumHashes) hashes")
      }
      guard let hash = Digest(base64: String(decoding: line, as: UTF8.self)) else {
        throw NoteError.malformed("line \(proof.count + 2) is not the base64 of a hash")
      }
      proof.append(hash)
    }
    guard let start = lines.first?.startIndex else {
      throw NoteError.malformed("behind an empty line comes the checkpoint")
    }
    self.init(oldSize: oldSize, proof: proof, note: try SignedNote(parsing: Array(bytes)[start...]))
  }

  /// A decimal number without leading zeros.
  private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
    let text = String(decoding: digits, as: UTF8.self)
    guard let number = UInt64(text), String(number) == text else { return nil }
    return number
  }

  /// The request's text form.
  public var serialized: String {
    "old \(oldSize)\n" + proof.map { "\($0.base64)\n" }.joined() + "\n" + note.serialized
  }
}
