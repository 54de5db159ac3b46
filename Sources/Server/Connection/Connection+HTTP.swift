import Access
import BasicTypes
import CanonicalJSON
import Domain
import Metrics
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Protocol
import Refusals

/// What a connection has besides where its bytes are HTTP instead of lines.
struct HTTPState {
  var input = HTTPInput()
  /// The request whose body is read.
  var request: HTTPRequest?
  /// What the last request asked for, by which its answer is counted; nil where there is nothing at its path.
  var route: HTTPRoute?
  /// The key or token with which the session was opened.
  var bearer: String?
  /// Whether events are told on it, and no requests are taken any more.
  var isStreaming = false
  /// Whether bytes came of a request that isn't there whole yet.
  var isReceiving = false
  /// The time by which a request must be there, or the next one begin; nil while one is answered.
  var deadline: NIODeadline?
  /// Looks whether that time is over, or gives the next sign of life.
  var timer: Scheduled<Void>?
  /// When that is.
  var timerIsDue = NIODeadline.distantFuture
}

// Requests are taken one at a time: while one is being answered, nothing more is parsed. So the machine sees each as
// one long line that is parsed elsewhere, whose calls it begins as those of the socket.
extension Connection {
  /// How often a client that is told of events hears something, so that both see whether the other is there.
  private static let heartbeat = TimeAmount.seconds(15)

  // MARK: What the handlers before it report

  /// So many bytes were read from the client.
  func requestBytesRead(_ count: Int) {
    services.metrics.read(bytes: count)
    guard let http, !http.isReceiving, !http.isStreaming, !machine.isParsing else { return }
    self.http?.isReceiving = true
    setTimer(services.configuration.requestTimeout)
  }

  /// A part of a request was read.
  func read(_ part: HTTPServerRequestPart) {
    guard machine.bytesRead() else { return }
    http?.input.append(part)
    proceed()
  }

  /// What was read is no HTTP.
  func readNoHTTP(_ sentence: String) {
    guard machine.bytesRead() else { return }
    http?.input.fail(sentence)
    proceed()
  }

  /// Lines of JSON-RPC came instead of requests: one line says where they belong, and it closes.
  func readLines() {
    guard machine.phase == .serving else { return }
    let places = services.addresses.withLockedValue { $0.filter { $0.hasPrefix("tcp:") || $0.hasPrefix("tls:") } }
    let place = places.isEmpty ? "the Unix socket" : places.joined(separator: ", ")
    endWith { output in
      MessageWriter.writeError(
        .invalidRequest("This port speaks HTTP (POST /rpc takes JSON-RPC); lines of JSON-RPC go to \(place)."),
        id: .null, into: &output)
      output.append(UInt8(ascii: "\n"))
    }
  }

  /// A request of HTTP came instead of lines: the answer says where it belongs, and it closes.
  func readHTTPInstead() {
    let places = services.addresses.withLockedValue { $0.filter { $0.hasPrefix("http") } }
    let place = places.isEmpty ? "this server has no HTTP port: see daybook serve --http" : places[0]
    let problem = HTTPProblem(400, "This port speaks lines of JSON-RPC. HTTP is elsewhere: \(place)")
    endWith { problem.response.write(closes: true, into: &$0) }
  }

  /// Answers once more, and closes.
  private func endWith(_ write: (inout [UInt8]) -> Void) {
    machine.parsingBegan()
    outbox.put(answering: 0, write)
    eventLoop.execute {
      self.machine.parsingEnded()
      self.machine.stop()
      self.proceed()
    }
  }

  // MARK: A request

  /// Tells the machine what the next request holds, as far as it is there.
  func parseRequest() {
    http?.input.maximumBody = machine.share.line
    guard let event = http?.input.next() else {
      guard buffered(http?.input.bodyBytes ?? 0) else { return refuseForRoom() }
      // What was left of a request that was refused is read past: none is on its way.
      if http?.isReceiving == true, http?.input.isBetweenRequests == true {
        http?.isReceiving = false
        setTimer(services.configuration.idleTimeout)
      }
      return machine.linesEnded()
    }
    switch event {
    case .head(let head):
      let lineagePath = services.configuration.openLineagePath
      http?.route = HTTPRequest.route(of: head, lineagePath: lineagePath)
      do throws(HTTPProblem) {
        signIn(for: try HTTPRequest(head, lineagePath: lineagePath))
      } catch {
        let isChunked = head.headers.contains(name: "transfer-encoding")
        refuse(
          error, length: isChunked ? nil : Int(head.headers["content-length"].first ?? "0"),
          closes: !head.isKeepAlive || error.isOfFraming,
          isHead: head.method == .HEAD)
      }
    case .body(let body):
      guard buffered(body.readableBytes) else { return refuseForRoom() }
      readBody(body)
    case .tooLong:
      let limit = machine.share.line
      answer(HTTPProblem(.tooLarge(limit: Int64(limit), "A body may have at most \(limit) bytes.")), closes: true)
    case .malformed(let sentence): answer(HTTPProblem(400, sentence), closes: true)
    }
  }

