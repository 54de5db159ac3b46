import Files

#if canImport(Glibc)
  import Glibc
#endif

/// A listening Unix socket: bound with its permissions from the first moment on,
/// in the place of one that a dead server left behind.
struct UnixSocket {
  /// The longest path that the system takes (`sun_path`, with its zero at the end).
  static let longestPath = 107

  let path: String
  let descriptor: Int32
  /// The file that was made, so that only that one is removed.
  private let device: UInt64
  private let inode: UInt64

  /// Binds and listens.
  ///
  /// - Parameter isShared: Whether other users may connect (their uid is checked all the same).
  /// - Throws: ``ServerStartError`` where the path is too long or taken by a server
  ///   that lives or by another kind of file.
  init(path: String, isShared: Bool) throws(ServerStartError) {
    guard path.utf8.count <= Self.longestPath, !path.utf8.contains(0) else {
      throw ServerStartError(
        "The path of the Unix socket, \(path), is longer than \(Self.longestPath) bytes. Give a shorter one with --socket."
      )
    }
    try Self.removeStale(path)
    let descriptor = Glibc.socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw Self.failure("make", path) }
    // On Linux the file gets the mode that the socket has when it is bound, so there
    // is no moment at which others could connect.
    let isBound =
      fchmod(descriptor, isShared ? 0o666 : 0o600) == 0
      && Self.withAddress(path) { Glibc.bind(descriptor, $0, $1) } == 0
    guard isBound, chmod(path, isShared ? 0o666 : 0o600) == 0, listen(descriptor, 512) == 0 else {
      let failure = Self.failure("bind", path)
      close(descriptor)
      throw failure
    }
    guard let entry = FileEntry(at: path) else {
      let failure = Self.failure("find", path)
      close(descriptor)
      throw failure
    }
    self.path = path
    self.descriptor = descriptor
    device = entry.device
    inode = entry.inode
  }

  /// Closes it, where nobody else has taken the descriptor over.
  func closeDescriptor() { close(descriptor) }

  /// Removes the socket's file, unless another server has put its own there since.
  func removeFile() {
    guard let entry = FileEntry(at: path), entry.device == device, entry.inode == inode else { return }
    unlink(path)
  }

  /// Removes the socket of a server that is dead; refuses to touch anything else.
  private static func removeStale(_ path: String) throws(ServerStartError) {
    guard let entry = FileEntry(at: path) else {
      if errno == ENOENT { return }
      throw failure("look at", path)
    }
    guard entry.kind == .socket else {
      throw ServerStartError("\(path) is there and is no socket. Give another path with --socket.")
    }
    let probe = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw failure("make", path) }
    defer { close(probe) }
    guard withAddress(path, { Glibc.connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED else {
      throw ServerStartError("A server answers at \(path) already. Stop it first, or give another path with --socket.")
    }
    guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove the old", path) }
  }

  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { target in
      for (index, byte) in path.utf8.enumerated() { target[index] = byte }
    }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }

  private static func failure(_ what: String, _ path: String) -> ServerStartError {
    ServerStartError("Can't \(what) the Unix socket \(path): \(String(cString: strerror(errno))).")
  }
}
