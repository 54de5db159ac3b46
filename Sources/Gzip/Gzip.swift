import CZlib

/// Why compressed bytes can't be read.
public enum GzipError: Error, Sendable, Equatable {
  /// They come to more bytes than were allowed.
  case tooLong(limit: Int)
  /// They are no gzip or zlib data, damaged, cut off, or followed by something else.
  case damaged
  /// There is no memory to read them.
  case noMemory
}

/// Bytes compressed as gzip (RFC 1952) or zlib (RFC 1950) have them.
public enum Gzip {
  /// What compressed bytes hold: all members of a gzip file, or one zlib stream; which of them is told by its head.
  ///
  /// It takes memory for what it returns and about 80 kB besides, whatever the bytes say they hold; reading ends with
  /// the first byte over the limit.
  /// - Parameter limit: How many bytes may come of them.
  /// - Throws: ``GzipError``.
  public static func inflate(_ bytes: some Collection<UInt8>, atMost limit: Int) throws(GzipError) -> [UInt8] {
    let held: Result<[UInt8], GzipError>? = bytes.withContiguousStorageIfAvailable { outcome(of: $0, limit) }
    if let held { return try held.get() }
    let copied: Result<[UInt8], GzipError> = Array(bytes).withUnsafeBufferPointer { outcome(of: $0, limit) }
    return try copied.get()
  }

  private static func outcome(
    of bytes: UnsafeBufferPointer<UInt8>, _ limit: Int
  ) -> Result<[UInt8], GzipError> {
    do throws(GzipError) {
      return .success(try inflated(bytes, limit))
    } catch {
      return .failure(error)
    }
  }

  private static func inflated(_ bytes: UnsafeBufferPointer<UInt8>, _ limit: Int) throws(GzipError) -> [UInt8] {
    guard let start = bytes.baseAddress, bytes.count <= UInt32.max else { throw .damaged }
    var stream = z_stream()
    // The largest window, and the kind as the head says it (zlib.h, inflateInit2).
    guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw .noMemory
    }
    defer { inflateEnd(&stream) }
    // zlib only reads its input, whatever the type says.
    stream.next_in = UnsafeMutablePointer(mutating: start)
    stream.avail_in = UInt32(bytes.count)
    let isGzip = bytes.first == 0x1F
    var output: [UInt8] = []
    let piece = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 32 << 10)
    defer { piece.deallocate() }
    while true {
      let room = min(piece.count, limit + 1 - output.count)
      stream.next_out = piece.baseAddress
      stream.avail_out = UInt32(room)
      let status = CZlib.inflate(&stream, Z_NO_FLUSH)
      output.append(contentsOf: UnsafeBufferPointer(rebasing: piece[..<(room - Int(stream.avail_out))]))
      guard output.count <= limit else { throw .tooLong(limit: limit) }
      switch status {
      case Z_OK: continue
      case Z_STREAM_END:
        guard stream.avail_in > 0 else { return output }
        // The next member of a gzip file.
        guard isGzip, inflateReset(&stream) == Z_OK else { throw .damaged }
      case Z_MEM_ERROR: throw .noMemory
      // Z_BUF_ERROR is input that is cut off: there is always room for output.
      default: throw .damaged
      }
    }
  }
}
