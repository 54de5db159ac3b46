import Files
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// A record of the journal: the changes of one batch, and what proves that it is whole and where it belongs.
///
/// In the file it begins at a multiple of 4,096 bytes and takes whole blocks of as many: 160 bytes of header, the
/// changes, zeros. Numbers are little-endian.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 8 | `DAYBJRN1` |
/// | 8 | 16 | the ring's life |
/// | 24 | 8 | the record's number |
/// | 32 | 8 | the position of its first event |
/// | 40 | 8 | how many events it has |
/// | 48 | 8 | how many bytes of changes |
/// | 56 | 8 | zeros |
/// | 64 | 32 | the hash of the record before it |
/// | 96 | 32 | the root of the tree after it |
/// | 128 | 32 | SHA-256 over the 128 bytes before and the changes |
struct JournalRecord: Sendable {
  static let block = 4096
  static let headerLength = 160
  private static let magic = Array("DAYBJRN1".utf8)
  private static let hashed = 128

  let sequence: UInt64
  let firstPosition: UInt64
  let events: Int
  let previous: Digest
  let root: Digest
  let hash: Digest
  let changes: [StoredChange]
  /// How many bytes of the file it takes.
  let length: Int

  /// How many bytes of the file a record with so many bytes of changes takes.
  static func length(ofChanges bytes: Int) -> Int { (headerLength + bytes + block - 1) / block * block }

  /// Writes a record into a buffer of its length, and answers its hash.
  static func write(
    _ batch: EncodedBatch, bytes: Int, root: Digest, at place: JournalPlace, to buffer: UnsafeMutableRawBufferPointer
  ) -> Digest {
    let end = headerLength + bytes
    buffer[..<headerLength].initializeMemory(as: UInt8.self, repeating: 0)
    buffer[end...].initializeMemory(as: UInt8.self, repeating: 0)
    func put(_ bytes: [UInt8], at offset: Int) {
      UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<(offset + bytes.count)]).copyBytes(from: bytes)
    }
    func put(_ number: UInt64, at offset: Int) {
      buffer.storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt64.self)
    }
    put(magic, at: 0)
    put(place.ring, at: 8)
    put(place.sequence, at: 24)
    put(batch.firstPosition, at: 32)
    put(UInt64(batch.events), at: 40)
    put(UInt64(bytes), at: 48)
    put(place.previous.bytes, at: 64)
    put(root.bytes, at: 96)
    StoredChange.write(batch.changes, to: UnsafeMutableRawBufferPointer(rebasing: buffer[headerLength..<end]))
    let hash = hash(UnsafeRawBufferPointer(buffer), end)
    put(hash.bytes, at: hashed)
    return hash
  }

  private static func hash(_ buffer: UnsafeRawBufferPointer, _ end: Int) -> Digest {
    RFC6962.sha256(
      UnsafeRawBufferPointer(rebasing: buffer[..<hashed]), UnsafeRawBufferPointer(rebasing: buffer[headerLength..<end]))
  }

  /// Which life of a ring a record is of that begins with these bytes; nil where none does.
  static func ring(of bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    guard bytes.count >= block, bytes[..<8].elementsEqual(magic) else { return nil }
    return Array(bytes[8..<24])
  }

  /// Reads the record that begins with these bytes; nil where none of this life of the ring does that is whole.
  init?(_ bytes: UnsafeRawBufferPointer, ring: [UInt8]) {
    guard bytes.count >= JournalRecord.block, bytes[..<8].elementsEqual(JournalRecord.magic),
      bytes[8..<24].elementsEqual(ring)
    else { return nil }
    func number(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    func digest(_ offset: Int) -> Digest? {
      Digest(bytes: UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + 32)]))
    }
    guard number(48) <= UInt64(bytes.count - JournalRecord.headerLength), number(40) <= number(48), number(56) == 0,
      let previous = digest(64), let root = digest(96), let stated = digest(JournalRecord.hashed)
    else { return nil }
    let end = JournalRecord.headerLength + Int(number(48))
    length = JournalRecord.length(ofChanges: Int(number(48)))
    guard length <= bytes.count, JournalRecord.hash(bytes, end) == stated,
      !bytes[end..<length].contains(where: { $0 != 0 }),
      let changes = StoredChange.read(UnsafeRawBufferPointer(rebasing: bytes[JournalRecord.headerLength..<end]))
    else { return nil }
    sequence = number(24)
    firstPosition = number(32)
    events = Int(number(40))
    self.previous = previous
    self.root = root
    hash = stated
    self.changes = changes
  }
}
