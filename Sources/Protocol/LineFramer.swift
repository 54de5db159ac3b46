import NIOCore

#if canImport(Glibc)
  import Glibc
#endif

/// Cuts a stream of bytes into lines: one message a line, ended by `\n`, where a `\r` before it belongs to the ending.
///
/// A pure state machine: append what was read, then take frames until there are none. It looks at every byte once,
/// however the stream is cut into reads, and holds at most one incomplete line of ``maximumLength`` bytes besides what
/// was appended and not yet taken. Of a longer line it looks at the beginning and the end alone.
public struct LineFramer: Sendable {
  /// What the stream holds next.
  public enum Frame: Sendable, Equatable {
    /// A line without its ending. It is never blank.
    case line(ByteBuffer)
    /// A line longer than the limit, with the `id` of the request that it is, where that stands among its first or
    /// last 4096 bytes. It is told once, as soon as the id is known: before the rest of the line is read past where it
    /// stands at the beginning, or the line is no single request; else when that has been.
    case tooLong(id: RequestID?)
  }

  /// The greatest length of a line in bytes, its ending not counted. A change holds
  /// for every line that isn't taken yet.
  public var maximumLength: Int

  private var buffer = ByteBuffer()
  /// How many bytes from the reader index are known to hold no `\n`.
  private var scanned = 0
  /// Whether the bytes up to the next `\n` belong to a line that is too long, and is still to be told so.
  private var passing = Passing.nothing
  /// The last bytes of a line that is still to be told.
  private var tail: [UInt8] = []

  private enum Passing {
    /// It may still be a line.
    case nothing
    /// It was told.
    case told
    /// It will be told when it ends.
    case untold
  }

  /// How much of a long line's beginning, and of its end, may hold its id.
  private static let margin = 4096

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
      switch passing {
      case .nothing: if let frame = line.flatMap(frame(of:)) { return frame }
      case .told: passing = .nothing
      case .untold:
        if let line { keep(line) }
        return tellAtEnd()
      }
    }
  }

  /// What is left when the stream has ended: a last line that no `\n` follows, or
  /// nil. Take ``next()`` until nil before.
  public mutating func finish() -> Frame? {
    defer { discard() }
    switch passing {
    case .nothing: return frame(of: buffer)
    case .told: return nil
    case .untold:
      keep(buffer)
      return tellAtEnd()
    }
  }

  /// Forgets everything that was appended and not taken.
  public mutating func discard() {
    buffer = ByteBuffer()
    scanned = 0
    passing = .nothing
    tail = []
  }

  /// Keeps the last bytes of a line that is still to be told.
  private mutating func keep(_ bytes: ByteBuffer) {
    tail.append(contentsOf: bytes.readableBytesView.suffix(Self.margin))
    if tail.count > Self.margin { tail.removeFirst(tail.count - Self.margin) }
  }

  private mutating func tellAtEnd() -> Frame {
    let id = tail.withUnsafeBufferPointer { LineScan.identifier(atEndOf: $0) }
    tail = []
    passing = .nothing
    return .tooLong(id: id)
  }

  /// Whether a line may be a single request, by its first byte that is no blank.
  private func beginsAnObject(_ line: ByteBuffer) -> Bool {
    line.readableBytesView.first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") } == UInt8(ascii: "{")
  }

  /// The id at the beginning of a long line.
  private func leadingIdentifier(_ line: ByteBuffer) -> RequestID? {
    line.withUnsafeReadableBytes { bytes in
      LineScan.identifier(
        atBeginningOf: UnsafeBufferPointer(
          rebasing: bytes.bindMemory(to: UInt8.self).prefix(min(Self.margin, maximumLength))))
    }
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
    guard passing != .nothing || count > maximumLength + (endsInReturn ? 1 : 0) else { return nil }
    defer {
      buffer = ByteBuffer()
      scanned = 0
    }
    if passing == .nothing {
      let id = leadingIdentifier(buffer)
      // What is no request has no id to be waited for.
      if id != nil || !beginsAnObject(buffer) {
        passing = .told
        return .tooLong(id: id)
      }
      passing = .untold
    }
    if passing == .untold { keep(buffer) }
    return nil
  }

  /// A line without its `\r`, or nil where it is blank.
  private func frame(of raw: ByteBuffer) -> Frame? {
    var line = raw
    if line.readableBytes > 0, byte(at: line.readableBytes - 1, of: line) == UInt8(ascii: "\r") {
      line.moveWriterIndex(to: line.writerIndex - 1)
    }
    if line.readableBytes > maximumLength {
      let atEnd = Array(line.readableBytesView.suffix(Self.margin))
      let id = leadingIdentifier(line) ?? atEnd.withUnsafeBufferPointer { LineScan.identifier(atEndOf: $0) }
      return .tooLong(id: id)
    }
    let isBlank = line.readableBytesView.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    return isBlank ? nil : .line(line)
  }

  private func byte(at offset: Int, of buffer: ByteBuffer) -> UInt8? {
    buffer.getInteger(at: buffer.readerIndex + offset)
  }
}
