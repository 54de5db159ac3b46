import Access
import CanonicalJSON
import Gzip
import NIOCore
import Protocol
import Refusals

/// A whole request, and what of the server is needed to read its body.
struct HTTPMessage: Sendable {
  /// The calls that it stands for, and what becomes of their answers.
  struct Calls: Sendable {
    let form: HTTPAnswer.Form
    let parts: [LargeLine.Part]
    /// The length of the body, inflated where it was compressed.
    var bytes = 0
  }

  let request: HTTPRequest
  let body: ByteBuffer
  /// For whom the connection speaks; nil for nobody.
  let principal: Principal?
  let methods: MethodTable
  /// How many bytes the body may have once it isn't compressed.
  let limit: Int

  /// Whether reading it takes too long for an event loop.
  var isLarge: Bool { request.isCompressed || body.readableBytes > LineWorkers.large }

  /// Reads the body.
  func calls() -> Result<Calls, HTTPProblem> {
    do throws(HTTPProblem) {
      let body = try plainBody()
      var calls = try read(body)
      calls.bytes = body.readableBytes
      return .success(calls)
    } catch {
      return .failure(error)
    }
  }

  private func plainBody() throws(HTTPProblem) -> ByteBuffer {
    guard request.isCompressed, body.readableBytes > 0 else { return body }
    do throws(GzipError) {
      return ByteBuffer(bytes: try Gzip.inflate(body.readableBytesView, atMost: limit))
    } catch {
      switch error {
      case .tooLong(let limit):
        throw HTTPProblem(.tooLarge(limit: Int64(limit), "A body may have at most \(limit) bytes once it is inflated."))
      case .damaged: throw HTTPProblem(400, "The body is not what Content-Encoding says, or it is damaged or cut off.")
      case .noMemory: throw HTTPProblem(.overloaded(retryAfterMilliseconds: 1000))
      }
    }
  }

  private func read(_ body: ByteBuffer) throws(HTTPProblem) -> Calls {
    switch request.route {
    // Answered by the connection, without a call.
    case .metrics: throw HTTPProblem(400, "Metrics are asked for one at a time.")
    case .live: return Calls(form: .document, parts: [Self.part("server.ping")])
    case .ready: return Calls(form: .readiness, parts: [Self.part("server.health")])
    case .document: return Calls(form: .document, parts: [Self.part("rpc.discover")])
    case .events: return Calls(form: .eventStream, parts: [Self.part("log.subscribe", try subscription())])
    case .rpc: return rpc(body)
    case .lineage:
      let event = try Self.parse(body.readableBytesView).get()
      return Calls(form: .event, parts: [(record(event), body.readableBytes > LineWorkers.large)])
    case .lineageBatch: return Calls(form: .eventBatch, parts: try events(body))
    }
  }

  private static func part(_ method: String, _ params: JSONObject = [:]) -> LargeLine.Part {
    (.request(Request(id: .null, method: method, params: params)), false)
  }

  private static func parse(_ bytes: some Collection<UInt8>) -> Result<JSON, HTTPProblem> {
    do throws(JSONParseError) {
      return .success(try JSON.parse(bytes))
    } catch {
      return .failure(HTTPProblem(.parseError(error)))
    }
  }

  // MARK: JSON-RPC

  private func rpc(_ body: ByteBuffer) -> Calls {
    let message =
      body.readableBytes > LineWorkers.large
      ? LargeLine(bytes: body, principal: principal, methods: methods).message()
      : LargeLine.Message(ClientMessage(line: body))
    switch message {
    case .single(let part): return Calls(form: .rpc, parts: [(Self.screened(part.call), part.isLarge)])
    case .batch(let parts):
      return Calls(form: .rpcBatch, parts: parts.map { (Self.screened($0.call), $0.isLarge) })
    }
  }

  /// A call, unless its method speaks of the connection itself: over HTTP each request stands for itself.
  private static func screened(_ call: Call) -> Call {
    guard case .request(let request) = call else { return call }
    switch request.method {
    case "session.open", "session.close":
      return .refused(
        id: request.id,
        .invalidRequest("Over HTTP each request says who asks by Authorization: Bearer; sessions are for the socket."))
    case "log.subscribe", "log.unsubscribe":
      return .refused(
        id: request.id,
        .invalidRequest("Over HTTP events are told by GET /events; subscriptions by calls are for the socket."))
    default: return call
    }
  }

  // MARK: OpenLineage

  private func record(_ event: JSON) -> Call {
    var params: JSONObject = ["event": event]
    for (name, value) in request.query where name == "organization_id" { params[name] = .string(value) }
    return .request(Request(id: .null, method: "openlineage.record", params: params))
  }

  private func events(_ body: ByteBuffer) throws(HTTPProblem) -> [LargeLine.Part] {
    switch request.format {
    case .json:
      guard case .array(let events) = try Self.parse(body.readableBytesView).get() else {
        throw HTTPProblem(.invalidParam("", "a batch is an array of events, or one a line as application/x-ndjson"))
      }
      try check(events.count)
      return events.map {
        let call = record($0)
        return (call, call.isLarge)
      }
    case .lines:
      let lines = body.readableBytesView.split(separator: UInt8(ascii: "\n")).filter { line in
        !line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
      }
      try check(lines.count)
      return lines.map { line in
        switch Self.parse(line) {
        case .success(let event): (record(event), line.count > LineWorkers.large)
        case .failure(let problem): (.refused(id: .null, problem.refusal), false)
        }
      }
    }
  }

  private func check(_ count: Int) throws(HTTPProblem) {
    guard count > 0 else { throw HTTPProblem(.invalidParam("", "a batch must hold at least one event")) }
    let limit = ClientMessage.maximumBatch
    guard count <= limit else {
      throw HTTPProblem(.tooLarge(limit: Int64(limit), "A batch may hold at most \(limit) events."))
    }
  }

  // MARK: Events

  /// The parameters of `log.subscribe` as the query has them; a client that comes back goes on behind the last event
  /// that it was told.
  private func subscription() throws(HTTPProblem) -> JSONObject {
    var params: JSONObject = [:]
    for (name, value) in request.query {
      switch name {
      case "from":
        guard let position = Int64(value) else { throw HTTPProblem(.invalidParam("/from", "must be a position")) }
        params[name] = .integer(position)
      case "events", "resource_ids":
        params[name] = .array(value.split(separator: ",").map { .string(String($0)) })
      default: params[name] = .string(value)
      }
    }
    if let last = request.lastEventID {
      guard let position = Int64(last), (0..<Int64.max).contains(position) else {
        throw HTTPProblem(400, "Last-Event-ID must be the id of an event that was told: its position.")
      }
      params["from"] = .integer(position + 1)
    }
    return params
  }
}

extension LargeLine.Message {
  /// What a small line holds.
  fileprivate init(_ message: ClientMessage) {
    self =
      switch message {
      case .single(let call): .single((call, false))
      case .batch(let calls): .batch(calls.map { ($0, false) })
      }
  }
}
