import Glibc
import NIOConcurrencyHelpers

/// The lock by which one process has something to itself (`flock`); the kernel
/// drops it when the process ends, however it ends.
package final class FileLock: Sendable {
  private let descriptor: NIOLockedValueBox<Int32?>
  private let path: String

  private init(_ descriptor: Int32, _ path: String) {
    self.descriptor = NIOLockedValueBox(descriptor)
    self.path = path
  }

  deinit { release() }

  /// Takes the lock of a file, which is made where it is missing.
  /// - Returns: nil where another process has it.
  package static func take<Failure: FileFailure>(_ path: String, as failure: Failure.Type) throws(Failure) -> FileLock?
  {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileSystem<Failure>.failure("open", path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let error = FileError("lock", path)
      close(descriptor)
      if error.code == EWOULDBLOCK { return nil }
      throw Failure(error)
    }
    return FileLock(descriptor, path)
  }

  /// Replaces what the file says, for whoever finds it locked. Does nothing once the lock is released.
  package func write<Failure: FileFailure>(_ text: String, as failure: Failure.Type) throws(Failure) {
    guard let held = descriptor.withLockedValue({ $0 }) else { return }
    guard ftruncate(held, 0) == 0 else { throw FileSystem<Failure>.failure("write", path) }
    try FileSystem<Failure>.write(Array(text.utf8), to: held, at: 0, path)
  }

  /// Lets the next one in; harmless when called twice.
  package func release() {
    let held = descriptor.withLockedValue { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
    guard let held else { return }
    // Said, not left to the close: a child between fork and exec may hold a copy of the descriptor for a moment.
    flock(held, LOCK_UN)
    close(held)
  }
}
