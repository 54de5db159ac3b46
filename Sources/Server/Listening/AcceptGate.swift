import NIOCore

/// Keeps a listener from having more sockets than it has descriptors for: what comes beyond waits in the system's
/// backlog. So a flood of connections never takes the descriptors of the log, its signed head and PostgreSQL.
///
/// On the listener's event loop only.
final class AcceptGate: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never

  private let limit: Int
  private var open = 0
  private var isReadHeld = false
  private var context: ChannelHandlerContext?

  /// - Parameter limit: How many sockets may be open that were accepted here.
  init(limit: Int) {
    self.limit = limit
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func read(context: ChannelHandlerContext) {
    if open < limit { context.read() } else { isReadHeld = true }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let accepted = unwrapInboundIn(data)
    open += 1
    accepted.closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in self.closed() }
    context.fireChannelRead(data)
  }

  private func closed() {
    open -= 1
    guard isReadHeld, open < limit else { return }
    isReadHeld = false
    context?.read()
  }
}

@available(*, unavailable)
extension AcceptGate: Sendable {}
