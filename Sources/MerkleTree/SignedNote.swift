import BasicTypes

/// Why a note, a checkpoint or a key text was refused.
public enum NoteError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The bytes are not of the form; the sentence says where.
  case malformed(String)
  /// The key text uses an algorithm that this module does not know.
  case unknownAlgorithm(UInt8)

  /// A sentence that says what is wrong.
  public var description: String {
    switch self {
    case .malformed(let sentence): sentence
    case .unknownAlgorithm(let byte): "the key is of an unknown algorithm, number \(byte)"
    }
  }
}

/// One signature line of a note: `— name base64(key id ‖ signature)`.
public struct NoteSignature: Sendable, Hashable {
  /// The signer's name, as its key text has it.
  public var name: String
  /// The first four bytes of the hash of name, algorithm and key, big-endian: a hint which key it was.
  public var keyID: UInt32
  /// The signature without the key id; for a cosignature, the time and then the signature.
  public var signature: [UInt8]

  /// A signature of these parts, not checked against any key.
  public init(name: String, keyID: UInt32, signature: [UInt8]) {
    self.name = name
    self.keyID = keyID
    self.signature = signature
  }

  /// The line without its line feed.
  public var line: String {
    "\(SignedNote.dash)\(name) \(Base64.encode(withUnsafeBytes(of: keyID.bigEndian) { Array($0) } + signature))"
  }

  fileprivate init(line: Substring.UTF8View) throws(NoteError) {
    let prefix = SignedNote.dash.utf8
    guard line.starts(with: prefix) else {
      throw NoteError.malformed("a signature line begins with an em dash and a space")
    }
    let parts = line.dropFirst(prefix.count).split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2, let name = String(parts[0]), SignedNote.isName(name), let text = String(parts[1]),
      let bytes = Base64.decode(text), bytes.count > 4
    else {
      throw NoteError.malformed("a signature line has a name and the base64 of a key id and a signature")
    }
    self.init(
      name: name, keyID: bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }, signature: Array(bytes[4...]))
  }
}

/// A text and the signatures on it: a C2SP `signed-note`, read and written byte for byte.
public struct SignedNote: Sendable, Hashable {
  /// The signed text, its last line feed included.
  public let text: String
  /// The signatures in the order of their lines. Their being here says nothing of their being right.
  public var signatures: [NoteSignature]

  /// More signature lines than this are refused when reading, so that a note can't cost without bound.
  public static let maximumSignatures = 100

  static let dash = "\u{2014} "

  /// A note of a text and signatures.
  ///
  /// - Throws: ``NoteError`` where the text does not end in a line feed or holds another control character.
  public init(text: String, signatures: [NoteSignature] = []) throws(NoteError) {
    guard text.utf8.last == UInt8(ascii: "\n") else {
      throw NoteError.malformed("the text of a note ends with a line feed")
    }
    guard text.utf8.allSatisfy({ $0 >= 0x20 || $0 == UInt8(ascii: "\n") }) else {
      throw NoteError.malformed("the text of a note holds no control character but the line feed")
    }
    self.text = text
    self.signatures = signatures
  }

  /// The note that the bytes spell: text, an empty line, one or more signature lines.
  ///
  /// - Throws: ``NoteError`` where they depart from what ``serialized`` writes.
  public init(parsing bytes: some Collection<UInt8>) throws(NoteError) {
    guard let whole = String(validating: bytes, as: UTF8.self) else {
      throw NoteError.malformed("a note is UTF-8")
    }
    let lineFeed = UInt8(ascii: "\n")
    let view = whole.utf8
    // The last empty line parts the text from the signatures: the text may hold empty lines itself.
    var boundary: String.Index?
    var index = view.endIndex
    var following: UInt8 = 0
    while index > view.startIndex {
      index = view.index(before: index)
      if view[index] == lineFeed, following == lineFeed {
        boundary = view.index(after: index)
        break
      }
      following = view[index]
    }
    guard view.last == lineFeed, let boundary else {
      throw NoteError.malformed("a note has a text, an empty line, and signature lines that end with a line feed")
    }
    let tail = whole[view.index(after: boundary)...].utf8
    guard !tail.isEmpty else { throw NoteError.malformed("a note has at least one signature") }
    let lines = tail.dropLast().split(separator: lineFeed, omittingEmptySubsequences: false)
    guard lines.count <= SignedNote.maximumSignatures else {
      throw NoteError.malformed("a note has at most \(SignedNote.maximumSignatures) signatures")
    }
    var signatures: [NoteSignature] = []
    for line in lines { signatures.append(try NoteSignature(line: line)) }
    try self.init(text: String(whole[..<boundary]), signatures: signatures)
  }

  /// The note's text form: what is stored, sent and read back.
  public var serialized: String {
    var out = text + "\n"
    for signature in signatures { out += "\(signature.line)\n" }
    return out
  }

  /// Whether a text can name a signer: not empty, without spaces and plus signs (C2SP signed-note).
  public static func isName(_ name: String) -> Bool {
    !name.isEmpty
      && name.unicodeScalars.allSatisfy { $0 != "+" && !$0.properties.isWhitespace && $0.value >= 0x20 }
  }
}
