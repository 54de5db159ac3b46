/// What a log states about itself: so many leaves, under this root. The body of a C2SP `tlog-checkpoint`.
public struct Checkpoint: Sendable, Hashable {
  /// The log's name, which no other log has; by custom a URL without a scheme.
  public var origin: String
  /// The number of leaves.
  public var size: UInt64
  /// The root of the tree of that size.
  public var root: Digest
  /// Further lines, opaque to this module; none is empty.
  public var extensionLines: [String]

  /// A checkpoint of these values.
  ///
  /// - Throws: ``NoteError`` where the origin or an extension line is empty or holds a control character.
  public init(origin: String, size: UInt64, root: Digest, extensionLines: [String] = []) throws(NoteError) {
    for line in [origin] + extensionLines {
      guard !line.isEmpty, line.utf8.allSatisfy({ $0 >= 0x20 }) else {
        throw NoteError.malformed(
          "a checkpoint's origin and extension lines are single lines of text that are not empty")
      }
    }
    self.origin = origin
    self.size = size
    self.root = root
    self.extensionLines = extensionLines
  }

  /// The text of the note: origin, size in decimal, root in base64, extension lines, each ended by a line feed.
  public var text: String {
    var text = "\(origin)\n\(size)\n\(root.base64)\n"
    for line in extensionLines { text += "\(line)\n" }
    return text
  }

  /// The checkpoint that the text of a note spells.
  ///
  /// - Throws: ``NoteError`` where it departs from what ``text`` writes in any byte (a size with leading zeros, say).
  public init(text: String) throws(NoteError) {
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
      String($0) ?? ""
    }
    guard lines.count >= 4, lines.removeLast().isEmpty else {
      throw NoteError.malformed("a checkpoint has at least three lines, each ended by a line feed")
    }
    guard let size = UInt64(lines[1]), Array("\(size)".utf8) == Array(lines[1].utf8) else {
      throw NoteError.malformed("the second line of a checkpoint is its size in decimal, without leading zeros")
    }
    guard let root = Digest(base64: lines[2]) else {
      throw NoteError.malformed("the third line of a checkpoint is its root: 32 bytes in base64")
    }
    try self.init(origin: lines[0], size: size, root: root, extensionLines: Array(lines[3...]))
  }
}