  private func refuseForRoom() {
    http?.input.end()
    http?.request = nil
    answer(HTTPProblem(.overloaded(retryAfterMilliseconds: 1000)), closes: true)
  }

  /// The client sends nothing more: a request that isn't there whole is answered so.
  func requestsEnded() {
    guard http?.isReceiving == true else { return }
    http?.request = nil
    answer(HTTPProblem(400, "The request ends before it is whole."), closes: true)
  }

  /// Has the connection speak for whom the request says, then lets it go on. What comes behind waits.
  private func signIn(for request: HTTPRequest) {
    http?.request = request
    guard let bearer = request.bearer, !(request.route == .metrics && services.scrapeToken?.matches(bearer) == true)
    else {
      forget()
      return admit(request)
    }
    if http?.bearer == bearer, session.principal != nil { return admit(request) }
    forget()
    let takesTokens = services.tokens != nil
    openSession(Credentials(bearer: bearer, takesTokens: takesTokens, userAgent: request.userAgent)) { outcome in
      switch outcome {
      case .success:
        self.http?.bearer = bearer
        self.admit(request)
      case .failure(let refusal): self.refuse(HTTPProblem(refusal), request)
      }
    }
  }

  /// The connection speaks for nobody any more.
  private func forget() {
    http?.bearer = nil
    if case .opened = session { closeSession() }
  }

  /// Takes a request in whose caller is known, so that its body is read; or refuses it without.
  private func admit(_ request: HTTPRequest) {
    do {
      if let refusal = refusal(of: request, for: try currentPrincipal()) { throw refusal }
      let limit = machine.share.line
      if let length = request.length, length > limit {
        throw Refusal.tooLarge(limit: Int64(limit), "A body may have at most \(limit) bytes.")
      }
    } catch {
      return refuse(HTTPProblem(services.describe(error, method: "http")), request)
    }
    if request.expectsContinue, request.length != 0 {
      outbox.put(answering: 0) { $0.append(contentsOf: "HTTP/1.1 100 Continue\r\n\r\n".utf8) }
    }
  }

  /// Why a caller may not ask for this whatever the body says.
  private func refusal(of request: HTTPRequest, for principal: Principal?) -> Refusal? {
    switch request.route {
    case .metrics: return services.refusal(ofScrape: request, by: principal, from: peer)
    case .live, .ready, .document, .rpc: return nil
    case .events: return principal == nil ? .unauthenticated() : nil
    case .lineage, .lineageBatch:
      guard let principal else { return .unauthenticated() }
      guard case .command(let record)? = services.methods["openlineage.record"] else { return nil }
      return record.refusal(for: principal)
    }
  }

  private func refuse(_ problem: HTTPProblem, _ request: HTTPRequest) {
    refuse(problem, length: request.length, closes: request.closes, isHead: request.isHead)
  }

  /// Answers a request whose body isn't wanted: a short one is read past, else the connection ends.
  private func refuse(_ problem: HTTPProblem, length: Int?, closes: Bool, isHead: Bool) {
    http?.request = nil
    let isShort = length.map { $0 <= services.configuration.maximumUnsignedLine } ?? false
    if isShort, !closes { http?.input.skipBody() }
    answer(problem, closes: closes || !isShort, isHead: isHead)
  }

  /// Answers a request that comes to no call.
  private func answer(_ problem: HTTPProblem, closes: Bool, isHead: Bool = false) {
    services.metrics.refused(problem.refusal)
    answer(problem.response, closes: closes, isHead: isHead)
  }

  private func answer(_ response: HTTPResponse, closes: Bool, isHead: Bool = false) {
    answeringBegan()
    services.metrics.responded(http?.route, status: response.status)
    if closes { http?.input.end() }
    outbox.put(answering: 0) { response.write(closes: closes, isHead: isHead, into: &$0) }
    eventLoop.execute { self.answeringEnded(closes: closes) }
  }

  /// The whole of a request is there: hands its calls to the machine.
  private func readBody(_ body: ByteBuffer) {
    guard let request = http?.request else { return }
    http?.request = nil
    answeringBegan()
    if request.route == .metrics { return tellMetrics(request) }
    let message = HTTPMessage(
      request: request, body: body, principal: session.principal, methods: services.methods,
      limit: machine.share.line)
    guard message.isLarge else { return take(message.calls(), request) }
    let services = services
    let eventLoop = eventLoop
    let caller = session.principal?.tenant
    _ = services.connections.spawn {
      let outcome: Result<HTTPMessage.Calls, HTTPProblem>
      do {
        outcome = try await services.lineWorkers.run(for: caller) { message.calls() }
      } catch {
        outcome = .failure(HTTPProblem(services.describe(error, method: "http")))
      }
      eventLoop.execute {
        self.take(outcome, request)
        self.proceed()
      }
    }
  }

