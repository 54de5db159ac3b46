import Access
import BasicTypes
import Domain
import Logging
import NIOCore
import Protocol
import Refusals

/// One client's connection: bytes to lines to calls, and answers back.
///
/// The shell around ``ConnectionMachine``: it tells the machine what the channel, the tasks and the log's writer
/// report, and carries out what the machine asks for. It decides nothing about the flow itself.
///
/// It is a handler on the connection's event loop, not an `NIOAsyncChannel`: answers come from the log's writer in
/// bursts, and a handler puts each burst on the wire with one wake-up and no task per line.
// Invariant behind @unchecked: `outbox` and `commands` can be used from any thread; every other member is touched on
// `eventLoop` only.
final class Connection: ChannelDuplexHandler, @unchecked Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  typealias Machine = ConnectionMachine<Entry, HeldCommand, HeldQuery>

  /// A call that is parsed and not begun.
  struct Entry {
    let call: Call
    let reply: Reply.Target
    /// Whether its parameters are too large to be checked on the event loop.
    var isLarge = false
    /// The memory of a long line or body, which all of its calls hold.
    var input: HeldInput?
  }

  /// Large answers are handed to the socket in pieces of so many bytes, so that it shows when one is taken.
  private static let piece = 256 << 10

  /// How many bytes the socket may hold unsent before answers are kept back.
  static let writeWatermarks = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 512 << 10)

  let services: Services
  let peer: Peer
  let eventLoop: any EventLoop
  let commands = CommandTracker()
  private(set) var outbox: Outbox

  var machine: Machine
  var session: Session {
    didSet {
      let isKnown = session.principal != nil
      let tenant = session.principal?.tenant
      guard isKnown != machine.isKnown || tenant != oldValue.principal?.tenant else { return }
      if isKnown != machine.isKnown { machine.identified(isKnown) }
      services.connections.identified(self, isKnown: isKnown, of: tenant)
    }
  }
  var tasks = ConnectionTasks()
  /// Commands given a place in the order of this connection so far.
  var commandsSent: UInt64 = 0
  /// On whose account commands are decided.
  var account: Identifier?

  var context: ChannelHandlerContext?
  var framer: LineFramer
  /// What it has of the memory of long lines and bodies.
  let memory: InputMemory
  /// Whether bytes that aren't taken apart are counted there.
  private var isBuffering = false
  /// A line that waits until calls before it are answered.
  var parked: ByteBuffer?
  /// What is read, where the client speaks HTTP; nil where it sends lines.
  var http: HTTPState?
  /// Whether no line came yet.
  private var isFirstLine = true
  /// The time by which the client must have signed in.
  var deadline: Scheduled<Void>?
  /// Batches taken in so far.
  private var batches = 0
  /// Bytes of answers that the socket has and the system hasn't.
  private var unsent = 0
  /// When the system took some of them last, or they began to wait.
  private var lastTaken = ContinuousClock.now
  /// Bytes of answers held for batches.
  private var heldForBatches = 0
  /// Its large answers.
  private(set) lazy var large = LargeAnswers(memory: services.answers, outbox: outbox) { [services] in
    services.connections.closeStalled()
  }
  /// An empty store for the outbox, kept for its capacity.
  private var spare: [UInt8] = []

  init(services: Services, peer: Peer, eventLoop: any EventLoop, speaksHTTP: Bool = false) {
    self.services = services
    self.peer = peer
    self.eventLoop = eventLoop
    session = peer.principal.map(Session.own) ?? .none
    let limits = ConnectionLimits(services.configuration, isLocal: peer.principal != nil)
    machine = Machine(limits: limits, isKnown: peer.principal != nil)
    framer = LineFramer(maximumLength: machine.share.line)
    memory = InputMemory(of: services.bodies)
    http = speaksHTTP ? HTTPState() : nil
    outbox = Outbox(eventLoop: eventLoop) {}
    outbox = Outbox(eventLoop: eventLoop) { [weak self] in self?.flush() }
  }

  // MARK: What the channel reports

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { open() }
  }

  func channelActive(context: ChannelHandlerContext) {
    open()
    context.fireChannelActive()
  }

  func read(context: ChannelHandlerContext) {
    machine.readWanted()
    proceed()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    services.metrics.read(bytes: bytes.readableBytes)
    guard machine.bytesRead() else { return }
    framer.append(bytes)
    if http == nil, !buffered(framer.bufferedBytes) { refuseForMemory() }
    proceed()
  }

  /// Counts bytes that aren't taken apart yet. Answers whether there is memory for them.
  func buffered(_ bytes: Int) -> Bool {
    guard bytes > InputMemory.free || isBuffering else { return true }
    guard memory.buffer(bytes, for: session.principal?.tenant) else { return false }
    isBuffering = bytes > 0
    return true
  }

  /// No bytes wait to be taken apart.
  func bufferingEnded() { _ = buffered(0) }

  private func refuseForMemory() {
    take(.refused(id: .null, .overloaded(retryAfterMilliseconds: 1000)), isLarge: false, holding: nil)
    machine.stop()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent {
      machine.inputClosed()
      proceed()
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    outbox.update(isChannelWritable: context.channel.isWritable)
    tellRoom()
    proceed()
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    services.logger.debug(
      "connection failed", metadata: ["peer": "\(peer.source)", "error": "\(type(of: error))"])
    machine.close()
    proceed()
  }

  func channelInactive(context: ChannelHandlerContext) {
    machine.inactive()
    proceed()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    machine.inactive()
    proceed()
    self.context = nil
  }

  // MARK: What the server wants

  /// Begins nothing more, answers what was taken in, then closes.
  func stop() {
    eventLoop.execute {
      self.machine.stop()
      self.proceed()
    }
  }

  /// Closes at once, whatever is unanswered.
  func abort() {
    eventLoop.execute {
      self.machine.close()
      self.proceed()
    }
  }

  /// Closes a stranger's connection at once, whose place another has now.
  func expel() {
    eventLoop.execute {
      self.services.metrics.connectionRefused()
      self.cut()
    }
  }

  // MARK: Beginning

  private func open() {
    guard machine.phase == .opening else { return }
    if let refusal = peer.refusal {
      services.logger.warning("connection refused", metadata: ["peer": "\(peer.source)"])
      turnAway(refusal)
    } else if !services.connections.add(self) {
      services.metrics.connectionRefused()
      turnAway(.overloaded(retryAfterMilliseconds: 1000))
    } else {
      services.metrics.connectionOpened()
      machine.opened()
    }
    proceed()
  }

  /// Closes the socket without a word, also where TLS would still shake hands or say goodbye: a peer that does neither
  /// must not keep the descriptor.
  private func cut() {
    guard let context else { return }
    let innermost = try? context.pipeline.syncOperations.context(name: Listeners.tlsHandler)
    (innermost ?? context).close(promise: nil)
  }

  /// Answers one error, where that takes no handshake; the connection isn't taken.
  private func turnAway(_ refusal: Refusal) {
    guard (try? context?.pipeline.syncOperations.context(name: Listeners.tlsHandler)) == nil else {
      machine.close()
      return cut()
    }
    var line: [UInt8] = []
    if http != nil {
      HTTPResponse(refusal).write(closes: true, into: &line)
    } else {
      MessageWriter.writeError(refusal, id: .null, into: &line)
      line.append(UInt8(ascii: "\n"))
    }
    context?.write(wrapOutboundOut(ByteBuffer(bytes: line)), promise: nil)
    machine.refused()
  }

  // MARK: Bytes in

  /// Tells the machine what the next line holds.
  func parseLine() {
    guard http == nil else { return parseRequest() }
    // What may be sent changes when somebody signs in, from the line behind on.
    framer.maximumLength = machine.share.line
    guard let frame = framer.next() else { return machine.linesEnded() }
    // Fewer bytes are never refused.
    if isBuffering { _ = buffered(framer.bufferedBytes) }
    parse(frame)
  }

  /// Tells the machine what is left behind the last line.
  func parseRest() {
    guard http == nil else { return requestsEnded() }
    if let frame = framer.finish() { parse(frame) }
  }

  private func parse(_ frame: LineFramer.Frame) {
    if isFirstLine {
      isFirstLine = false
      if case .line(let line) = frame, line.isRequestLine { return readHTTPInstead() }
    }
    switch frame {
    case .tooLong(let id):
      let limit = framer.maximumLength
      services.notices.tell(.line, ["peer": "\(peer.source)", "limit_bytes": "\(limit)"])
      let error = Refusal.tooLarge(limit: Int64(limit), "A line may have at most \(limit) bytes.")
      machine.parsed(Entry(call: .refused(id: id ?? .null, error), reply: .line(id ?? .null)), ofBatch: nil)
    case .line(let line) where line.readableBytes < InputMemory.smallest: parse(line, holding: nil)
    case .line(let line):
      let mustWait = memory.mustWait(with: line.readableBytes) { [weak self] in
        guard let self else { return }
        eventLoop.execute { self.resume() }
      }
      if mustWait {
        parked = line
        machine.parsingBegan()
      } else {
        parseCounted(line)
      }
    }
  }

  /// Calls before a line that waits have been answered.
  private func resume() {
    guard let line = parked else { return }
    parked = nil
    machine.parsingEnded()
    parse(.line(line))
    proceed()
  }

  private func parseCounted(_ line: ByteBuffer) {
    guard let input = memory.hold(line.readableBytes, for: session.principal?.tenant) else {
      let id = LineScan(line)?.id ?? .null
      return take(.refused(id: id, .overloaded(retryAfterMilliseconds: 1000)), isLarge: false, holding: nil)
    }
    if line.readableBytes > LineWorkers.large {
      parseElsewhere(line, holding: input)
    } else {
      parse(line, holding: input)
    }
  }

  private func parse(_ line: ByteBuffer, holding input: HeldInput?) {
    switch ClientMessage(line: line) {
    case .single(let call): take(call, isLarge: false, holding: input)
    case .batch(let calls):
      take(calls.lazy.map { ($0, false) }, count: calls.count { $0.id != nil }, holding: input)
    }
  }

  /// Has a large line taken apart off the event loop.
  private func parseElsewhere(_ bytes: ByteBuffer, holding input: HeldInput) {
    let principal: Principal?
    do {
      principal = try currentPrincipal()
    } catch {
      // Whoever begins the call is told so.
      principal = nil
    }
    machine.parsingBegan()
    let line = LargeLine(bytes: bytes, principal: principal, methods: services.methods)
    let services = services
    let eventLoop = eventLoop
    let caller = principal?.tenant
    _ = services.connections.spawn {
      let outcome: Result<LargeLine.Message, any Error>
      do {
        outcome = .success(try await services.lineWorkers.run(for: caller) { line.message() })
      } catch {
        outcome = .failure(error)
      }
      eventLoop.execute {
        switch outcome {
        case .success(.single(let part)): self.take(part.call, isLarge: part.isLarge, holding: input)
        case .success(.batch(let parts)):
          self.take(parts, count: parts.count { $0.call.id != nil }, holding: input)
        case .failure(let error):
          self.take(.refused(id: .null, services.describe(error, method: "unknown")), isLarge: false, holding: nil)
        }
        self.machine.parsingEnded()
        self.proceed()
      }
    }
  }

  private func take(_ call: Call, isLarge: Bool, holding input: HeldInput?) {
    let target = call.id.map(Reply.Target.line) ?? .nothing
    machine.parsed(Entry(call: call, reply: target, isLarge: isLarge, input: input), ofBatch: nil)
  }

  /// A number for a batch of calls.
  func nextBatch() -> Int {
    batches += 1
    return batches
  }

  private func take(_ calls: some Sequence<LargeLine.Part>, count: Int, holding input: HeldInput?) {
    let batch = BatchReply(number: nextBatch(), count: count)
    var index = 0
    for (call, isLarge) in calls {
      guard let id = call.id else {
        // Nothing is held for a notification.
        machine.parsed(Entry(call: call, reply: .nothing, isLarge: isLarge, input: input), ofBatch: nil)
        continue
      }
      machine.parsed(
        Entry(call: call, reply: .part(batch, index: index, id), isLarge: isLarge, input: input), ofBatch: batch.number)
      index += 1
    }
  }

  // MARK: Bytes out

  /// Writes what the outbox holds.
  private func flush() {
    let taken = outbox.take(replacingWith: spare)
    spare = []
    for change in taken.held {
      machine.heldChanged(by: change.bytes, ofBatch: change.batch)
      if machine.phase != .closed { holdForBatches(change.bytes) }
    }
    if machine.answered(taken.answered), !taken.bytes.isEmpty { write(taken.bytes) }
    outbox.update(isChannelWritable: context?.channel.isWritable ?? false)
    tellRoom()
    proceed()
  }

  /// Tells the machine whether the client takes its answers.
  func tellRoom() {
    machine.roomChanged(outbox.hasRoom && !(unsent > AnswerMemory.tightRoom && services.answers.isTight))
  }

  private func write(_ bytes: [UInt8]) {
    guard let context else { return }
    var buffer = context.channel.allocator.buffer(capacity: bytes.count)
    buffer.writeBytes(bytes)
    services.metrics.wrote(bytes: bytes.count)
    if unsent == 0 { lastTaken = .now }
    unsent += bytes.count
    services.answers.changed(by: bytes.count, ofConnection: unsent + heldForBatches)
    while buffer.readableBytes > Self.piece, let piece = buffer.readSlice(length: Self.piece) {
      context.write(wrapOutboundOut(piece)).assumeIsolated().whenComplete { _ in self.lastTaken = .now }
    }
    // All pieces share their memory, which is given back with the last.
    context.writeAndFlush(wrapOutboundOut(buffer)).assumeIsolated().whenComplete { _ in self.took(bytes.count) }
    // A large store isn't kept for a connection that once got a large answer.
    guard bytes.capacity <= 256 << 10 else { return }
    spare = bytes
    spare.removeAll(keepingCapacity: true)
  }
}

