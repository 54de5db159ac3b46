#if canImport(Glibc)
  import Glibc
#endif

/// How much load, and how it comes.
struct LoadShape {
  /// When it ends.
  enum Extent {
    case seconds(Double)
    case requests(Int)
    /// So many by each connection.
    case requestsEach(Int)
  }

  /// Connections at once.
  let connections: Int
  /// Requests that each keeps unanswered.
  let depth: Int
  let extent: Extent
}

/// How a server answers.
enum AnswerForm {
  /// With a line of JSON-RPC.
  case line
  /// With the head of an answer over HTTP that has no body.
  case head
}

/// What came of a load.
struct LoadResult {
  /// Answers that came while it was measured.
  let answers: Int
  /// Seconds that was.
  let seconds: Double
  /// From a request's send to its answer, in microseconds, in no order.
  let latencies: [UInt32]
  /// The length of all requests, in bytes.
  let sentBytes: Int
  /// Requests sent, and so answered by its end.
  let requests: Int

  var rate: Double { Double(answers) / seconds }
  var bytesPerRequest: Double { requests == 0 ? 0 : Double(sentBytes) / Double(requests) }
}

/// Sends prepared lines over several connections from one thread and only counts
/// the answers, so that the server has the processors.
///
/// Commands of one connection are answered in their order; queries may not be, and their latencies are then those of a
/// line of waiting requests.
struct LoadGenerator {
  let address: SocketAddress
  /// A line that signs a connection in, where that is needed.
  let greeting: String?
  var form = AnswerForm.line

  /// Runs a load; every connection's lines come from its own source.
  /// - Parameter progress: Told every few seconds how many answers there are.
  /// - Throws: ``BenchFailure`` for the first answer that is an error, and where a
  ///   connection ends or is silent for a minute.
  func run<Source: LineSource>(
    _ shape: LoadShape, progress: (Int) -> Void = { _ in }, source: (Int) -> Source
  ) throws(BenchFailure) -> LoadResult {
    var lines: [Line<Source>] = []
    defer { for line in lines { close(line.descriptor) } }
    for index in 0..<shape.connections {
      let descriptor = try address.connect()
      lines.append(Line(descriptor: descriptor, form: form, source: source(index)))
      if let greeting { try lines[index].greet(greeting) }
    }
    var budget = Int.max
    var budgets = [Int](repeating: .max, count: shape.connections)
    var end = UInt64.max
    let start = Clock.nanoseconds
    switch shape.extent {
    case .seconds(let seconds): end = start + UInt64(seconds * 1e9)
    case .requests(let count): budget = count
    case .requestsEach(let count):
      budget = count * shape.connections
      budgets = [Int](repeating: count, count: shape.connections)
    }
    var interests = lines.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    var latencies: [UInt32] = []
    latencies.reserveCapacity(1 << 18)
    var waiting = 0
    var requests = 0
    for index in lines.indices {
      let count = min(shape.depth, budget - requests, budgets[index])
      budgets[index] -= count
      try lines[index].send(count, at: Clock.nanoseconds)
      requests += count
      waiting += count
    }
    var last = start
    var told = start
    while waiting > 0 {
      let ready = poll(&interests, nfds_t(interests.count), 60_000)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else { throw BenchFailure("no answer came for a minute; \(waiting) requests wait") }
      for index in lines.indices where interests[index].revents != 0 {
        let count = try lines[index].receive()
        let now = Clock.nanoseconds
        waiting -= count
        for _ in 0..<count {
          let latency = (now - lines[index].takeSendTime()) / 1000
          if now <= end { latencies.append(UInt32(clamping: latency)) }
        }
        if now <= end { last = now }
        if now - told > 5_000_000_000 {
          told = now
          progress(requests - waiting)
        }
        let more = now < end ? min(count, budget - requests, budgets[index]) : 0
        if more > 0 {
          budgets[index] -= more
          try lines[index].send(more, at: now)
          requests += more
          waiting += more
        }
      }
    }
    let seconds = Double((end == .max ? last : end) - start) / 1e9
    return LoadResult(
      answers: latencies.count, seconds: max(seconds, 1e-9), latencies: latencies,
      sentBytes: lines.reduce(0) { $0 + $1.sentBytes }, requests: requests)
  }
}

