import Files

/// Files and folders, as this module's own error tells of them.
typealias FileSystem = Files.FileSystem<VaultError>

extension VaultError: FileFailure {
  /// The error of a system call on a file that failed.
  package init(_ error: FileError) {
    self.init(.io(error.code), error.description)
  }
}
