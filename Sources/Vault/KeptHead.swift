import Files

#if canImport(Glibc)
  import Glibc
#endif

/// The file of a vault that keeps the signed head of its log, apart from the two files beside the log: where those were
/// removed with the log's newest part, this one still says what was signed.
///
/// It has two records of one size, each a C2SP note with NUL bytes behind it, which are written in turn: a power cut
/// can tear the one that was being written, and never touches the other. What a record says proves itself by its
/// signature, which whoever reads it checks. Only who has the log open, or restores it, writes it, so it needs none of
/// the vault's locks.
public struct KeptHead: Sendable, Equatable {
  /// The file.
  public let path: String

  /// How many records there are.
  public static let recordCount = 2
  /// A disk's block of 512 bytes, which a note of some 200 bytes fits into.
  static let recordSize = 512

  /// The kept head of the vault in that folder.
  public init(vaultFolder: String) { path = VaultFolder(path: vaultFolder).head }

  /// The bytes of each record. A file that isn't there has empty ones, a cut one what is left of them.
  /// - Throws: ``VaultError`` where a file is there and can't be read.
  public func records() throws(VaultError) -> [[UInt8]] {
    let bytes = try FileSystem.read(path) ?? []
    return (0..<KeptHead.recordCount).map { index in
      Array(bytes.dropFirst(index * KeptHead.recordSize).prefix(KeptHead.recordSize))
    }
  }

  /// Writes a note over one record and syncs it; the others stay as they are. A file that is missing, cut or too long
  /// is made anew with what its other records hold, and appears whole or not at all.
  /// - Throws: ``VaultError``.
  public func write(_ note: String, to index: Int) throws(VaultError) {
    let record = KeptHead.padded(Array(note.utf8))
    guard (0..<KeptHead.recordCount).contains(index), record.count == KeptHead.recordSize else {
      throw VaultError(.storeDamaged, "A signed head of \(note.utf8.count) bytes doesn't fit into \(path).")
    }
    let size = Int64(KeptHead.recordCount * KeptHead.recordSize)
    guard try FileSystem.identity(path)?.size == size else {
      var all = try records().map { KeptHead.padded($0) }
      all[index] = record
      try FileSystem.replace(path, with: Array(all.joined()), syncing: true)
      return try FileSystem.syncFolder(FileSystem.parent(of: path) ?? ".")
    }
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.failure("write", path) }
    defer { close(descriptor) }
    try FileSystem.write(record, to: descriptor, at: Int64(index * KeptHead.recordSize), path)
    guard fdatasync(descriptor) == 0 else { throw FileSystem.failure("sync", path) }
  }

  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: max(0, recordSize - bytes.count))
  }
}
