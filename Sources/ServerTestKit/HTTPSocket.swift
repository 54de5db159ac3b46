import CanonicalJSON
import NIOCore
import NIOPosix
import Testing

/// An answer over HTTP, as it came.
package struct HTTPReply: Sendable {
  package let status: Int
  package let headers: [(name: String, value: String)]
  package let body: [UInt8]

  /// The value of a header that came once.
  package subscript(name: String) -> String? {
    let found = headers.filter { $0.name.lowercased() == name.lowercased() }
    return found.count == 1 ? found[0].value : nil
  }

  /// The body as text.
  package var text: String { String(decoding: body, as: UTF8.self) }

  /// The body as JSON.
  package func json() throws -> JSON { try JSON.parse(body) }
}

/// Bytes over a socket to a server of HTTP: what is sent is what the test says, answers are taken apart.
package actor HTTPSocket {
  private let channel: any Channel
  private let chunks: AsyncStream<ByteBuffer>
  private var buffer = ByteBuffer()
  private var isAtEnd = false

  private init(channel: any Channel, chunks: AsyncStream<ByteBuffer>) {
    self.channel = channel
    self.chunks = chunks
  }

  package static func connect(port: Int) async throws -> HTTPSocket {
    let (stream, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Collector(continuation))
        }
      }
      .connect(host: "127.0.0.1", port: port).get()
    return HTTPSocket(channel: channel, chunks: stream)
  }

  /// Sends bytes as they are. That the server has closed is no error: what it said is still read.
  package func send(_ bytes: [UInt8]) async {
    try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
  }

  package func send(_ text: String) async { await send(Array(text.utf8)) }

  /// Sends nothing more, and still reads.
  package func finish() async throws { try await channel.close(mode: .output).get() }

  package func close() async { try? await channel.close().get() }

  /// The next answer; nil where the server closes without one.
  package func reply(toHead isHead: Bool = false) async throws -> HTTPReply? {
    guard let head = await text(through: "\r\n\r\n") else { return nil }
    let lines = head.split(separator: "\r\n").map(String.init)
    let words = lines[0].split(separator: " ", maxSplits: 2)
    let status = try #require(words.count >= 2 ? Int(words[1]) : nil, "\(lines[0])")
    let headers = lines.dropFirst().map { line -> (name: String, value: String) in
      let halves = line.split(separator: ":", maxSplits: 1)
      return (String(halves[0]), halves.count == 2 ? String(halves[1].drop { $0 == " " }) : "")
    }
    let length = headers.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
    let body = isHead ? [] : try #require(await bytes(length), "the answer is cut off")
    return HTTPReply(status: status, headers: headers, body: body)
  }

  /// Sends a request and reads its answer.
  package func ask(_ request: [UInt8]) async throws -> HTTPReply {
    await send(request)
    return try #require(try await reply(), "the server closed without an answer")
  }

  /// What comes up to some text, with it; nil where the server closes before.
  package func text(through end: String) async -> String? {
    let end = Array(end.utf8)
    while true {
      let view = buffer.readableBytesView
      if let range = view.firstRange(of: end) {
        return buffer.readString(length: range.upperBound - view.startIndex)
      }
      guard await readMore() else { return nil }
    }
  }

  /// Everything until the server closes.
  package func rest() async -> String {
    while await readMore() {}
    return buffer.readString(length: buffer.readableBytes) ?? ""
  }

  private func bytes(_ count: Int) async -> [UInt8]? {
    while buffer.readableBytes < count {
      guard await readMore() else { return nil }
    }
    return buffer.readBytes(length: count)
  }

  private func readMore() async -> Bool {
    guard !isAtEnd else { return false }
    for await var chunk in chunks {
      buffer.writeBuffer(&chunk)
      return true
    }
    isAtEnd = true
    return false
  }

  /// The bytes of a request.
  package static func request(
    _ method: String, _ path: String, key: String? = nil, headers: [String] = [], body: [UInt8]? = nil,
    type: String = "application/json"
  ) -> [UInt8] {
    var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
    if let key { head += "Authorization: Bearer \(key)\r\n" }
    for header in headers { head += header + "\r\n" }
    if let body { head += "Content-Type: \(type)\r\nContent-Length: \(body.count)\r\n" }
    return Array((head + "\r\n").utf8) + (body ?? [])
  }
}

private final class Collector: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let continuation: AsyncStream<ByteBuffer>.Continuation

  init(_ continuation: AsyncStream<ByteBuffer>.Continuation) {
    self.continuation = continuation
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { continuation.finish() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    continuation.finish()
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
}
