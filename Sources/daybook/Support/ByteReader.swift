import CanonicalJSON
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// Reads a file, or standard input by the name `-`, line by line or whole; one whose name ends with `.gz` unpacked.
struct ByteReader: ~Copyable {
  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// The program that unpacks; nil for a file that is read as it is.
  private var unpacker: pid_t?

  init(path: String) throws {
    self.path = path
    let file = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      throw Failure(.usage, "The file can't be read: \(String(cString: strerror(errno))).", place: path)
    }
    guard path.hasSuffix(".gz") else {
      descriptor = file
      return
    }
    defer { close(file) }
    (unpacker, descriptor) = try Self.unpack(file, path)
  }

  /// Reads bytes that are there already.
  init(bytes: [UInt8]) {
    path = ""
    descriptor = -1
    buffer = bytes
    isAtEnd = true
  }

  deinit {
    if descriptor > STDIN_FILENO { close(descriptor) }
    // One that was not read to its end is ended by the closed pipe.
    if let unpacker { waitpid(unpacker, nil, 0) }
  }

  /// Has gzip(1), which is on every system, unpack a file into a pipe.
  private static func unpack(_ file: Int32, _ path: String) throws -> (pid_t, Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 else {
      throw Failure(.unavailable, "There is no pipe to be had: \(String(cString: strerror(errno))).", place: path)
    }
    defer { close(ends[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, file, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    let command: [String] = ["gzip", "-dc"]
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, "gzip", &actions, nil, &arguments, environ)
    guard code == 0 else {
      close(ends[0])
      throw Failure(.usage, "gzip, which unpacks it, can't be run: \(String(cString: strerror(code))).", place: path)
    }
    return (pid, ends[0])
  }

  /// Sees that the file was unpacked whole.
  private mutating func endUnpacking() throws {
    guard let pid = unpacker else { return }
    unpacker = nil
    var status: Int32 = 0
    guard waitpid(pid, &status, 0) == pid, status == 0 else {
      throw Failure(.refused, "The file is damaged or cut off: gzip can't unpack all of it.", place: path)
    }
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
    if isAtEnd { try endUnpacking() }
  }
}
