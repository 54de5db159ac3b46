import BasicTypes
import Files
import NIOCore
import NIOHTTP1
import NIOPosix

/// A witness on HTTP: `POST /add-checkpoint`, as C2SP `tlog-witness` says.
public struct WitnessListener: Sendable {
  private let channel: any Channel

  /// Listens.
  /// - Throws: Where the address can't be had.
  public static func open(
    _ witness: Witness, host: String, port: Int, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws -> WitnessListener {
    let channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 64)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
          try channel.pipeline.syncOperations.addHandler(IdleStateHandler(allTimeout: .seconds(30)))
          try channel.pipeline.syncOperations.addHandler(WitnessHandler(witness))
        }
      }
      .bind(host: host, port: port).get()
    return WitnessListener(channel: channel)
  }

  /// Where it listens, `http://host:port`.
  public var url: String {
    let address = channel.localAddress
    let host = address?.ipAddress ?? "localhost"
    return "http://\(host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host):\(address?.port ?? 0)"
  }

  /// Waits until it is closed.
  public func closed() async throws { try await channel.closeFuture.get() }

  /// Stops listening.
  public func close() async throws { try await channel.close() }
}

/// One connection.
private final class WitnessHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let witness: Witness
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []

  init(_ witness: Witness) { self.witness = witness }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
    case .body(var buffer):
      // What is longer than any request is counted and not kept.
      guard body.count <= WitnessRequest.maximumBytes else { return }
      body += buffer.readBytes(length: buffer.readableBytes) ?? []
    case .end: respond(context)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is IdleStateHandler.IdleStateEvent {
      context.close(promise: nil)
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func respond(_ context: ChannelHandlerContext) {
    guard let head else { return context.close(promise: nil) }
    self.head = nil
    let (status, type, text) = answer(head)
    let bytes = Array(text.utf8)
    var response = HTTPResponseHead(version: head.version, status: HTTPResponseStatus(statusCode: status))
    response.headers.add(name: "content-type", value: type)
    response.headers.add(name: "content-length", value: "\(bytes.count)")
    if !head.isKeepAlive { response.headers.add(name: "connection", value: "close") }
    context.write(wrapOutboundOut(.head(response)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
    let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
    if !head.isKeepAlive {
      let channel = context.channel
      written.whenComplete { _ in channel.close(promise: nil) }
    }
  }

  private func answer(_ head: HTTPRequestHead) -> (status: Int, type: String, text: String) {
    let plain = "text/plain; charset=utf-8"
    guard head.uri.split(separator: "?").first == "/add-checkpoint" else {
      return (404, plain, "There is POST /add-checkpoint.\n")
    }
    guard head.method == .POST else { return (405, plain, "add-checkpoint is a POST.\n") }
    guard body.count <= WitnessRequest.maximumBytes else {
      return (413, plain, "A request has at most \(WitnessRequest.maximumBytes) bytes.\n")
    }
    do {
      let answer = try witness.answer(body)
      return (answer.status, answer.contentType, answer.body)
    } catch {
      // Of its own files: nothing was cosigned, and whoever asks can do nothing about it.
      return (500, plain, "This witness can't keep what it cosigns now; ask again later.\n")
    }
  }
}
