import Foundation
import TestBasics

/// Reads an LMDB 0.9 file without LMDB: an opinion of its own about what is stored, and where.
///
/// It believes nothing: whatever leads outside of the file or in circles is an error. Page 0 and 1 are the two meta
/// pages, the one with the greater transaction number counts; databases are B+ trees whose roots lie in the main tree.
struct LMDBFile {
  /// A key and its value, and the offset in the file at which the value's bytes begin.
  struct Entry: Equatable {
    let key: [UInt8]
    let value: [UInt8]
    let offset: Int

    static func == (left: Entry, right: Entry) -> Bool { left.key == right.key && left.value == right.value }
  }

  static let pageSize = 4096
  let bytes: [UInt8]
  /// One more than the last page in use.
  let pages: Int
  private let mainRoot: UInt64

  init(_ bytes: [UInt8]) throws {
    self.bytes = bytes
    var best: (transaction: UInt64, root: UInt64, last: UInt64)?
    for page in 0..<2 {
      let base = page * Self.pageSize
      guard base + 152 <= bytes.count else { throw HarnessError("no meta page \(page)") }
      let reader = Reader(bytes: bytes)
      guard reader.u16(base + 10) & 0x08 != 0, reader.u32(base + 16) == 0xBEEF_C0DE, reader.u32(base + 20) == 1 else {
        throw HarnessError("page \(page) is no meta page")
      }
      // Two databases of 48 bytes (free pages, main) begin at 40; then the last page and the transaction.
      let transaction = reader.u64(base + 144)
      if best.map({ transaction > $0.transaction }) ?? true {
        best = (transaction, reader.u64(base + 40 + 48 + 40), reader.u64(base + 136))
      }
    }
    guard let best else { throw HarnessError("no meta page") }
    mainRoot = best.root
    pages = Int(clamping: best.last) &+ 1
  }

  init(path: String) throws { try self.init(try TestFiles.bytes(path)) }

  /// Every database by name.
  func databases() throws -> [String: [Entry]] {
    var result: [String: [Entry]] = [:]
    for entry in try entries(root: mainRoot, isMain: true) {
      guard entry.value.count == 48 else { throw HarnessError("a database record of \(entry.value.count) bytes") }
      result[String(decoding: entry.key, as: UTF8.self)] = try entries(
        root: Reader(bytes: entry.value).u64(40), isMain: false)
    }
    return result
  }

  private func entries(root: UInt64, isMain: Bool) throws -> [Entry] {
    guard root != UInt64.max else { return [] }
    var entries: [Entry] = []
    var budget = bytes.count / Self.pageSize + 1
    try walk(root, depth: 0, isMain: isMain, &budget, &entries)
    return entries
  }

  private func walk(_ number: UInt64, depth: Int, isMain: Bool, _ budget: inout Int, _ entries: inout [Entry]) throws {
    budget -= 1
    guard budget >= 0, depth < 32, number < UInt64(bytes.count / Self.pageSize) else {
      throw HarnessError("page \(number) leads astray")
    }
    let base = Int(number) * Self.pageSize
    let reader = Reader(bytes: bytes)
    let flags = reader.u16(base + 10)
    let lower = Int(reader.u16(base + 12))
    guard lower >= 16, lower <= Self.pageSize, flags & 0x03 != 0, flags & 0x03 != 0x03 else {
      throw HarnessError("page \(number) is neither branch nor leaf")
    }
    for index in 0..<((lower - 16) / 2) {
      let node = Int(reader.u16(base + 16 + 2 * index))
      guard node >= 16, node + 8 <= Self.pageSize else {
        throw HarnessError("page \(number): node \(index) lies outside")
      }
      let start = base + node
      let low = UInt64(reader.u16(start)) | UInt64(reader.u16(start + 2)) << 16
      let nodeFlags = reader.u16(start + 4)
      let keySize = Int(reader.u16(start + 6))
      if flags & 0x01 != 0 {
        try walk(low | UInt64(nodeFlags) << 32, depth: depth + 1, isMain: isMain, &budget, &entries)
        continue
      }
      guard node + 8 + keySize <= Self.pageSize else { throw HarnessError("page \(number): key \(index) lies outside") }
      let key = Array(bytes[(start + 8)..<(start + 8 + keySize)])
      var offset = start + 8 + keySize
      let size = Int(low)
      if nodeFlags & 0x01 != 0 {
        guard node + 16 + keySize <= Self.pageSize else {
          throw HarnessError("page \(number): value \(index) lies outside")
        }
        let overflow = reader.u64(offset)
        guard overflow < UInt64(bytes.count / Self.pageSize) else {
          throw HarnessError("overflow page \(overflow) is not there")
        }
        offset = Int(overflow) * Self.pageSize + 16
        guard offset + size <= bytes.count else { throw HarnessError("a value ends outside of the file") }
      } else {
        guard node + 8 + keySize + size <= Self.pageSize else {
          throw HarnessError("page \(number): value \(index) lies outside")
        }
      }
      entries.append(Entry(key: key, value: Array(bytes[offset..<(offset + size)]), offset: offset))
    }
  }

  private struct Reader {
    let bytes: [UInt8]

    func u16(_ at: Int) -> UInt16 { UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8 }
    func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) | UInt32(u16(at + 2)) << 16 }
    func u64(_ at: Int) -> UInt64 { UInt64(u32(at)) | UInt64(u32(at + 4)) << 32 }
  }
}
