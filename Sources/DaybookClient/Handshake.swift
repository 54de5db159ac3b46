import NIOConcurrencyHelpers
import NIOCore
import NIOTLS

/// Whether a connection's TLS handshake came to its end, for the task that makes the connection.
final class Handshake: Sendable {
  private let future = NIOLockedValueBox<EventLoopFuture<Void>?>(nil)

  /// The handler that watches the handshake of one channel.
  func watch(on loop: any EventLoop, for patience: TimeAmount) -> HandshakeWatch {
    let promise = loop.makePromise(of: Void.self)
    future.withLockedValue { $0 = promise.futureResult }
    let timeout = loop.scheduleTask(in: patience) {
      promise.fail(ChannelError.connectTimeout(patience))
    }
    promise.futureResult.whenComplete { _ in timeout.cancel() }
    return HandshakeWatch(promise)
  }

  /// Waits for it.
  /// - Throws: What the handshake failed with.
  func finished() async throws {
    try await future.withLockedValue { $0 }?.get()
  }
}

/// Tells when a handshake is over, or what ended it. Confined to its event loop.
final class HandshakeWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let promise: EventLoopPromise<Void>

  init(_ promise: EventLoopPromise<Void>) { self.promise = promise }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted = event as? TLSUserEvent { promise.succeed() }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise.fail(error)
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    promise.fail(ChannelError.eof)
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}
