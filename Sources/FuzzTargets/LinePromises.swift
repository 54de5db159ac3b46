import NIOCore
import Protocol

/// What must hold of every stream that is cut into lines, however it arrives.
///
/// An input's first byte gives the longest line, its second one how many bytes follow that are the lengths of the
/// pieces in which the rest arrives.
enum LinePromises {
  static let target = FuzzTarget(
    .lines,
    seeds: [
      input(longest: 16, pieces: [1, 2, 3], "{}\n{\"a\":1}\r\n \t\r\n\n[1,2,3]\nlast"),
      input(longest: 4, pieces: [5, 0, 1], "1234\n12345\n1234\r\n12345\r\n1234\r\r\n      \n\r\n1234"),
      input(longest: 1, pieces: [], "\r\n\r\r\n\n\na\nab\nabc"),
      input(longest: 8, pieces: [7, 1, 15], "12345678\r"),
      input(longest: 8, pieces: [9, 1], "123456789 and so on without an end"),
    ],
    words: ["\n", "\r\n", "\r", " ", "\t", "\n\n", "{}"],
    maximumLength: 256,
    check: check)

  private enum Told: Equatable {
    case line([UInt8])
    case tooLong
  }

  static func check(_ input: [UInt8]) throws -> Bool {
    guard input.count >= 2 else { return false }
    let longest = 1 + Int(input[0] % 64)
    let start = 2 + min(Int(input[1] % 16), input.count - 2)
    let pieces = input[2..<start].map { Int($0) % 24 }
    let stream = Array(input[start...])
    let expected = lines(of: stream, longest: longest)
    try promise("a whole stream gives its lines", try framed(stream, longest, [stream.count], each: 1) == expected)
    try promise("single bytes give the same lines", try framed(stream, longest, [1], each: 1) == expected)
    try promise("any pieces give the same lines", try framed(stream, longest, pieces, each: 1) == expected)
    try promise("pieces taken later give the same lines", try framed(stream, longest, pieces, each: 3) == expected)
    return true
  }

  /// The lines as the description of the framer has them, of the stream as a whole.
  private static func lines(of stream: [UInt8], longest: Int) -> [Told] {
    stream.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).compactMap { raw in
      let line = raw.last == UInt8(ascii: "\r") ? raw.dropLast() : raw
      if line.count > longest { return .tooLong }
      return line.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } ? nil : .line(Array(line))
    }
  }

  /// What the framer tells of a stream that arrives in pieces of these lengths, over and over, and is asked for frames
  /// after so many of them.
  private static func framed(_ stream: [UInt8], _ longest: Int, _ lengths: [Int], each: Int) throws -> [Told] {
    var framer = LineFramer(maximumLength: longest)
    var told: [Told] = []
    func take(_ frame: LineFramer.Frame) {
      switch frame {
      case .line(let line): told.append(.line(Array(line.readableBytesView)))
      case .tooLong: told.append(.tooLong)
      }
    }
    // Pieces without a byte alone would never end.
    let lengths = lengths.contains { $0 > 0 } ? lengths : [7]
    var rest = stream[...]
    var turn = 0
    while !rest.isEmpty {
      let piece = rest.prefix(lengths[turn % lengths.count])
      turn += 1
      rest = rest.dropFirst(piece.count)
      framer.append(ByteBuffer(bytes: piece))
      guard turn % each == 0 else { continue }
      while let frame = framer.next() { take(frame) }
      try promise("no more is kept than a line and its ending", framer.bufferedBytes <= longest + 1)
    }
    while let frame = framer.next() { take(frame) }
    if let last = framer.finish() { take(last) }
    try promise("nothing is left at the end", framer.bufferedBytes == 0 && framer.next() == nil)
    return told
  }

  private static func input(longest: UInt8, pieces: [UInt8], _ stream: String) -> [UInt8] {
    [longest - 1, UInt8(pieces.count)] + pieces + stream.utf8
  }
}
