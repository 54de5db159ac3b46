import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#endif

/// A connection that carries prepared lines and only counts the answers: what a load generator needs.
///
/// Answers to commands come in the order of the commands, so a generator that sends nothing else may take the n-th
/// answer for the n-th command.
public final class RawConnection: Sendable {
  /// How many answers came in one read, and how many of them were errors.
  public struct Arrival: Sendable {
    /// Answers, one a line.
    public let answers: Int
    /// Those among them that are errors.
    public let errors: Int
  }

  private let channel: any Channel

  private init(channel: any Channel) {
    self.channel = channel
  }

  /// Connects; `onAnswers` is called on the connection's event loop for every read that completes lines, and must be
  /// short. `onError` gets the first line of a read that is an error, to be shown; `onClose` is called once.
  /// - Throws: ``ClientError/unreachable(_:)``.
  public static func connect(
    to endpoint: Endpoint, certificateAuthorities: String? = nil,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
    onAnswers: @escaping @Sendable (Arrival) -> Void,
    onError: @escaping @Sendable (String) -> Void = { _ in },
    onClose: @escaping @Sendable () -> Void = {}
  ) async throws -> RawConnection {
    let channel = try await Connector.connect(
      to: endpoint, certificateAuthorities: certificateAuthorities, group: group
    ) { channel in
      let counter = AnswerCounter(onAnswers: onAnswers, onError: onError, onClose: onClose)
      try channel.pipeline.syncOperations.addHandler(counter)
    }
    return RawConnection(channel: channel)
  }

  /// The loop on which answers arrive. Lines sent from it go out without a hop.
  public var eventLoop: any EventLoop { channel.eventLoop }

  /// Sends one or more whole lines, each with its `\n`.
  public func send(_ lines: ByteBuffer) {
    channel.writeAndFlush(lines, promise: nil)
  }

  /// Closes the connection.
  public func close() async throws {
    do {
      try await channel.close().get()
    } catch ChannelError.alreadyClosed {
      // What the caller wanted is so already.
    }
  }
}

/// Counts lines without making anything of them. An answer that is an error begins
/// with `{"e`, as the writer of answers sorts its keys.
private final class AnswerCounter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let onAnswers: @Sendable (RawConnection.Arrival) -> Void
  private let onError: @Sendable (String) -> Void
  private let onClose: @Sendable () -> Void
  /// The start of the line that the last read left incomplete.
  private var partial = ByteBuffer()

  init(
    onAnswers: @escaping @Sendable (RawConnection.Arrival) -> Void, onError: @escaping @Sendable (String) -> Void,
    onClose: @escaping @Sendable () -> Void
  ) {
    self.onAnswers = onAnswers
    self.onError = onError
    self.onClose = onClose
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    if partial.readableBytes > 0 {
      partial.writeBuffer(&buffer)
      swap(&partial, &buffer)
      partial.clear()
    }
    var answers = 0
    var errors = 0
    var firstError: String?
    let consumed = buffer.withUnsafeReadableBytes { bytes -> Int in
      guard let start = bytes.baseAddress else { return 0 }
      var offset = 0
      while offset < bytes.count, let newline = memchr(start + offset, 0x0A, bytes.count - offset) {
        let end = UnsafeRawPointer(newline) - start
        answers += 1
        if end - offset > 2, bytes[offset + 2] == UInt8(ascii: "e") {
          errors += 1
          if firstError == nil {
            firstError = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), as: UTF8.self)
          }
        }
        offset = end + 1
      }
      return offset
    }
    buffer.moveReaderIndex(forwardBy: consumed)
    if buffer.readableBytes > 0 { partial.writeBuffer(&buffer) }
    if let firstError { onError(firstError) }
    if answers > 0 { onAnswers(RawConnection.Arrival(answers: answers, errors: errors)) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    onClose()
    context.fireChannelInactive()
  }
}
