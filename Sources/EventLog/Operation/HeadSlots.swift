import Files
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// What a signed note says of a log: how many events it had, and the root of the tree over them.
public typealias HeadStatement = (size: UInt64, root: Digest)

/// The two files beside the log that hold its signed head in turn: `head` and `head-2`. (The vault keeps it in a third
/// place; see ``SignedHeads``.)
///
/// Each is a C2SP note with NUL bytes behind it, of one size for ever, so that writing it again changes no metadata: a
/// power cut can leave an old or a torn note in the file that was being written, and never touches the other one. A
/// file that is missing, empty or torn states nothing; the newest note that is valid counts.
package struct HeadSlots: Sendable {
  /// What one place for a note says.
  package enum Slot: Sendable, Equatable {
    /// There is no such place, or there is nothing in it: no statement.
    case blank
    /// It holds something that isn't a note of ours, whole: no statement.
    case unreadable
    /// A valid note.
    case statement(size: UInt64, root: Digest)

    /// What bytes say: a note, with NUL bytes behind it.
    /// - Parameter verify: Checks a note's signature; nil from it means not ours.
    package init(_ bytes: [UInt8], _ verify: (String) -> HeadStatement?) {
      let note = bytes.prefix { $0 != 0 }
      if note.isEmpty {
        // Anything behind a NUL is no note of ours either, but NUL bytes alone have not been written to yet.
        self = bytes.contains { $0 != 0 } ? .unreadable : .blank
      } else if let found = verify(String(decoding: note, as: UTF8.self)) {
        self = .statement(size: found.size, root: found.root)
      } else {
        self = .unreadable
      }
    }

    package var statement: HeadStatement? {
      guard case .statement(let size, let root) = self else { return nil }
      return (size, root)
    }
  }

  /// A multiple of a disk's block of 512 bytes, which a note of some 200 bytes fits into.
  private static let block = 512
  let files: [String]

  init(file: String) { files = [file, file + "-2"] }

  /// Reads both files.
  /// - Parameter verify: Checks a note's signature; nil from it means not ours.
  /// - Throws: ``EventLogError`` where a file is there and can't be read.
  func read(_ verify: (String) -> HeadStatement?) throws(EventLogError) -> [Slot] {
    var slots: [Slot] = []
    for file in files { slots.append(Slot(try FileSystem.read(file) ?? [], verify)) }
    return slots
  }

  /// The index of the slot with the newest valid statement; nil where neither has one.
  package static func newest(_ slots: [Slot]) -> Int? {
    slots.indices.filter { slots[$0].statement != nil }.max {
      (slots[$0].statement?.size ?? 0) < (slots[$1].statement?.size ?? 0)
    }
  }

  /// Makes the files that aren't of full size whole and durable, with nothing said in them that wasn't before, and
  /// those that aren't there or are empty with a note.
  /// - Returns: The slots that have that note.
  func prepare(with note: String) throws(EventLogError) -> Set<Int> {
    var isNew = false
    var noted: Set<Int> = []
    for (index, file) in files.enumerated() {
      let bytes = try FileSystem.read(file) ?? []
      let size = HeadSlots.paddedSize(bytes.count)
      if bytes.count == size { continue }
      isNew = true
      if bytes.isEmpty {
        try write(note, to: index, syncing: true)
        noted.insert(index)
      } else {
        try FileSystem.overwrite(file, with: bytes + [UInt8](repeating: 0, count: size - bytes.count), syncing: true)
      }
    }
    if isNew, let file = files.first { try FileSystem.syncFolder(FileSystem.parent(of: file) ?? ".") }
    return noted
  }

  /// Writes a note over what a slot holds, in one write.
  func write(_ note: String, to index: Int, syncing: Bool) throws(EventLogError) {
    var bytes = Array(note.utf8)
    bytes.append(contentsOf: repeatElement(0, count: HeadSlots.paddedSize(bytes.count) - bytes.count))
    try FileSystem.overwrite(files[index], with: bytes, syncing: syncing)
  }

  private static func paddedSize(_ count: Int) -> Int { max(1, (count + block - 1) / block) * block }
}
