#if canImport(Glibc)
  import Glibc
#endif

/// Small whole files, written so that a crash leaves the old or the new one.
enum FileWriting {
  static func read(_ path: String) throws(EventLogError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw failure("read", path)
    }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("read", path)
      }
      if count == 0 { return result }
      result.append(contentsOf: buffer[0..<count])
    }
  }

  static func replace(_ path: String, with bytes: [UInt8], syncing: Bool) throws(EventLogError) {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("write", temporary) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        let error = failure("write", temporary)
        close(descriptor)
        throw error
      }
      written += count
    }
    if syncing, fdatasync(descriptor) != 0 {
      let error = failure("sync", temporary)
      close(descriptor)
      throw error
    }
    close(descriptor)
    guard rename(temporary, path) == 0 else { throw failure("rename", temporary) }
  }

  /// Writes over a small file in one write. A reader at the same moment may see a mixture, so what is read must prove itself.
  static func overwrite(_ path: String, with bytes: [UInt8], syncing: Bool) throws(EventLogError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("write", path) }
    defer { close(descriptor) }
    let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard count == bytes.count else { throw failure("write", path) }
    var information = stat()
    if fstat(descriptor, &information) == 0, information.st_size > bytes.count,
      ftruncate(descriptor, off_t(bytes.count)) != 0
    {
      throw failure("cut", path)
    }
    if syncing, fdatasync(descriptor) != 0 { throw failure("sync", path) }
  }

  /// Makes what was written to a file durable.
  static func sync(_ path: String) throws(EventLogError) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("sync", path) }
    defer { close(descriptor) }
    guard fdatasync(descriptor) == 0 else { throw failure("sync", path) }
  }

  /// Makes the names in a file's folder durable.
  static func syncFolder(of path: String) throws(EventLogError) {
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let descriptor = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("sync", folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync", folder) }
  }

  static func makeFolder(_ path: String) throws(EventLogError) {
    var made = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: true) {
      made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
      if mkdir(made, 0o700) != 0 && errno != EEXIST && errno != EISDIR { throw failure("make", made) }
    }
  }

  /// Whether the file system of a folder has less than 16 MiB left for this process.
  static func isShortOfSpace(_ folder: String) -> Bool {
    var information = statvfs()
    guard statvfs(folder, &information) == 0 else { return false }
    return UInt64(information.f_bavail) * UInt64(information.f_frsize) < 16 << 20
  }

  static func failure(_ what: String, _ path: String) -> EventLogError {
    let code = errno
    return EventLogError(
      code == ENOSPC ? .diskFull : .unusable, "Can't \(what) \(path): \(String(cString: strerror(code))).",
      underlying: code)
  }
}
