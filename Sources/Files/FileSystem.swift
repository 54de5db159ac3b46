import Glibc

/// Files and folders by path, as POSIX calls that are repeated where a signal
/// interrupts them. Every error names its file.
///
/// A module takes it with its own error: `typealias FileSystem = Files.FileSystem<VaultError>`.
package enum FileSystem<Failure: FileFailure> {
  /// The error of a system call that has just failed.
  package static func failure(_ doing: String, _ path: String) -> Failure { Failure(FileError(doing, path)) }

  // MARK: - Reading

  /// The bytes of a file; nil where there is none. Reads files of /proc too, which don't know their size.
  package static func read(_ path: String) throws(Failure) -> [UInt8]? {
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
    while true {
      let chunk = try read(descriptor, atMost: 65_536, path)
      if chunk.isEmpty { return bytes }
      bytes.append(contentsOf: chunk)
    }
  }

  /// The next bytes of an open file; none at its end.
  package static func read(_ descriptor: Int32, atMost size: Int, _ path: String) throws(Failure) -> [UInt8] {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { space, count in
      var got = Glibc.read(descriptor, space.baseAddress, size)
      while got < 0, errno == EINTR { got = Glibc.read(descriptor, space.baseAddress, size) }
      failed = got < 0
      count = max(0, got)
    }
    if failed { throw failure("read", path) }
    return bytes
  }

  /// The text of a file; nil where it can't be read.
  package static func text(_ path: String) -> String? {
    guard let bytes = try? read(path) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  // MARK: - Writing

  /// Writes all bytes at that offset.
  package static func write(
    _ bytes: [UInt8], to descriptor: Int32, at start: Int64, _ path: String
  ) throws(Failure) {
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
  package static func create(_ path: String, _ bytes: [UInt8]) throws(Failure) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("create", path) }
    defer { close(descriptor) }
    do throws(Failure) {
      try write(bytes, to: descriptor, at: 0, path)
      guard fsync(descriptor) == 0 else { throw failure("sync", path) }
    } catch {
      unlink(path)
      throw error
    }
  }

  /// Replaces a small file in one step: a crash leaves the old or the new one. Only its owner can read it.
  /// - Parameter owner: Who it is to belong to, where that is another user than this process's.
  package static func replace(
    _ path: String, with bytes: [UInt8], syncing: Bool, owner: (uid: uid_t, gid: gid_t)? = nil
  ) throws(Failure) {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw failure("write", temporary) }
    defer { close(descriptor) }
    if let owner, fchown(descriptor, owner.uid, owner.gid) != 0 { throw failure("give away", temporary) }
    try write(bytes, to: descriptor, at: 0, temporary)
    if syncing, fdatasync(descriptor) != 0 { throw failure("sync", temporary) }
    try rename(temporary, to: path)
  }

  /// Writes over a small file in one write. A reader at the same moment may see a
  /// mixture, so what is read must prove itself.
  package static func overwrite(_ path: String, with bytes: [UInt8], syncing: Bool) throws(Failure) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("write", path) }
    defer { close(descriptor) }
    let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard count == bytes.count else { throw failure("write", path) }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_size > bytes.count, ftruncate(descriptor, off_t(bytes.count)) != 0 {
      throw failure("cut", path)
    }
    if syncing, fdatasync(descriptor) != 0 { throw failure("sync", path) }
  }

  /// Overwrites a file with zeros where it lies and syncs it. File systems that copy
  /// on write, and flash, may keep the old blocks.
  package static func erase(_ path: String) throws(Failure) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("examine", path) }
    try write([UInt8](repeating: 0, count: Int(status.st_size)), to: descriptor, at: 0, path)
    guard fsync(descriptor) == 0 else { throw failure("sync", path) }
  }

  /// Makes what was written to a file durable.
  package static func sync(_ path: String) throws(Failure) {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("sync", path) }
    defer { close(descriptor) }
    guard fdatasync(descriptor) == 0 else { throw failure("sync", path) }
  }

  // MARK: - Names

  /// Gives a file or folder another name; replaces a file that has it.
  package static func rename(_ from: String, to path: String) throws(Failure) {
    guard Glibc.rename(from, path) == 0 else { throw failure("rename \(from) to", path) }
  }

  /// Gives a file a second name.
  package static func link(_ from: String, to path: String) throws(Failure) {
    guard Glibc.link(from, path) == 0 else { throw failure("link \(from) to", path) }
  }

  /// Removes a file; one that isn't there is no error.
  package static func remove(_ path: String) throws(Failure) {
    guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
  }

  /// Removes an empty folder; one that isn't there is no error.
  package static func removeFolder(_ path: String) throws(Failure) {
    guard rmdir(path) == 0 || errno == ENOENT else { throw failure("remove the folder", path) }
  }

  /// Whether a file or folder of that name is there.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether this process may run a file.
  package static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }

  /// The length of a file in bytes; nil where there is none.
  package static func size(_ path: String) -> UInt64? {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : nil
  }

  /// The device and inode of a file; nil where there is none.
  package static func identity(_ path: String) throws(Failure) -> FileIdentity? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw failure("examine", path)
    }
    return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size))
  }
}
