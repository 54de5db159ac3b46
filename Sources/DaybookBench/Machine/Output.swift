#if canImport(Glibc)
  import Glibc
#endif

/// Why a run ended early: a sentence for a person.
struct BenchFailure: Error, Sendable, CustomStringConvertible {
  let message: String

  init(_ message: String) {
    self.message = message
  }

  /// A failed system call, with what it was for.
  static func system(_ action: String, code: CInt = errno) -> BenchFailure {
    BenchFailure("\(action): \(String(cString: strerror(code)))")
  }

  var description: String { message }
}

/// Seconds on the monotonic clock.
enum Clock {
  static var now: Double {
    Double(nanoseconds) / 1e9
  }

  static var nanoseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// What goes on, told on standard error.
enum Progress {
  private static let start = Clock.now

  /// Seconds since the first call.
  static var elapsed: Double { Clock.now - start }

  static func say(_ text: String) {
    let seconds = Int(elapsed)
    Output.write("[\(seconds < 100 ? seconds < 10 ? "  " : " " : "")\(seconds) s] \(text)\n", to: STDERR_FILENO)
  }
}

/// Bytes to a file descriptor or a file.
enum Output {
  /// Writes a text; a stream that nobody reads any more is no error of ours.
  static func write(_ text: String, to descriptor: CInt) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  /// Makes the file hold the text.
  static func replace(_ path: String, with text: String) throws(BenchFailure) {
    guard let file = fopen(path, "we") else { throw .system("can't write \(path)") }
    let bytes = Array(text.utf8)
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else { throw .system("can't write \(path)") }
  }
}

/// Whole files, and what the environment says.
enum Input {
  /// The file's bytes, nil where it can't be read. Works for files of /proc, which don't know their size.
  static func bytes(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    return bytes(of: file)
  }

  static func text(_ path: String) -> String? {
    bytes(path).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The last lines of a file, for a message.
  static func tail(_ path: String) -> String {
    guard let text = text(path), !text.isEmpty else { return "nothing was written to \(path)" }
    return text.split(separator: "\n").suffix(8).joined(separator: "\n")
  }

  static func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  private static func bytes(of file: UnsafeMutablePointer<FILE>) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }
}

/// This program's own file.
enum ThisProgram {
  /// The folder that it lies in.
  static var folder: String {
    guard let path = realpath("/proc/self/exe", nil) else { return "." }
    defer { free(path) }
    let text = String(cString: path)
    return text.lastIndex(of: "/").map { String(text[..<$0]) } ?? "."
  }
}
