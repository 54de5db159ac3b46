import Files

/// Files and folders, as this module's own error tells of them.
typealias FileSystem = Files.FileSystem<EmbeddedPostgresError>

extension EmbeddedPostgresError: FileFailure {
  /// The error of a system call on a file that failed.
  package init(_ error: FileError) {
    self.init(.folderUnusable, error.description)
  }
}

extension Files.FileSystem {
  /// The bytes of a file; nil where it can't be read, such as that of a process that has just ended.
  static func presentBytes(_ path: String) -> [UInt8]? { try? read(path) }

  /// The names in a folder; none where it can't be read.
  static func presentNames(in folder: String) -> [String] { (try? names(in: folder)) ?? [] }
}
