import Glibc

extension FileSystem {
  /// The names in a folder, in order; nil where there is no such folder.
  package static func names(in path: String) throws(Failure) -> [String]? {
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
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Makes a folder, and those above it that are missing; one that is there stays as it is.
  package static func makeFolder(_ path: String, mode: mode_t = 0o700, above: mode_t = 0o700) throws(Failure) {
    if mkdir(path, mode) == 0 { return }
    var error = FileError("make the folder", path)
    if error.code == ENOENT, let parent = parent(of: path), parent != path {
      try makeFolder(parent, mode: above, above: above)
      if mkdir(path, mode) == 0 { return }
      error = FileError("make the folder", path)
    }
    guard isFolder(path) else { throw Failure(error) }
  }

  /// Makes a folder, and those above it that are missing, so that a power cut can't take them away again.
  package static func makeDurableFolder(_ path: String) throws(Failure) {
    let holders = foldersToSync(toMake: path)
    try makeFolder(path)
    for holder in holders { try syncFolder(holder) }
  }

  /// The folders in which a folder, and those above it that are missing, are about to get their names, the deepest
  /// first: once they are synced, the new ones are durable.
  package static func foldersToSync(toMake path: String) -> [String] {
    var holders: [String] = []
    var current = absolute(path)
    while let holder = parent(of: current), holder != current {
      holders.append(holder)
      if isFolder(holder) { break }
      current = holder
    }
    return holders
  }

  /// Whether there is a folder of that name.
  package static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Makes what was created, renamed or removed in a folder durable.
  package static func syncFolder(_ path: String) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync", path) }
  }

  /// How many bytes the file system of a folder has left for this process; nil where it doesn't say.
  package static func freeSpace(in folder: String) -> UInt64? {
    var information = statvfs()
    guard statvfs(folder, &information) == 0 else { return nil }
    return UInt64(information.f_bavail) * UInt64(information.f_frsize)
  }

  /// The path with neither symbolic links nor relative parts, of what exists.
  package static func resolved(_ path: String) throws(Failure) -> String {
    guard let resolved = realpath(path, nil) else { throw failure("find", path) }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The path from the root, without a trailing slash, dots or links to folders as far as it exists.
  package static func absolute(_ path: String) -> String {
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
  package static func parent(of path: String) -> String? {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
