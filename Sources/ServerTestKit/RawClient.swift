import CanonicalJSON
import DaybookClient
import NIOCore
import NIOPosix
import Testing

/// Lines over a socket, without any help: what is sent is what the test says, and it is read only when the test asks.
package final class RawClient: Sendable {
  private let channel: any Channel
  private let lines: AsyncStream<String>

  private init(channel: any Channel, lines: AsyncStream<String>) {
    self.channel = channel
    self.lines = lines
  }

  package static func connect(to endpoint: Endpoint, isReading: Bool = true) async throws -> RawClient {
    let (stream, continuation) = AsyncStream.makeStream(of: String.self)
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.autoRead, value: isReading)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(LineCollector(continuation))
        }
      }
    let channel =
      switch endpoint {
      case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
      case .tcp(let host, let port), .tls(let host, let port): try await bootstrap.connect(host: host, port: port).get()
      }
    return RawClient(channel: channel, lines: stream)
  }

  /// Sends bytes as they are.
  package func send(_ text: String) async throws {
    try await channel.writeAndFlush(ByteBuffer(string: text)).get()
  }

  package func send(bytes: [UInt8]) async throws {
    try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
  }

  /// Puts bytes on their way without waiting until the system takes them.
  package func push(_ text: String) {
    channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
  }

  /// Whether the system has taken what was pushed, but for a little.
  package var isWritable: Bool { channel.isWritable }

  /// Sends nothing more, and still reads.
  package func finish() async throws {
    try await channel.close(mode: .output).get()
  }

  package func startReading() async throws {
    try await channel.setOption(.autoRead, value: true).get()
  }

  /// So many lines, fewer only where the server closes.
  package func read(_ count: Int) async throws -> [JSON] {
    var found: [JSON] = []
    for await line in lines {
      found.append(try JSON.parse(line))
      if found.count == count { break }
    }
    return found
  }

  /// The next line.
  package func next() async throws -> JSON {
    let lines = try await read(1)
    return try #require(lines.first, "the server closed the connection")
  }

  /// Every line until the server closes.
  package func rest() async throws -> [JSON] {
    try await read(.max)
  }

  /// Sends one line and reads one.
  package func ask(_ line: String) async throws -> JSON {
    try await send(line + "\n")
    return try await next()
  }

  package func close() async throws {
    do { try await channel.close().get() } catch ChannelError.alreadyClosed {}
  }
}

private final class LineCollector: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private var buffer = ByteBuffer()
  private let continuation: AsyncStream<String>.Continuation

  init(_ continuation: AsyncStream<String>.Continuation) {
    self.continuation = continuation
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    buffer.writeBuffer(&bytes)
    while let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
      let length = end - buffer.readerIndex
      if let line = buffer.readString(length: length) { continuation.yield(line) }
      buffer.moveReaderIndex(forwardBy: 1)
    }
    buffer.discardReadBytes()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { continuation.finish() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    continuation.finish()
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    continuation.finish()
  }
}
