import NIOCore
import NIOHTTP1

/// Looks at the first byte of a connection over HTTP: lines of JSON-RPC begin with one that no request begins with.
/// Before the decoder.
final class HTTPBytes: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let connection: Connection
  private var isFirst = true
  private var isOfLines = false

  init(_ connection: Connection) {
    self.connection = connection
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    connection.requestBytesRead(bytes.readableBytes)
    if isFirst, let first = bytes.readableBytesView.first {
      isFirst = false
      isOfLines = first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
      if isOfLines { connection.readLines() }
    }
    if !isOfLines { context.fireChannelRead(wrapInboundOut(bytes)) }
  }
}

/// Hands what the decoder tells to the connection. Behind the decoder.
final class HTTPParts: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart

  private let connection: Connection

  init(_ connection: Connection) {
    self.connection = connection
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.read(unwrapInboundIn(data))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
    connection.readNoHTTP(Self.sentence(error))
  }

  private static func sentence(_ error: HTTPParserError) -> String {
    switch error {
    case .invalidVersion: "A request line ends with HTTP/1.1 and CR LF; no other version is spoken here."
    case .headerOverflow:
      "A request may have at most \(limits.maxHeaderFieldCount) headers of \(limits.maxHeaderListSize) bytes in all."
    case .invalidEOFState: "The request ends before it is whole."
    case .invalidContentLength, .unexpectedContentLength:
      "Content-Length must be one number, without Transfer-Encoding."
    default: "This is no request of HTTP/1.1 (RFC 9112): \(error)."
    }
  }

  /// How long the head of a request may be.
  static let limits: NIOHTTPDecoderLimitConfiguration = {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = 24 << 10
    limits.maxHeaderListSize = 32 << 10
    limits.maxHeaderFieldCount = 100
    return limits
  }()
}

@available(*, unavailable)
extension HTTPBytes: Sendable {}

@available(*, unavailable)
extension HTTPParts: Sendable {}
