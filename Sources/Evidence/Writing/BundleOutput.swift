import Files

#if canImport(Glibc)
  import Glibc
#endif

/// A file of a bundle that is being written: appended to in pieces of some size, and synced at its end.
struct BundleOutput: ~Copyable {
  private let descriptor: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var offset: Int64

  /// Makes the file, or goes on behind so many bytes of it and takes away what is behind them.
  /// - Throws: `FileError`.
  init(_ path: String, keeping bytes: Int64 = 0) throws(FileError) {
    self.path = path
    offset = bytes
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError("write", path) }
    guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw FileError("cut", path) }
  }

  deinit { close(descriptor) }

  /// Writes bytes; in the file after ``flush()``, or earlier.
  mutating func write(_ bytes: some Collection<UInt8>) throws(FileError) {
    buffer.append(contentsOf: bytes)
    if buffer.count >= 1 << 18 { try flush() }
  }

  /// Writes text.
  mutating func write(_ text: String) throws(FileError) { try write(text.utf8) }

  /// Writes bytes and a line break.
  mutating func line(_ bytes: some Collection<UInt8>) throws(FileError) {
    try write(bytes)
    try write(CollectionOfOne(UInt8(ascii: "\n")))
  }

  /// Hands everything to the system: the end of this process loses none of it.
  mutating func flush() throws(FileError) {
    try FileSystem<FileError>.write(buffer, to: descriptor, at: offset, path)
    offset += Int64(buffer.count)
    buffer.removeAll(keepingCapacity: true)
  }

  /// Makes all of it durable.
  mutating func finish() throws(FileError) {
    try flush()
    guard fsync(descriptor) == 0 else { throw FileError("sync", path) }
  }
}
