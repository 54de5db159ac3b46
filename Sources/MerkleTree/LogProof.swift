import BasicTypes

/// That a leaf is in a log, as one file: a C2SP `tlog-proof@v1` of its index, its audit path and a signed checkpoint.
public struct LogProof: Sendable, Hashable {
  /// What whoever made the proof added; opaque. nil where there is none.
  public let extra: [UInt8]?
  /// The leaf's index.
  public let index: UInt64
  /// The audit path, lowest first.
  public let hashes: [Digest]
  /// The checkpoint of the tree that the path leads to, and who signed it.
  public let note: SignedNote
  /// What the note states.
  public let checkpoint: Checkpoint

  private static let heading = "c2sp.org/tlog-proof@v1"
  /// A path in a tree of 2⁶⁴ leaves has no more hashes.
  private static let mostHashes = 64

  /// A proof of these parts.
  ///
  /// - Throws: ``NoteError`` where the note is no checkpoint.
  public init(index: UInt64, hashes: [Digest], note: SignedNote, extra: [UInt8]? = nil) throws(NoteError) {
    self.index = index
    self.hashes = hashes
    self.note = note
    checkpoint = try Checkpoint(text: note.text)
    self.extra = extra
  }

  /// The proof that a file spells.
  ///
  /// - Throws: ``NoteError`` where it departs from C2SP tlog-proof@v1.
  public init(parsing bytes: some Collection<UInt8>) throws(NoteError) {
    var rest = Array(bytes)[...]
    func malformed(_ sentence: String) -> NoteError { NoteError.malformed(sentence) }
    func line() throws(NoteError) -> String {
      guard let end = rest.firstIndex(of: UInt8(ascii: "\n")),
        let text = String(validating: rest[..<end], as: UTF8.self)
      else { throw malformed("a proof has lines of text, an empty line, and a checkpoint") }
      rest = rest[(end + 1)...]
      return text
    }
    guard try line() == LogProof.heading else { throw malformed("a proof begins with the line \(LogProof.heading)") }
    var next = try line()
    if next.hasPrefix("extra ") {
      guard let data = Base64.decode(String(next.dropFirst(6))) else { throw malformed("extra data is base64") }
      extra = data
      next = try line()
    } else {
      extra = nil
    }
    guard next.hasPrefix("index "), let index = UInt64(next.dropFirst(6)), next == "index \(index)" else {
      throw malformed("the index is a decimal number without leading zeros")
    }
    self.index = index
    var hashes: [Digest] = []
    while case let text = try line(), !text.isEmpty {
      guard let hash = Digest(base64: text), hashes.count < LogProof.mostHashes else {
        throw malformed("after the index come at most \(LogProof.mostHashes) hashes, each of 32 bytes in base64")
      }
      hashes.append(hash)
    }
    self.hashes = hashes
    note = try SignedNote(parsing: rest)
    checkpoint = try Checkpoint(text: note.text)
  }

  /// The file.
  public var serialized: String {
    "\(LogProof.heading)\n" + (extra.map { "extra \(Base64.encode($0))\n" } ?? "") + "index \(index)\n"
      + hashes.map { "\($0.base64)\n" }.joined() + "\n" + note.serialized
  }

  /// Whether a leaf of these bytes stands at the index, in the tree that the checkpoint states. Says nothing of its
  /// signatures.
  public func proves(_ leaf: some Collection<UInt8>) -> Bool {
    MerkleProof.verifyInclusion(
      leaf: RFC6962.leafHash(leaf), index: index, size: checkpoint.size, proof: hashes,
      root: checkpoint.root)
  }
}
