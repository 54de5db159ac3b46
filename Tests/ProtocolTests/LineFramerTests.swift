import CanonicalJSON
import NIOCore
import Protocol
import Testing

/// Line framing.
@Suite struct LineFramerTests {
  /// Everything that a stream yields when it arrives in pieces of the given sizes, over and over, and then ends.
  private func frames(_ text: String, limit: Int = 100, pieces: [Int] = [Int.max]) -> [String] {
    var framer = LineFramer(maximumLength: limit)
    var rest = Array(text.utf8)[...]
    var found: [String] = []
    func note(_ frame: LineFramer.Frame) {
      switch frame {
      case .line(let line): found.append(String(buffer: line))
      case .tooLong: found.append("TOO LONG")
      }
    }
    var turn = 0
    while !rest.isEmpty {
      framer.append(ByteBuffer(bytes: rest.prefix(pieces[turn % pieces.count])))
      rest = rest.dropFirst(pieces[turn % pieces.count])
      turn += 1
      while let frame = framer.next() { note(frame) }
    }
    if let frame = framer.finish() { note(frame) }
    return found
  }

  @Test func `lines end at a newline, with or without a carriage return before it`() {
    #expect(frames("a\nb\r\nc\r\r\n") == ["a", "b", "c\r"])
  }

  @Test func `blank lines are passed over`() {
    #expect(frames("\n\r\n  \t\na\n\n \r\nb\n") == ["a", "b"])
  }

  @Test func `a last line without a newline counts when the stream ends`() {
    #expect(frames("a\nb") == ["a", "b"])
    #expect(frames("a\nb\r") == ["a", "b"])
    #expect(frames("a\n \r") == ["a"])
    #expect(frames("") == [])
  }

  @Test func `a line of exactly the limit passes, one byte more is told once and read past`() {
    let text = "12345\n12345\r\n123456\nok\n123456\r\nok\n1234567890123456789\nok\n"
    let expected = ["12345", "12345", "TOO LONG", "ok", "TOO LONG", "ok", "TOO LONG", "ok"]
    #expect(frames(text, limit: 5) == expected)
    #expect(frames("12345", limit: 5) == ["12345"])
    #expect(frames("123456", limit: 5) == ["TOO LONG"])
    #expect(frames("12345\r", limit: 5) == ["12345"])
    #expect(frames("12345\r1\nok", limit: 5) == ["TOO LONG", "ok"])
  }

  @Test(arguments: [[1], [2], [3], [5, 1], [1, 7, 2], [64]])
  func `how the stream is cut into reads changes nothing`(_ sizes: [Int]) {
    let text = "{\"a\":1}\r\n\n" + String(repeating: "x", count: 50) + "\nshort\r\n12345678\r\n123456789\n\r\nlast"
    #expect(frames(text, limit: 8, pieces: sizes) == frames(text, limit: 8))
    #expect(frames(text, limit: 8) == ["{\"a\":1}", "TOO LONG", "short", "12345678", "TOO LONG", "last"])
  }

  @Test func `the id of a long line is told from its beginning or its end, whatever stands between`() {
    func identifiers(_ text: String, pieces: Int) -> [RequestID?] {
      var framer = LineFramer(maximumLength: 40)
      var told: [RequestID?] = []
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        framer.append(ByteBuffer(bytes: rest.prefix(pieces)))
        rest = rest.dropFirst(pieces)
        while let frame = framer.next() { if case .tooLong(let id) = frame { told.append(id) } }
      }
      if case .tooLong(let id) = framer.finish() { told.append(id) }
      return told
    }
    let filler = String(repeating: "x", count: 9000)
    let lines: [(line: String, id: RequestID?)] = [
      (#"{"jsonrpc":"2.0","id":7,"params":"\#(filler)"}"#, RequestID(7)),
      (#"{"params":"\#(filler)","id":"last"}"#, RequestID(.string("last"))),
      (#"{"params":"\#(filler)", "id" : 8 } "#, RequestID(8)),
      (#"{"params":{"x":"\#(filler)","id":9}}"#, nil),
      (#"[{"params":"\#(filler)","id":9}]"#, nil),
      (#"{"params":"\#(filler) \"id\":9}"}"#, nil),
      (filler, nil),
    ]
    for (line, id) in lines {
      for pieces in [1, 7, 4096, 20_000] {
        #expect(identifiers(line + "\n", pieces: pieces) == [id], "\(line.prefix(20)), \(pieces)")
        #expect(identifiers(line, pieces: pieces) == [id], "\(line.prefix(20)), \(pieces), at the end")
      }
    }
  }

  @Test func `a long line is told as soon as its id is certain, and holds no memory`() {
    var framer = LineFramer(maximumLength: 10)
    framer.append(ByteBuffer(string: #"{"id":5,"params":"#))
    #expect(framer.next() == .tooLong(id: RequestID(5)))
    for _ in 0..<100 {
      framer.append(ByteBuffer(repeating: UInt8(ascii: "x"), count: 1000))
      #expect(framer.next() == nil)
      #expect(framer.bufferedBytes == 0)
    }
    framer.append(ByteBuffer(string: "\nok\n"))
    #expect(framer.next() == .line(ByteBuffer(string: "ok")))
    #expect(framer.next() == nil)
    #expect(framer.finish() == nil)
  }

  @Test func `a long line that is no request is told before it ends`() {
    for beginning in ["xxxxxxxxxxxx", #"  [{"params":"#, "            "] {
      var framer = LineFramer(maximumLength: 10)
      framer.append(ByteBuffer(string: beginning))
      #expect(framer.next() == .tooLong(id: nil), "\(beginning)")
      framer.append(ByteBuffer(string: "more\nok\n"))
      #expect(framer.next() == .line(ByteBuffer(string: "ok")))
    }
  }

  @Test func `a line taken earlier stays as it was when more is appended`() {
    var framer = LineFramer(maximumLength: 10)
    framer.append(ByteBuffer(string: "one\ntw"))
    let first = framer.next()
    framer.append(ByteBuffer(string: "o\nthree\n"))
    #expect(framer.next() == .line(ByteBuffer(string: "two")))
    #expect(first == .line(ByteBuffer(string: "one")))
    #expect(framer.next() == .line(ByteBuffer(string: "three")))
  }
}
