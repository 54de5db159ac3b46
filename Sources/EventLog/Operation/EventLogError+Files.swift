import Files
import Glibc

/// Files and folders, as this module's own error tells of them.
typealias FileSystem = Files.FileSystem<EventLogError>

extension EventLogError: FileFailure {
  /// The error of a system call on a file that failed.
  package init(_ error: FileError) {
    self.init(error.code == ENOSPC ? .diskFull : .unusable, error.description, underlying: error.code)
  }
}
