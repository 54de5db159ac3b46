import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// The folders that this process has open with LMDB's locks.
///
/// LMDB's locks are those of `fcntl`, which belong to the process: closing a second
/// environment on the same file would drop the locks of the first, and another process
/// could then reset the table of readers under it. So a second open is refused.
enum OpenFolders {
  /// A folder, whatever path names it.
  struct Identity: Hashable {
    let device: dev_t
    let node: ino_t
  }

  private static let identities = NIOLockedValueBox<Set<Identity>>([])

  /// Enters a folder. Throws with `EBUSY` where it is open already, with the cause where there is no such folder.
  static func enter(_ folder: String) throws(LMDBError) -> Identity {
    var information = stat()
    guard stat(folder, &information) == 0 else { throw LMDBError(errno, "open \(folder)") }
    let identity = Identity(device: information.st_dev, node: information.st_ino)
    let isNew = identities.withLockedValue { $0.insert(identity).inserted }
    guard isNew else { throw LMDBError(EBUSY, "open \(folder), which this process has open") }
    return identity
  }

  static func leave(_ identity: Identity) {
    identities.withLockedValue { _ = $0.remove(identity) }
  }
}
