#if canImport(Glibc)
  import Glibc
#endif

/// The descriptors by which this process has a file open: those that sync with each write last.
///
/// LMDB has two of its file: it writes pages by the first, and the pages at the front by the second.
public func descriptors(of path: String) -> [CInt] {
  var target = [CChar](repeating: 0, count: Int(PATH_MAX))
  let found = (0..<4096).map { CInt($0) }.filter { number in
    let count = readlink("/proc/self/fd/\(number)", &target, target.count)
    return count > 0 && target[..<count].elementsEqual(path.utf8CString.dropLast())
  }
  return found.sorted { fcntl($0, F_GETFL) & O_DSYNC < fcntl($1, F_GETFL) & O_DSYNC }
}
