#if canImport(Glibc)
  import Glibc
#endif

/// Reads the whole log by `log.read`, page after page, two of them on the way, and counts what comes.
struct LogExport {
  let address: SocketAddress
  /// Events that one request asks for.
  let page: Int
  /// The last position to read.
  let head: Int

  /// What was read.
  struct Outcome {
    let events: Int
    let bytes: Int
    let seconds: Double
  }

  private struct Range {
    var from: Int
    let through: Int
  }

  /// - Throws: ``BenchFailure`` where a page is an error or leaves something out.
  func run() throws(BenchFailure) -> Outcome {
    let descriptor = try address.connect()
    defer { close(descriptor) }
    var reader = AnswerReader(descriptor: descriptor)
    let start = Clock.now
    var asked: [Int: Range] = [:]
    var next = 1
    var number = 0
    var events = 0
    func request(_ range: Range) throws(BenchFailure) {
      number += 1
      asked[number] = range
      let params = #"{"from":\#(range.from),"limit":\#(range.through - range.from + 1)}"#
      let line = #"{"jsonrpc":"2.0","id":\#(number),"method":"log.read","params":\#(params)}"# + "\n"
      try LineSocket.write(Array(line.utf8), to: descriptor)
    }
    while next <= head || !asked.isEmpty {
      while asked.count < 2, next <= head {
        let range = Range(from: next, through: min(head, next + page - 1))
        next = range.through + 1
        try request(range)
      }
      let beginning = try reader.next()
      guard let id = Self.integer(after: "\"id\":", in: beginning),
        let reached = Self.integer(after: "\"next\":", in: beginning),
        var range = asked.removeValue(forKey: id), reached > range.from, reached <= range.through + 1
      else { throw BenchFailure("log.read answered \(beginning)") }
      events += reached - range.from
      range.from = reached
      // A page holds a bounded number of bytes; what it left is asked for again.
      if range.from <= range.through { try request(range) }
    }
    return Outcome(events: events, bytes: reader.bytes, seconds: Clock.now - start)
  }

  private static func integer(after name: String, in text: String) -> Int? {
    let bytes = Array(text.utf8)
    let wanted = Array(name.utf8)
    var start = 0
    while start + wanted.count < bytes.count {
      if bytes[start..<start + wanted.count].elementsEqual(wanted) {
        return Int(
          String(decoding: bytes[(start + wanted.count)...].prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
      }
      start += 1
    }
    return nil
  }
}

/// Reads answers and keeps only how each begins.
private struct AnswerReader {
  let descriptor: CInt
  private(set) var bytes = 0
  private var input = [UInt8](repeating: 0, count: 1 << 20)
  private var offset = 0
  private var count = 0

  init(descriptor: CInt) {
    self.descriptor = descriptor
  }

  /// The first bytes of the next answer, which is read to its end.
  mutating func next() throws(BenchFailure) -> String {
    var beginning: [UInt8] = []
    while true {
      if offset == count {
        count = recv(descriptor, &input, input.count, 0)
        offset = 0
        guard count > 0 else { throw .system("can't read from the server") }
        bytes += count
      }
      let end = input.withUnsafeBytes { buffer -> Int? in
        guard let base = buffer.baseAddress, let newline = memchr(base + offset, 0x0A, count - offset) else {
          return nil
        }
        return UnsafeRawPointer(newline) - base
      }
      if beginning.count < 300 { beginning += input[offset..<min(end ?? count, offset + 300 - beginning.count)] }
      offset = end.map { $0 + 1 } ?? count
      if end != nil { return String(decoding: beginning, as: UTF8.self) }
    }
  }
}
