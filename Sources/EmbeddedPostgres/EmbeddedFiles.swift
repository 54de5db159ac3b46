import Glibc

/// The few things that the embedded PostgreSQL needs of the file system, by path, as POSIX calls.
enum EmbeddedFiles {
  /// The file's text, nil if it can't be read. Works for files of /proc, which don't know their size.
  static func read(_ path: String) -> String? {
    guard let bytes = bytes(path) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func bytes(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        return nil
      }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// Replaces a file in one step, readable and writable by its owner alone.
  static func write(_ text: String, to path: String, owner: ServerAccount?) throws(EmbeddedPostgresError) {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw failure("can't write", temporary) }
    defer { close(descriptor) }
    if let owner, fchown(descriptor, owner.uid, owner.gid) != 0 { throw failure("can't give away", temporary) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure("can't write", temporary) }
      rest = rest.dropFirst(count)
    }
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure("can't write", path) }
  }

  /// Makes a folder and those above it; one that is there already stays as it is.
  static func makeFolder(_ path: String, mode: mode_t) throws(EmbeddedPostgresError) {
    if mkdir(path, mode) == 0 || isFolder(path) { return }
    if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
      try makeFolder(String(path[..<slash]), mode: 0o755)
      if mkdir(path, mode) == 0 || isFolder(path) { return }
    }
    throw failure("can't make the folder", path)
  }

  static func isFolder(_ path: String) -> Bool {
    var information = stat()
    return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
  }

  static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// The path with neither symbolic links nor relative parts.
  static func resolved(_ path: String) throws(EmbeddedPostgresError) -> String {
    guard let resolved = realpath(path, nil) else { throw failure("can't find", path) }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The names in a folder, empty if it can't be read.
  static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// FNV-1a, 64 bits, as 16 hexadecimal digits: a short name for a path, the same in every process.
  static func hash(_ path: String) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  static func failure(_ what: String, _ path: String) -> EmbeddedPostgresError {
    EmbeddedPostgresError(.folderUnusable, "\(what) \(path): \(String(cString: strerror(errno)))")
  }
}
