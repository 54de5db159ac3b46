/// Which file a path led to, and how long it was.
package struct FileIdentity: Sendable, Equatable {
  /// The device that it lies on.
  package let device: UInt64
  /// Its number there.
  package let inode: UInt64
  /// Its length in bytes.
  package let size: Int64

  /// Whether it is the same file, however long.
  package func isSameFile(as other: FileIdentity) -> Bool { device == other.device && inode == other.inode }
}
