import Access
import Domain
import Logging
import NIOCore
import Protocol
import Refusals

/// One client's connection: bytes to lines to calls, and answers back.
///
/// A handler on the connection's event loop rather than an async sequence: answers come from the log's writer in bursts, and a
/// handler puts each burst on the wire with one wake-up and no task per line, while holding `read` back is all the backpressure that it
/// takes: nothing is read while ``ServerConfiguration/maximumInFlight`` calls are unanswered or the client doesn't take its answers.
// Invariant behind @unchecked: `outbox` and `commands` can be used from any thread; every other member is touched on `eventLoop` only.
final class Connection: ChannelDuplexHandler, @unchecked Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// A call that is parsed and not begun.
  struct Entry {
    let call: Call
    let reply: Reply.Target
  }

  /// How many queries of one connection run at once; more wait their turn.
  static let maximumQueries = 32
  /// How many bytes the socket may hold unsent before answers are kept back.
  static let writeWatermarks = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 512 << 10)

  let services: Services
  let peer: Peer
  let eventLoop: any EventLoop
  let commands = CommandTracker()
  private(set) var outbox: Outbox

  var session: Session
  /// Commands given a place in the order of this connection so far.
  var commandsSent: UInt64 = 0
  /// Commands that wait for one before them to be prepared in the background.
  var heldCommands = CircularBuffer<HeldCommand>()
  var isPreparing = false
  var heldQueries = CircularBuffer<HeldQuery>()
  var tasks: [UInt64: Task<Void, Never>] = [:]
  var runningQueries = 0
  var subscriptions: [Int64: Task<Void, Never>] = [:]
  var signIn: Task<Void, Never>?
  var nextTask: UInt64 = 0
  var nextSubscription: Int64 = 0

  private var context: ChannelHandlerContext?
  private var framer: LineFramer
  private var waiting = CircularBuffer<Entry>()
  private var inFlight = 0
  private var spare: [UInt8] = []
  /// Whether a sign-in is under way, which decides what the calls behind it may do.
  private var isSigningIn = false
  private var holdsRead = false
  private var isInputClosed = false
  private var isStopping = false
  private var isEnding = false
  private var isRegistered = false
  private var hasCalled = false

  init(services: Services, peer: Peer, eventLoop: any EventLoop) {
    self.services = services
    self.peer = peer
    self.eventLoop = eventLoop
    session = peer.principal.map(Session.own) ?? .none
    framer = LineFramer(maximumLength: services.configuration.maximumLine)
    outbox = Outbox(eventLoop: eventLoop) {}
    outbox = Outbox(eventLoop: eventLoop) { [weak self] in self?.flush() }
  }

  // MARK: Beginning and end

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard !isRegistered, !isEnding else { return }
    guard services.connections.add(self) else {
      services.metrics.connectionRefused()
      refuse(.overloaded(retryAfterMilliseconds: 1000))
      return
    }
    isRegistered = true
    services.metrics.connectionOpened()
    if let refusal = peer.refusal {
      services.logger.warning("connection refused", metadata: ["peer": "\(peer.source)"])
      refuse(refusal)
    } else if peer.principal == nil {
      watchStranger()
    }
  }

  /// Answers one error and closes.
  private func refuse(_ error: Refusal) {
    guard let context else { return }
    isEnding = true
    var line: [UInt8] = []
    MessageWriter.writeError(error, id: .null, into: &line)
    line.append(UInt8(ascii: "\n"))
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: line))).assumeIsolated().whenComplete { _ in
      self.context?.close(promise: nil)
    }
  }

  /// Closes the connection of somebody who neither signs in nor asks anything for a while.
  private func watchStranger() {
    hasCalled = false
    let patience = services.configuration.strangerTimeout
    eventLoop.assumeIsolated().scheduleTask(in: patience) { [weak self] in
      guard let self, self.context != nil, self.session.principal == nil else { return }
      if self.hasCalled { self.watchStranger() } else { self.context?.close(promise: nil) }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end()
    self.context = nil
  }

  private func end() {
    isEnding = true
    outbox.close()
    signIn?.cancel()
    for task in tasks.values { task.cancel() }
    for task in subscriptions.values { task.cancel() }
    waiting.removeAll()
    framer.discard()
    guard isRegistered else { return }
    isRegistered = false
    services.connections.remove(self)
    services.metrics.connectionClosed()
  }

  /// Begins nothing more, answers what was taken in, then closes.
  func stop() {
    eventLoop.execute {
      guard self.context != nil, !self.isStopping else { return }
      self.isStopping = true
      self.framer.discard()
      // Who guesses must not hold the stop up by the wait that earned.
      self.signIn?.cancel()
      for task in self.subscriptions.values { task.cancel() }
      self.pump()
    }
  }

  /// Closes at once, whatever is unanswered.
  func abort() {
    eventLoop.execute { self.context?.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    services.logger.debug(
      "connection failed", metadata: ["peer": "\(peer.source)", "error": "\(type(of: error))"])
    context.close(promise: nil)
  }

  // MARK: Bytes in

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    services.metrics.read(bytes: bytes.readableBytes)
    guard !isStopping, !isEnding else { return }
    framer.append(bytes)
    pump()
  }

  func read(context: ChannelHandlerContext) {
    if mayRead { context.read() } else { holdsRead = true }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent {
      isInputClosed = true
      pump()
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    outbox.update(isChannelWritable: context.channel.isWritable)
    pump()
    context.fireChannelWritabilityChanged()
  }

  /// Whether one more call may be begun.
  private var mayBegin: Bool {
    !isEnding && !isSigningIn && inFlight < services.configuration.maximumInFlight && outbox.hasRoom
  }

  /// Whether more bytes are wanted. While the connection ends they are read past, to see its other end close.
  private var mayRead: Bool {
    isStopping || isEnding || (mayBegin && waiting.isEmpty)
  }

  /// Begins as many calls as may be, then reads on or closes, as it comes out.
  func pump() {
    while mayBegin {
      if let entry = waiting.popFirst() {
        inFlight += 1
        begin(entry)
      } else if let frame = framer.next() ?? (isInputClosed ? framer.finish() : nil) {
        take(frame)
      } else {
        break
      }
    }
    if holdsRead, mayRead, let context {
      holdsRead = false
      context.read()
    }
    endIfDone()
  }

  private func take(_ frame: LineFramer.Frame) {
    hasCalled = true
    switch frame {
    case .tooLong:
      let limit = framer.maximumLength
      let error = Refusal.tooLarge(limit: Int64(limit), "A line may have at most \(limit) bytes.")
      waiting.append(Entry(call: .refused(id: .null, error), reply: .line(.null)))
    case .line(let line):
      switch ClientMessage(line: line) {
      case .single(let call):
        waiting.append(Entry(call: call, reply: call.id.map(Reply.Target.line) ?? .nothing))
      case .batch(let calls):
        let answered = calls.count { $0.id != nil }
        let batch = BatchReply(count: answered)
        var index = 0
        for call in calls {
          guard let id = call.id else {
            waiting.append(Entry(call: call, reply: .nothing))
            continue
          }
          waiting.append(Entry(call: call, reply: .part(batch, index: index, id)))
          index += 1
        }
      }
    }
  }

  private func begin(_ entry: Entry) {
    let reply = Reply(target: entry.reply, outbox: outbox, metrics: services.metrics)
    switch entry.call {
    case .refused(_, let error): fail(reply, error, kind: .server)
    case .request(let request): route(request, reply)
    }
  }

  // MARK: Bytes out

  /// Writes what the outbox holds.
  private func flush() {
    let (bytes, answered) = outbox.take(replacingWith: spare)
    inFlight -= answered
    spare = []
    if !bytes.isEmpty, let context, !isEnding {
      var buffer = context.channel.allocator.buffer(capacity: bytes.count)
      buffer.writeBytes(bytes)
      services.metrics.wrote(bytes: bytes.count)
      context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
      // A large store isn't kept for a connection that once got a large answer.
      if bytes.capacity <= 256 << 10 {
        spare = bytes
        spare.removeAll(keepingCapacity: true)
      }
    }
    outbox.update(isChannelWritable: context?.channel.isWritable ?? false)
    pump()
  }

  /// Closes once nothing is left to answer, if the client or the server wants an end.
  private func endIfDone() {
    guard isStopping || isInputClosed, !isEnding, inFlight == 0, waiting.isEmpty, outbox.isEmpty, let context else {
      return
    }
    // A client that sends nothing more may still want what it subscribed to.
    guard isStopping || subscriptions.isEmpty else { return }
    isEnding = true
    let last = context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated()
    guard isStopping, !isInputClosed else {
      last.whenComplete { _ in self.context?.close(promise: nil) }
      return
    }
    // Closing a socket with unread bytes resets it, and could cut off answers on their way: so first only our side is closed.
    last.whenComplete { _ in
      guard let context = self.context else { return }
      context.close(mode: .output, promise: nil)
      if self.holdsRead {
        self.holdsRead = false
        context.read()
      }
      self.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(300)) { self.context?.close(promise: nil) }
    }
  }

  // MARK: Signing in

  /// Holds back every call behind a sign-in.
  func beginSignIn() { isSigningIn = true }

  /// Goes on with the calls behind a sign-in.
  func endSignIn() {
    isSigningIn = false
    pump()
  }
}

extension Call {
  /// What the answer carries; nil where there is none.
  var id: RequestID? {
    switch self {
    case .request(let request): request.id
    case .refused(let id, _): id
    }
  }
}
