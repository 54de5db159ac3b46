#if canImport(Glibc)
  import Glibc
#endif

// Invariant behind @unchecked: `failure` is written by the relay's thread and read after ``join()``; `isInterrupted` is
// touched under the environment's lock of copies only; the descriptors are set once, and any thread may shut a socket
// down.
/// Carries what LMDB copies into a file: LMDB writes into a socket, a thread reads that and writes the file. So the
/// copying, which keeps the map as it is, can be interrupted at any moment, however slowly the file takes it.
final class CopyRelay: @unchecked Sendable {
  /// Where LMDB writes.
  let source: CInt
  private let input: CInt
  private let output: CInt
  private let watch: (@Sendable () -> Void)?
  private var thread = pthread_t()
  private var failure: CInt = 0
  /// Whether ``interrupt()`` was called; set before LMDB can know.
  private(set) var isInterrupted = false

  /// - Parameters:
  ///   - output: The file, written from its beginning.
  ///   - watch: Called before each piece is written.
  init(to output: CInt, watch: (@Sendable () -> Void)?) throws(LMDBError) {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw LMDBError(errno, "make a socket for a copy")
    }
    source = ends[0]
    input = ends[1]
    self.output = output
    self.watch = watch
  }

  deinit {
    close(source)
    close(input)
  }

  func start() throws(LMDBError) {
    let code = pthread_create(
      &thread, nil,
      { relay in
        guard let relay else { return nil }
        Unmanaged<CopyRelay>.fromOpaque(relay).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    guard code == 0 else {
      Unmanaged.passUnretained(self).release()
      throw LMDBError(code, "start a thread for a copy")
    }
  }

  /// Makes LMDB's next write fail, and one that waits.
  func interrupt() {
    isInterrupted = true
    shutdown(source, CInt(SHUT_RDWR))
  }

  /// Waits until everything is in the file; the error number of why it isn't, or 0.
  func join() -> CInt {
    shutdown(source, CInt(SHUT_WR))
    pthread_join(thread, nil)
    return failure
  }

  private func run() {
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    var end: off_t = 0
    while true {
      let count = piece.withUnsafeMutableBytes { read(input, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      watch?()
      var done = 0
      while done < count {
        let written = piece.withUnsafeBytes { pwrite(output, $0.baseAddress?.advanced(by: done), count - done, end) }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else {
          failure = written < 0 ? errno : EIO
          // LMDB would wait for ever for somebody to read.
          shutdown(input, CInt(SHUT_RDWR))
          return
        }
        done += written
        end += off_t(written)
      }
    }
  }
}
