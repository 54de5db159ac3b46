import Files

/// Files and folders, as this module's own error tells of them.
typealias FileSystem = Files.FileSystem<ProjectionError>

extension ProjectionError: FileFailure {
  /// The error of a system call on a file that failed.
  package init(_ error: FileError) {
    self.init(.definition, error.description)
  }
}
