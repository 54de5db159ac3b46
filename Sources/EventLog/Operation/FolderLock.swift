import BasicTypes
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// The lock by which one process has a data folder to itself; the kernel drops it when the process ends, however it ends.
final class FolderLock: Sendable {
  private let descriptor: NIOLockedValueBox<Int32?>

  init(path: String) throws(EventLogError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileWriting.failure("open", path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let holder = (try? FileWriting.read(path)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
      close(descriptor)
      let name = holder.map { $0.isEmpty ? "an unknown process" : $0 } ?? "an unknown process"
      throw EventLogError(
        .locked,
        "\(path) is held by \(name): one server has a data folder at a time. Stop it, or choose another folder.")
    }
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, 255)
    let hostName = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let text = "process \(getpid()) on \(hostName), since \(Timestamp.now)"
    let bytes = Array(text.utf8)
    let written =
      ftruncate(descriptor, 0) == 0 ? bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } : -1
    guard written == bytes.count else {
      let error = FileWriting.failure("write", path)
      close(descriptor)
      throw error
    }
    self.descriptor = NIOLockedValueBox(descriptor)
  }

  deinit { release() }

  /// Lets the next one in; harmless when called twice.
  func release() {
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
