import CLMDB

#if canImport(Glibc)
  import Glibc
#endif

// Invariant behind @unchecked: `failure` is written by the relay's thread and read after ``join()``; `isInterrupted` is
// touched under the environment's lock of copies only; `isWritable` by who joins only; the descriptors' numbers are set
// once, and any thread may put another file in the place of `input`.
/// Carries what LMDB copies into a file: LMDB writes into a pipe, a thread reads that and writes the file. So the
/// copying, which keeps the map as it is, can be interrupted at any moment, however slowly the file takes it.
///
/// A pipe and no socket: LMDB waits for the SIGPIPE that comes with EPIPE, and a write to a socket that was waiting for
/// room is refused without one. So LMDB would wait for ever.
final class CopyRelay: @unchecked Sendable {
  /// Where LMDB writes.
  let source: CInt
  private let input: CInt
  private let nothing: CInt
  private let output: CInt
  private let watch: (@Sendable () -> Void)?
  private var thread = pthread_t()
  private var failure: CInt = 0
  private var isWritable = true
  /// Whether ``interrupt()`` was called; set before LMDB can know.
  private(set) var isInterrupted = false

  /// - Parameters:
  ///   - output: The file, written from its beginning.
  ///   - watch: Called before each piece is written.
  init(to output: CInt, watch: (@Sendable () -> Void)?) throws(LMDBError) {
    var ends: [CInt] = [-1, -1]
    nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard nothing >= 0 else { throw LMDBError(errno, "open /dev/null") }
    guard clmdb_pipe(&ends, O_CLOEXEC) == 0 else {
      let code = errno
      close(nothing)
      throw LMDBError(code, "make a pipe for a copy")
    }
    input = ends[0]
    source = ends[1]
    self.output = output
    self.watch = watch
  }

  deinit {
    if isWritable { close(source) }
    close(input)
    close(nothing)
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
    stopReading()
  }

  /// Nobody reads the pipe from here on: its end is closed by another file that takes its number, so that a read of the
  /// relay's thread finds the end and never somebody else's file. A read under way keeps the end open until LMDB's next
  /// write, which it takes.
  private func stopReading() { dup2(nothing, input) }

  /// Waits until everything is in the file; the error number of why it isn't, or 0. LMDB has ended by then.
  func join() -> CInt {
    close(source)
    isWritable = false
    pthread_join(thread, nil)
    return failure
  }

  private func run() {
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    var end: off_t = 0
    var synced: off_t = 0
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
          stopReading()
          return
        }
        done += written
        end += off_t(written)
      }
      guard end - synced >= CopyRelay.atOnce else { continue }
      failure = write(from: synced, to: end)
      synced = end
      if failure != 0 { return stopReading() }
    }
  }

  /// How many bytes wait to be written to the disk at most.
  private static let atOnce: off_t = 1 << 20

  /// Has a part of the file written to the disk, and waits for that: one large sync at the end would hold up whoever
  /// writes to the same disk. Answers why it isn't written, or 0; a file system that can't do it syncs at the end.
  private func write(from start: off_t, to end: off_t) -> CInt {
    guard clmdb_write_out(output, Int64(start), Int64(end - start)) != 0 else { return 0 }
    return [EINVAL, ENOSYS, ESPIPE].contains(errno) ? 0 : errno
  }
}
