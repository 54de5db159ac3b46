#if canImport(Glibc)
  import Glibc
#endif

/// What stands at a path or behind a descriptor: its kind, and which file it is.
package struct FileEntry: Sendable, Equatable {
  /// What a name stands for.
  package enum Kind: Sendable, Equatable {
    /// A folder.
    case folder
    /// A socket.
    case socket
    /// Anything else: a file, a link, a pipe, a device.
    case other
  }

  /// What it is.
  package let kind: Kind
  /// The device that it lies on.
  package let device: UInt64
  /// Its number there.
  package let inode: UInt64

  /// What stands at a path; a link is itself, not what it leads to. nil where that can't be told: `errno` says why.
  package init?(at path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// What is behind a descriptor; nil where that can't be told: `errno` says why.
  package init?(of descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    self.init(status)
  }

  private init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFDIR: .folder
      case S_IFSOCK: .socket
      default: .other
      }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}