  /// Answers with the metrics, which are gathered off the event loop.
  private func tellMetrics(_ request: HTTPRequest) {
    let services = services
    let eventLoop = eventLoop
    let format = Exposition.Format(accept: request.accept)
    _ = services.connections.spawn(for: nil, on: services.queryWorkers) {
      let text = await services.exposition(in: format)
      eventLoop.execute {
        self.answer(
          HTTPResponse(200, format.contentType, text), closes: request.closes, isHead: request.isHead)
        self.proceed()
      }
    }
  }

  private func take(_ outcome: Result<HTTPMessage.Calls, HTTPProblem>, _ request: HTTPRequest) {
    let calls: HTTPMessage.Calls
    switch outcome {
    case .failure(let problem): return answer(problem, closes: request.closes, isHead: request.isHead)
    case .success(let read): calls = read
    }
    // A body that was inflated is held for what it has become, until each of its calls is answered.
    bufferingEnded()
    var input: HeldInput?
    if calls.bytes >= InputMemory.smallest {
      input = memory.hold(calls.bytes, for: session.principal?.tenant)
      guard input != nil else {
        return answer(
          HTTPProblem(.overloaded(retryAfterMilliseconds: 1000)), closes: request.closes, isHead: request.isHead)
      }
    }
    let count = calls.parts.count { $0.call.id != nil }
    let number = nextBatch()
    let answer = HTTPAnswer(
      calls.form, to: request.route, countedBy: services.metrics, number: number, count: count,
      closes: request.closes, isHead: request.isHead
    ) {
      self.eventLoop.execute { self.answeringEnded(closes: request.closes) }
    }
    let isBatch = if case .rpcBatch = calls.form { true } else { false }
    var index = 0
    for (call, isLarge) in calls.parts {
      guard let id = call.id else {
        machine.parsed(Entry(call: call, reply: .nothing, isLarge: isLarge, input: input), ofBatch: nil)
        continue
      }
      machine.parsed(
        Entry(call: call, reply: .http(answer, index: index, id), isLarge: isLarge, input: input),
        ofBatch: isBatch ? number : nil)
      index += 1
    }
    // Notifications only: there is no answer to wait for.
    if count == 0 { self.answer(HTTPResponse(204), closes: request.closes) }
  }

  // MARK: While it is answered

  private func answeringBegan() {
    machine.parsingBegan()
    http?.isReceiving = false
    http?.deadline = nil
  }

  /// The last bytes of an answer are on their way.
  private func answeringEnded(closes: Bool) {
    machine.parsingEnded()
    http?.route = nil
    bufferingEnded()
    if http?.isStreaming == true {
      beat()
    } else if closes {
      machine.stop()
    } else if http?.input.hasMore == true {
      http?.isReceiving = true
      setTimer(services.configuration.requestTimeout)
    } else {
      setTimer(services.configuration.idleTimeout)
    }
    proceed()
  }

  /// Sets the time by which something must come. A timer that is due before looks again then: to cancel one and begin
  /// another with each request would cost more the more connections there are.
  private func setTimer(_ time: TimeAmount) {
    let deadline = NIODeadline.now() + time
    http?.deadline = deadline
    if http?.timer != nil, let due = http?.timerIsDue, due <= deadline { return }
    startTimer(until: deadline)
  }

  private func startTimer(until deadline: NIODeadline) {
    http?.timer?.cancel()
    http?.timer = nil
    guard machine.phase == .serving || machine.phase == .draining else { return }
    http?.timerIsDue = deadline
    http?.timer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in self?.lookAtTime() }
  }

  private func lookAtTime() {
    http?.timer = nil
    guard let deadline = http?.deadline else { return }
    if NIODeadline.now() < deadline { startTimer(until: deadline) } else { timeIsOver() }
  }

  private func timeIsOver() {
    guard machine.phase == .serving, !machine.isParsing else { return }
    if http?.isReceiving == true {
      // Whose sign-in is under way isn't slow; it ends by itself.
      guard !machine.isSigningIn else { return setTimer(.seconds(1)) }
      http?.request = nil
      let seconds = services.configuration.requestTimeout.nanoseconds / 1_000_000_000
      answer(HTTPProblem(408, "A request must be there whole within \(seconds) seconds."), closes: true)
    } else {
      machine.stop()
    }
    proceed()
  }

  // MARK: Events

  /// From now on events are told, and no requests are taken.
  func beginStreaming() {
    http?.isStreaming = true
    http?.input.end()
  }

  private func beat() {
    outbox.putIfRoom { HTTPResponse.writeChunk(Array(":\n\n".utf8), into: &$0) }
    http?.timer?.cancel()
    http?.timer = eventLoop.assumeIsolated().scheduleTask(in: Self.heartbeat) { [weak self] in
      guard let self, machine.phase == .serving || machine.phase == .draining else { return }
      beat()
    }
  }
}
