#if canImport(Glibc)
  import Glibc
#endif

/// The system calls that the vault needs, each with an error that names its file.
enum FileSystem {
  /// The error of a system call that has just failed.
  static func failure(_ doing: String, _ path: String) -> VaultError {
    let number = errno
    return VaultError(.io(number), "Can't \(doing) \(path): \(String(cString: strerror(number))).")
  }

  /// The bytes of a file; nil where there is none.
  static func read(_ path: String) throws(VaultError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw failure("open", path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("examine", path) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(status.st_size) + 1)
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("read", path)
      }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// Writes all bytes at that offset.
  static func write(
    _ bytes: [UInt8], to descriptor: Int32, at start: Int64, _ path: String
  ) throws(VaultError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, off_t(start) + off_t(done))
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("write to", path)
      }
      done += count
    }
  }

  /// Makes a file that only its owner can read, and syncs it. A file of that name is an error (EEXIST).
  static func create(_ path: String, _ bytes: [UInt8]) throws(VaultError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("create", path) }
    defer { close(descriptor) }
    do throws(VaultError) {
      try write(bytes, to: descriptor, at: 0, path)
      guard fsync(descriptor) == 0 else { throw failure("sync", path) }
    } catch {
      unlink(path)
      throw error
    }
  }

  /// Makes what was created, renamed or removed in a folder durable.
  static func syncFolder(_ path: String) throws(VaultError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync", path) }
  }

  static func rename(_ from: String, to path: String) throws(VaultError) {
    guard Glibc.rename(from, path) == 0 else { throw failure("rename \(from) to", path) }
  }

  static func link(_ from: String, to path: String) throws(VaultError) {
    guard Glibc.link(from, path) == 0 else { throw failure("link \(from) to", path) }
  }

  static func remove(_ path: String) throws(VaultError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
  }

  /// Overwrites a file where it lies and syncs it. File systems that copy on write, and flash, may keep the old blocks;
  /// what they would hold is wrapped in any case.
  static func overwrite(_ path: String) throws(VaultError) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("examine", path) }
    try write([UInt8](repeating: 0, count: Int(status.st_size)), to: descriptor, at: 0, path)
    guard fsync(descriptor) == 0 else { throw failure("sync", path) }
  }

  /// The names in a folder; nil where there is no such folder.
  static func names(in path: String) throws(VaultError) -> [String]? {
    guard let folder = opendir(path) else {
      if errno == ENOENT { return nil }
      throw failure("read the folder", path)
    }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a folder that only its owner can enter, and those above it that are missing.
  static func makeFolder(_ path: String) throws(VaultError) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let parent = parent(of: path), parent != path else {
      throw failure("make the folder", path)
    }
    try makeFolder(parent)
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("make the folder", path) }
  }

  /// The device and inode of a file; nil where there is none.
  static func identity(_ path: String) throws(VaultError) -> FileIdentity? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw failure("examine", path)
    }
    return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size))
  }

  /// The path from the root, without a trailing slash, dots or links to folders as far as it exists.
  static func absolute(_ path: String) -> String {
    var rest: [Substring] = []
    var head = path.isEmpty ? "." : path
    while true {
      if let resolved = realpath(head, nil) {
        defer { free(resolved) }
        let base = String(cString: resolved)
        let tail = rest.reversed().joined(separator: "/")
        return tail.isEmpty ? base : base == "/" ? "/\(tail)" : "\(base)/\(tail)"
      }
      while head.utf8.count > 1, head.utf8.last == UInt8(ascii: "/") { head.removeLast() }
      let parts = head.split(separator: "/", omittingEmptySubsequences: true)
      guard let last = parts.last else { return head }
      rest.append(last)
      let above = parts.dropLast().joined(separator: "/")
      head = head.utf8.first == UInt8(ascii: "/") ? "/\(above)" : above.isEmpty ? "." : above
    }
  }

  /// The folder above; nil where the path has only one part.
  static func parent(of path: String) -> String? {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// Which file a path led to, and how long it was.
struct FileIdentity: Sendable, Equatable {
  let device: UInt64
  let inode: UInt64
  let size: Int64

  func isSameFile(as other: FileIdentity) -> Bool { device == other.device && inode == other.inode }
}
