#if canImport(Glibc)
  import Glibc
#endif

extension Environment {
  /// Puts the file of another folder's environment in the place of this one's, by one rename; what the other folder's
  /// file held must be durable. The table of readers goes: it is of the old file. Nothing is synced.
  /// - Throws: ``LMDBError``, with ``LMDBError/isOpenAlready`` where any process has the environment open.
  package static func replaceFile(in folder: String, byThatIn other: String) throws(LMDBError) {
    let entered = try OpenFolders.enter(folder)
    defer { OpenFolders.leave(entered) }
    let table = folder + "/lock.mdb"
    let descriptor = open(table, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 || errno == ENOENT else { throw LMDBError(errno, "open \(table)") }
    defer { if descriptor >= 0 { Glibc.close(descriptor) } }
    if descriptor >= 0 {
      // Whoever has the environment open holds a shared lock on the first byte.
      var region = Glibc.flock()
      region.l_type = Int16(F_WRLCK)
      region.l_whence = Int16(SEEK_SET)
      region.l_len = 1
      guard fcntl(descriptor, F_SETLK, &region) == 0 else {
        throw LMDBError(
          errno == EAGAIN || errno == EACCES ? EBUSY : errno, "replace \(folder), which a process has open")
      }
    }
    guard rename(other + "/data.mdb", folder + "/data.mdb") == 0 else {
      throw LMDBError(errno, "replace \(folder)/data.mdb")
    }
    guard unlink(table) == 0 || errno == ENOENT else { throw LMDBError(errno, "remove \(table)") }
  }
}