extension Connection {
  /// The system has taken so many bytes, or there is nobody any more to take them.
  private func took(_ bytes: Int) {
    lastTaken = .now
    unsent -= bytes
    services.answers.changed(by: -bytes, ofConnection: unsent + heldForBatches)
    guard !machine.hasRoom else { return }
    tellRoom()
    proceed()
  }

  private func holdForBatches(_ bytes: Int) {
    heldForBatches += bytes
    services.answers.changed(by: bytes, ofConnection: unsent + heldForBatches)
  }

  /// Forgets what was held for batches.
  func releaseHeld() { holdForBatches(-heldForBatches) }

  /// Closes the connection where its client has answers and hasn't taken any for a while; others wait for their memory.
  func closeIfStalled() {
    eventLoop.execute {
      guard self.unsent > AnswerMemory.tightRoom, self.machine.phase != .closed,
        ContinuousClock.now - self.lastTaken >= self.services.answers.limits.stall
      else { return }
      self.services.answers.closedOne()
      self.services.logger.warning(
        "a connection is closed: its client takes no answers, and others wait for the memory",
        metadata: ["peer": "\(self.peer.source)", "bytes": "\(self.unsent)"])
      self.cut()
    }
  }
}

extension ByteBuffer {
  /// Whether a line is the first of a request of HTTP/1.
  fileprivate var isRequestLine: Bool {
    let bytes = readableBytesView
    guard let first = bytes.first, UInt8(ascii: "A")...UInt8(ascii: "Z") ~= first else { return false }
    return bytes.suffix(9).starts(with: " HTTP/1.".utf8)
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
