import Files
import NIOConcurrencyHelpers

#if canImport(Glibc)
  import Glibc
#endif

/// Where the server's own log goes: standard error, or a file. Safe from any thread.
final class LogOutput: Sendable {
  private let path: String?
  private let descriptor: NIOLockedValueBox<Int32>
  /// Whether systemd's journal reads it, which takes the level from a number in front of each line (sd-daemon(3)).
  let isJournal: Bool

  /// - Parameter path: The file, which is appended to; nil for standard error.
  /// - Throws: ``ServerStartError`` where it can't be opened.
  init(path: String?) throws(ServerStartError) {
    self.path = path
    descriptor = NIOLockedValueBox(try path.map(Self.open) ?? STDERR_FILENO)
    isJournal = path == nil && Self.isJournal(STDERR_FILENO)
  }

  deinit {
    if path != nil { close(descriptor.withLockedValue { $0 }) }
  }

  /// Appends a text.
  func write(_ text: String) {
    descriptor.withLockedValue { StandardStream(descriptor: $0).write(text) }
  }

  /// Opens the file of its path anew: what was renamed by whoever rotates logs gets no more lines.
  /// - Throws: ``ServerStartError`` where it can't be opened: then the old file gets them still.
  func reopen() throws(ServerStartError) {
    guard let path else { return }
    let new = try Self.open(path)
    let old = descriptor.withLockedValue { descriptor in
      defer { descriptor = new }
      return descriptor
    }
    close(old)
  }

  private static func open(_ path: String) throws(ServerStartError) -> Int32 {
    let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0o600)
    guard descriptor >= 0 else {
      throw ServerStartError("The log file \(path) can't be written: \(String(cString: strerror(errno))).")
    }
    return descriptor
  }

  /// Whether `JOURNAL_STREAM` names what a descriptor writes to (systemd.exec(5)).
  static func isJournal(_ descriptor: Int32) -> Bool {
    guard let named = getenv("JOURNAL_STREAM") else { return false }
    guard let entry = FileEntry(of: descriptor) else { return false }
    return String(cString: named) == "\(entry.device):\(entry.inode)"
  }
}
