import DaybookClient
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestBasics
import Testing

/// A listening socket that answers as a test says: for what no real server does, such as to break the protocol.
final class ScriptedServer: Sendable {
  /// What is done with a line: bytes that are sent, or the end of the connection.
  enum Move: Sendable {
    case send(String)
    case close
  }

  private let channel: any Channel
  let endpoint: Endpoint

  /// Listens while the body runs; `answer` is asked for each line, in their order.
  static func with(
    _ answer: @escaping @Sendable (String) -> [Move], _ body: (ScriptedServer) async throws -> Void
  ) async throws {
    try await TemporaryFolder.with { folder in
      let path = folder.path + "/s.sock"
      let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(LineAnswerer(answer))
          }
        }
        .bind(unixDomainSocketPath: path).get()
      let server = ScriptedServer(channel, .unix(path))
      try await closing({ try await body(server) }, { try await channel.close().get() })
    }
  }

  private init(_ channel: any Channel, _ endpoint: Endpoint) {
    self.channel = channel
    self.endpoint = endpoint
  }
}

private final class LineAnswerer: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let answer: @Sendable (String) -> [ScriptedServer.Move]
  private var buffer = ByteBuffer()

  init(_ answer: @escaping @Sendable (String) -> [ScriptedServer.Move]) { self.answer = answer }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    buffer.writeBuffer(&bytes)
    while let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
      let line = buffer.readString(length: end - buffer.readerIndex) ?? ""
      buffer.moveReaderIndex(forwardBy: 1)
      for move in answer(line) {
        switch move {
        case .send(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        case .close: context.close(promise: nil)
        }
      }
    }
  }
}
