import CanonicalJSON
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// Reads a file, or standard input by the name `-`, line by line or whole.
struct ByteReader: ~Copyable {
  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false

  init(path: String) throws {
    self.path = path
    descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(.usage, "The file can't be read: \(String(cString: strerror(errno))).", place: path)
    }
  }

  deinit {
    if descriptor > STDIN_FILENO { close(descriptor) }
  }

  /// The next line without its line break; nil after the last one.
  mutating func line() throws -> [UInt8]? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        return Array(buffer[start..<end])
      }
      searched = buffer.count
      if isAtEnd {
        guard start < buffer.count else { return nil }
        defer { start = buffer.count }
        return Array(buffer[start...])
      }
      if start > 0 {
        buffer.removeFirst(start)
        searched -= start
        start = 0
      }
      try fill()
    }
  }

  /// All that is left.
  mutating func readToEnd() throws -> [UInt8] {
    while !isAtEnd { try fill() }
    defer { start = buffer.count }
    return Array(buffer[start...])
  }

  private mutating func fill() throws {
    do throws(FileError) {
      let chunk = try FileSystem<FileError>.read(descriptor, atMost: 256 << 10, path)
      if chunk.isEmpty { isAtEnd = true } else { buffer += chunk }
    } catch {
      throw Failure(.usage, "Reading failed: \(String(cString: strerror(error.code))).", place: path)
    }
  }
}
