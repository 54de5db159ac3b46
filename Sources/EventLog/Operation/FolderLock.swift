import BasicTypes
import Files
import Glibc

/// The lock by which one process has a data folder to itself.
final class FolderLock: Sendable {
  private let lock: FileLock

  init(path: String) throws(EventLogError) {
    guard let lock = try FileLock.take(path, as: EventLogError.self) else {
      let holder = FileSystem.text(path).flatMap { $0.isEmpty ? nil : $0 } ?? "an unknown process"
      throw EventLogError(
        .locked,
        "\(path) is held by \(holder): one server has a data folder at a time. Stop it, or choose another folder.")
    }
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, 255)
    let hostName = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    try lock.write("process \(getpid()) on \(hostName), since \(Timestamp.now)", as: EventLogError.self)
    self.lock = lock
  }

  /// Lets the next one in; harmless when called twice.
  func release() { lock.release() }
}
