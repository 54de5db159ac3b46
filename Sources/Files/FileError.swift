import Glibc

/// A system call on a file or folder that failed: what was to be done, where, and why.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was to be done, as it follows "Can't": `open`, `write to`.
  package let doing: String
  /// The path.
  package let path: String
  /// The system's error number (`errno`).
  package let code: Int32

  /// The error of a call that has just failed.
  /// - Parameter code: The system's error number; `errno` as it is now, where none is given.
  package init(_ doing: String, _ path: String, code: Int32 = errno) {
    self.doing = doing
    self.path = path
    self.code = code
  }

  /// A sentence that names the file and the system's reason.
  package var description: String { "Can't \(doing) \(path): \(String(cString: strerror(code)))." }
}

/// The error by which a module tells of files: made from the one error that this module knows.
package protocol FileFailure: Error {
  /// The module's own error of a failed call.
  init(_ error: FileError)
}

extension FileError: FileFailure {
  /// The error itself.
  package init(_ error: FileError) { self = error }
}
