import NIOCore

#if canImport(Glibc)
  import Glibc
#endif

/// Cuts a stream of bytes into lines: one message a line, ended by `\n`, where a `\r` before it belongs to the ending.
///
/// A pure state machine: append what was read, then take frames until there are none. It looks at every byte once,
/// however the stream is cut into reads, and holds at most one incomplete line of ``maximumLength`` bytes besides what
/// was appended and not yet taken.
public struct LineFramer: Sendable {
  /// What the stream holds next.
  public enum Frame: Sendable, Equatable {
    /// A line without its ending. It is never blank.
    case line(ByteBuffer)
    /// A line longer than the limit began here. It is told once, as soon as it is
    /// certain; the rest of the line is read past.
    case tooLong
  }

  /// The greatest length of a line in bytes, its ending not counted. A change holds
  /// for every line that isn't taken yet.
  public var maximumLength: Int

  private var buffer = ByteBuffer()
  /// How many bytes from the reader index are known to hold no `\n`.
  private var scanned = 0
  /// Whether the bytes up to the next `\n` belong to a line that was told as too long.
  private var isSkipping = false

  /// A framer for lines up to so many bytes.
  public init(maximumLength: Int) {
    self.maximumLength = maximumLength
  }

  /// How many appended bytes have not been taken as frames.
  public var bufferedBytes: Int { buffer.readableBytes }

  /// Adds what was read from the stream.
  public mutating func append(_ bytes: ByteBuffer) {
    if buffer.readableBytes == 0 {
      buffer = bytes
      scanned = 0
    } else {
      buffer.discardReadBytes()
      buffer.writeImmutableBuffer(bytes)
    }
  }

  /// The next complete line, or nil where the bytes so far hold none.
  public mutating func next() -> Frame? {
    while true {
      guard let length = lengthOfLine() else { return overrun() }
      let line = buffer.readSlice(length: length)
      buffer.moveReaderIndex(forwardBy: 1)
      scanned = 0
      if isSkipping {
        isSkipping = false
      } else if let frame = line.flatMap(frame(of:)) {
        return frame
      }
    }
  }

  /// What is left when the stream has ended: a last line that no `\n` follows, or
  /// nil. Take ``next()`` until nil before.
  public mutating func finish() -> Frame? {
    defer {
      buffer = ByteBuffer()
      scanned = 0
      isSkipping = false
    }
    return isSkipping ? nil : frame(of: buffer)
  }

  /// Forgets everything that was appended and not taken.
  public mutating func discard() {
    buffer = ByteBuffer()
    scanned = 0
    isSkipping = false
  }

  /// The count of bytes before the next `\n`.
  private mutating func lengthOfLine() -> Int? {
    let from = scanned
    let found: Int? = buffer.withUnsafeReadableBytes { bytes in
      guard let start = bytes.baseAddress, bytes.count > from,
        let newline = memchr(start + from, Int32(UInt8(ascii: "\n")), bytes.count - from)
      else { return nil }
      return UnsafeRawPointer(newline) - start
    }
    if found == nil { scanned = buffer.readableBytes }
    return found
  }

  /// Drops the bytes of an incomplete line that can't become a short enough one any more; tells so the first time.
  private mutating func overrun() -> Frame? {
    let count = buffer.readableBytes
    let endsInReturn = count > 0 && byte(at: count - 1, of: buffer) == UInt8(ascii: "\r")
    guard isSkipping || count > maximumLength + (endsInReturn ? 1 : 0) else { return nil }
    buffer = ByteBuffer()
    scanned = 0
    if isSkipping { return nil }
    isSkipping = true
    return .tooLong
  }

  /// A line without its `\r`, or nil where it is blank.
  private func frame(of raw: ByteBuffer) -> Frame? {
    var line = raw
    if line.readableBytes > 0, byte(at: line.readableBytes - 1, of: line) == UInt8(ascii: "\r") {
      line.moveWriterIndex(to: line.writerIndex - 1)
    }
    if line.readableBytes > maximumLength { return .tooLong }
    let isBlank = line.readableBytesView.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    return isBlank ? nil : .line(line)
  }

  private func byte(at offset: Int, of buffer: ByteBuffer) -> UInt8? {
    buffer.getInteger(at: buffer.readerIndex + offset)
  }
}