/// One connection of a load.
private struct Line<Source: LineSource> {
  let descriptor: CInt
  private let form: AnswerForm
  private var source: Source
  private var output: [UInt8] = []
  private var input = [UInt8](repeating: 0, count: 256 << 10)
  /// Send times of requests that wait, the first of them at `firstWaiting`.
  private var sendTimes: [UInt64] = []
  private var firstWaiting = 0
  /// Of the answer that the last read left incomplete the first bytes, or all of a head.
  private var prefix: [UInt8] = []
  private(set) var sentBytes = 0

  init(descriptor: CInt, form: AnswerForm, source: Source) {
    self.descriptor = descriptor
    self.form = form
    self.source = source
  }

  mutating func send(_ count: Int, at now: UInt64) throws(BenchFailure) {
    output.removeAll(keepingCapacity: true)
    for _ in 0..<count {
      source.writeLine(into: &output)
      sendTimes.append(now)
    }
    sentBytes += output.count
    try LineSocket.write(output, to: descriptor)
  }

  mutating func takeSendTime() -> UInt64 {
    defer {
      firstWaiting += 1
      if firstWaiting > 4096 {
        sendTimes.removeFirst(firstWaiting)
        firstWaiting = 0
      }
    }
    return sendTimes[firstWaiting]
  }

  /// Reads what is there, and counts the answers that it completes.
  mutating func receive() throws(BenchFailure) -> Int {
    let count = recv(descriptor, &input, input.count, CInt(MSG_DONTWAIT))
    if count < 0, errno == EAGAIN || errno == EINTR { return 0 }
    guard count > 0 else { throw BenchFailure("the server closed a connection") }
    return switch form {
    case .line: try countLines(count)
    case .head: try countHeads(count)
    }
  }

  private mutating func countLines(_ count: Int) throws(BenchFailure) -> Int {
    var answers = 0
    var offset = 0
    while offset < count {
      // An answer that is an error begins with {"e, as the server sorts its keys.
      while prefix.count < 3, offset < count, input[offset] != 0x0A {
        prefix.append(input[offset])
        offset += 1
      }
      if prefix.count > 2, prefix[2] == UInt8(ascii: "e") { throw error(from: offset, to: count) }
      let next = input.withUnsafeBytes { bytes -> Int? in
        guard offset < count, let base = bytes.baseAddress, let newline = memchr(base + offset, 0x0A, count - offset)
        else {
          return nil
        }
        return UnsafeRawPointer(newline) - base
      }
      guard let next else { return answers }
      answers += 1
      offset = next + 1
      prefix.removeAll(keepingCapacity: true)
    }
    return answers
  }

  /// 201 and 204 have no body, so the next answer begins behind the head's empty line.
  private mutating func countHeads(_ count: Int) throws(BenchFailure) -> Int {
    var answers = 0
    for byte in input[..<count] {
      prefix.append(byte)
      guard byte == 0x0A, prefix.count > 4, prefix[prefix.count - 3] == 0x0A else { continue }
      guard prefix.starts(with: "HTTP/1.1 201 ".utf8) || prefix.starts(with: "HTTP/1.1 204 ".utf8) else {
        throw BenchFailure("the server answered \(String(decoding: input[..<count], as: UTF8.self))")
      }
      answers += 1
      prefix.removeAll(keepingCapacity: true)
    }
    return answers
  }

  /// Signs in and waits for the answer.
  mutating func greet(_ line: String) throws(BenchFailure) {
    try LineSocket.write(Array(line.utf8), to: descriptor)
    while try receive() == 0 {
      var interest = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&interest, 1, 30_000) > 0 else { throw BenchFailure("signing in wasn't answered") }
    }
  }

  private func error(from offset: Int, to end: Int) -> BenchFailure {
    var text = prefix
    for byte in input[offset..<end] {
      if byte == 0x0A { break }
      text.append(byte)
    }
    return BenchFailure("the server answered an error: \(String(decoding: text, as: UTF8.self))")
  }
}

/// What load and export both do to a socket.
enum LineSocket {
  static func write(_ bytes: [UInt8], to descriptor: CInt) throws(BenchFailure) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .system("can't send to the server") }
      sent += count
    }
  }
}
