import Files

#if canImport(Glibc)
  import Glibc
#endif

/// The lines of a file of a bundle, one after the other, in bounded memory but for the longest line.
struct BundleLines: ~Copyable {
  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// The number of the line that was read last, from 1.
  private(set) var number = 0
  /// Whether the last line had no line break.
  private(set) var isTorn = false

  /// - Throws: `FileError` where the file can't be opened, or is none.
  init(_ path: String) throws(FileError) {
    self.path = path
    descriptor = try FileDigest.open(path)
  }

  deinit { close(descriptor) }

  /// The next line without its line break; nil after the last one.
  mutating func next() throws(FileError) -> [UInt8]? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        number += 1
        return Array(buffer[start..<end])
      }
      searched = buffer.count
      if isAtEnd {
        guard start < buffer.count else { return nil }
        defer { start = buffer.count }
        number += 1
        isTorn = true
        return Array(buffer[start...])
      }
      if start > 0 {
        buffer.removeFirst(start)
        searched -= start
        start = 0
      }
      let chunk = try FileSystem<FileError>.read(descriptor, atMost: 256 << 10, path)
      if chunk.isEmpty { isAtEnd = true } else { buffer += chunk }
    }
  }
}
